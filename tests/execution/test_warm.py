"""Compile caches: filled once by the unchanged solution, frozen, and given to every stage as a copy of its own."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.exploits.exploit import SANDBOXES, Sandbox
from tests.walls import walls_or_skip

from aster.domain.records import Measured
from aster.errors import UserError
from aster.execution.arrivals import Judge
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Job
from aster.execution.warm import compiled_kernels
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.plan import GivenPlan, RunPlan, StagePlan
from aster.testing.executors import outcome

FILL = """\
import os, pathlib
for name in ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH", "NUMBA_CACHE_DIR"):
    place = pathlib.Path(os.environ[name], "deep")
    place.mkdir(parents=True)
    (place / "kernel").write_text(name)
    (place / "link").symlink_to("/etc/passwd")
assert not pathlib.Path("data").exists()
print("filled")
"""
USE = """\
import os, pathlib
place = pathlib.Path(os.environ["TRITON_CACHE_DIR"], "deep")
assert (place / "kernel").read_text() == "TRITON_CACHE_DIR"
assert not (place / "link").is_symlink()
(place / "kernel").write_text("poisoned")
"""
FILES = {"solution/fill.py": FILL.encode(), "solution/use.py": USE.encode()}


def plan(data: Path) -> RunPlan:
    commands = (("one", "solution/use.py"), ("two", "solution/use.py"))
    return RunPlan(
        stages=tuple(StagePlan(name, ("python", path), 60.0) for name, path in commands),
        trusted_files={},
        given=(GivenPlan("train", (str(data),), "data", ("one", "two")),),
    )


class Field:
    """Executors of one campaign's folder in one sandbox; `made` counts them."""

    def __init__(self, folder: Path, walls: Walls) -> None:
        self.folder, self.walls, self.made, self.said = folder, walls, 0, list[str]()

    def make(self, plan: RunPlan, judge: Judge) -> LocalExecutor:
        self.made += 1
        return LocalExecutor(self.folder, plan, judge, 1, "warm", walls=lambda _: self.walls)

    def kernels(self, data: Path, *command: str) -> Path:
        return compiled_kernels(self.folder, plan(data), command, FILES, self.make, self.said.append)


@pytest.fixture(params=SANDBOXES)
def field(request: pytest.FixtureRequest, tmp_path: Path) -> Field:
    sandbox: Sandbox = request.param
    return Field(tmp_path / "campaign", walls_or_skip(sandbox, tmp_path / "campaign"))


def test_each_stage_has_a_copy_of_its_own(field: Field, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("to be seen by no compiler")
    place = field.kernels(tmp_path / "data", "python", "solution/fill.py")
    assert sorted(each.name for each in place.iterdir()) == ["cuda", "inductor", "numba", "triton"]
    assert [each.name for each in (place / "numba" / "deep").iterdir()] == ["kernel"]
    assert field.kernels(tmp_path / "data", "python", "solution/fill.py") == place
    assert len(field.said) == 1
    assert list((field.folder / "attempts").iterdir()) == []
    executor = field.make(replace(plan(tmp_path / "data"), compiled=str(place)), lambda _text, _said: Measured({}))
    for attempt in ("x-1.1", "x-1.2"):
        executor.submit(Job(attempt, "x-1", 7, FILES))
        assert outcome(executor).result == Measured({})
        executor.acknowledge(attempt)
    executor.close()
    assert (place / "triton" / "deep" / "kernel").read_text() == "TRITON_CACHE_DIR"


def test_a_command_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    field = Field(tmp_path / "campaign", walls_or_skip("plain", tmp_path / "campaign"))
    with pytest.raises(UserError, match=r"(?s)`warm` .*does not end well.*no-such-file"):
        field.kernels(tmp_path / "data", "python", "solution/no-such-file.py")
    with suppress(FileNotFoundError):
        assert list((field.folder / "compiled").iterdir()) == []
