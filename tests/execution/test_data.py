"""Data is shown to the stages that may see it, in each sandbox, and to the right experiments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.exploits.exploit import SANDBOXES, Sandbox
from tests.walls import walls_or_skip

from aster.domain.events import AttemptLost
from aster.domain.records import Failed, Invalid, Measured, Result
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Job
from aster.sandbox.layers import Needs
from aster.sandbox.plan import GivenPlan, RunPlan, StagePlan
from aster.testing.executors import collect, judge, outcome

READ = """\
import json, os, pathlib, sys
def content(path):
    try:
        return pathlib.Path(path).expanduser().read_text()
    except OSError:
        return ""
seen = {path: content(path) for path in sys.argv[2:]}
pathlib.Path(sys.argv[1]).write_text(json.dumps(seen))
"""
SCORE = """
import os
worth = {"train": 1, "hidden": 2, "final": 4}
def value(seen):
    return sum(worth[content] for content in set(seen.values()) if content)
first = json.load(open(os.path.join(os.path.dirname(sys.argv[1]), "seen.json")))
json.dump({"value": 10 * value(first) + value(seen)}, open(os.environ["ASTER_SCORE"], "w"))
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three files of data, to be read by anybody who gets to them."""
    place = tmp_path / "place"
    place.mkdir(mode=0o755)
    for name in ("train", "hidden", "final"):
        (place / name).write_text(name)
        (place / name).chmod(0o644)
    return place.resolve()


class Field:
    """An executor in one sandbox, whose stages look for the data by each of its names."""

    def __init__(self, sandbox: Sandbox, tmp_path: Path, data: Path) -> None:
        paths = (
            "data/train",
            "~/data/hidden",
            "data/final",
            *(str(data / each) for each in ("train", "hidden", "final")),
        )
        command = ("python", "solution/main.py", "{outputs}/seen.json", *paths)
        scoring = ("python", "evaluate.py", "{outputs}/again.json", *paths, "{data.final}", "{data.hidden}")
        self.plan = RunPlan(
            stages=(StagePlan("solve", command, 60.0), StagePlan("score", scoring, 60.0, trusted=True)),
            trusted_files={"evaluate.py": (READ + SCORE).encode(), "data/README": b"kept beside it"},
            given=(
                GivenPlan("train", (str(data / "train"),), "data/train", ("solve",)),
                GivenPlan("hidden", (str(data / "hidden"),), "~/data/hidden", ("score",)),
                GivenPlan("final", (str(data / "final"),), "data/final", ("score",), sealed=True),
            ),
        )
        needs = Needs(private=tuple(place for each in self.plan.given for place in each.places))
        walls = walls_or_skip(sandbox, tmp_path / "campaign", needs=needs)
        self.executor = LocalExecutor(tmp_path / "campaign", self.plan, judge, 1, "data", walls=lambda _: walls)

    def run(self, code: str = READ, confirms: bool = False) -> Result:
        self.executor.submit(Job("x-1.1", "x-1", 7, {"solution/main.py": code.encode()}, confirms=confirms))
        found = outcome(self.executor).result
        self.executor.acknowledge("x-1.1")
        return found


@pytest.fixture(params=SANDBOXES)
def field(request: pytest.FixtureRequest, tmp_path: Path, data: Path) -> Iterator[Field]:
    made = Field(request.param, tmp_path, data)
    yield made
    made.executor.close()


def value(result: Result) -> float:
    assert isinstance(result, Measured), result
    return result.metrics["value"]


def test_each_stage_sees_its_own(field: Field) -> None:
    walled = field.executor.sandbox != "plain"
    search, confirm = value(field.run()), value(field.run(confirms=True))
    if walled:
        assert (search, confirm) == (12, 16)  # the solution: train; the evaluator: hidden, and at last final
    else:
        assert (search, confirm) == (77, 77)  # whoever knows the place can read what lies there


def test_it_cannot_be_changed(field: Field, data: Path) -> None:
    if field.executor.sandbox == "plain":
        pytest.skip("plain processes can change whatever their user can")
    change = "\ntry:\n    open('data/train', 'w').write('mine')\nexcept OSError:\n    pass\n"
    assert value(field.run(READ + change)) == 12
    assert (data / "train").read_text() == "train"


def test_data_that_is_gone_is_no_fault_of_the_candidate(field: Field, data: Path) -> None:
    (data / "train").unlink()
    field.executor.submit(Job("x-1.1", "x-1", 7, {"solution/main.py": READ.encode()}))
    [arrival] = collect(field.executor)
    fact = arrival.fact
    assert isinstance(fact, AttemptLost)
    assert str(data / "train") in fact.reason


def test_something_in_its_place(field: Field, tmp_path: Path) -> None:
    """The trusted stage works in a folder of its own, so what a candidate leaves in its own can mislead nobody."""
    code = READ + "\nos.unlink('data/train'); pathlib.Path('data/train').write_text('mine')"
    result = field.run(code)
    assert not isinstance(result, Failed | Invalid), result


def test_what_two_untrusted_stages_find(tmp_path: Path, data: Path) -> None:
    walls = walls_or_skip("plain", tmp_path / "campaign")
    stages = tuple(StagePlan(name, ("python", "solution/main.py", name), 60.0) for name in ("one", "two"))
    plan = RunPlan(stages, {}, given=(GivenPlan("train", (str(data / "train"),), "deep/train", ("one", "two")),))
    broke = Invalid("put something in the place of its data, deep/train")
    code = b"import os, sys\nprint(open('deep/train').read())\nif sys.argv[1] == 'one':\n    %s\n"
    for trick, ending in (
        (b"pass", Measured({})),
        (b"os.unlink('deep/train'); open('deep/train', 'w')", broke),
        (b"os.unlink('deep/train'); os.rmdir('deep'); os.symlink('/tmp', 'deep')", broke),
    ):
        executor = LocalExecutor(
            tmp_path / "campaign", plan, lambda _text, _said: Measured({}), 1, "two", walls=lambda _: walls
        )
        executor.submit(Job("x-1.1", "x-1", 7, {"solution/main.py": code % trick}))
        assert outcome(executor).result == ending
        executor.acknowledge("x-1.1")
        executor.close()
