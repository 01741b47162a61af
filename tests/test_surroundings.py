"""Whole campaigns on problems that need more of the machine than their snapshot: what is found, what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.toys import PROBLEM, SOLVE, toy_problem

from aster.app import create, run
from aster.campaign.budget import Budget
from aster.domain.events import CampaignOpened
from aster.errors import UserError
from aster.ledger.sqlite import SqliteStore
from aster.problems.problem import Problem, load_problem, problem_from_files
from aster.sandbox.layers import choose_walls
from aster.surroundings import check_same, find_interpreter, look_around, prepare_problem, silence
from aster.testing.confined import make_venv

OUTSIDE = """
[environment]
interpreter = "env/bin/python"
caches = ["~/.cache/weights"]
[[data]]
name = "hidden"
path = "data/hidden"
visible = ["score"]
"""
EVALUATE = """\
import json, os, pathlib, sys
assert pathlib.Path("data/hidden/answer").read_text() == "42"
json.dump({"loss": json.load(open(sys.argv[1]))}, open(os.environ["ASTER_SCORE"], "w"))
"""
CHECKED_SOLVE = """\
import pathlib, added
assert added.VALUE == 3
assert pathlib.Path("~/.cache/weights/w").expanduser().read_text() == "w"
"""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("aster.report.folder.write_report", lambda *args: [])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".cache" / "weights").mkdir(parents=True)
    (tmp_path / "home" / ".cache" / "weights" / "w").write_text("w")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A problem with an environment of its own, a cache and hidden data."""
    texts = {
        "problem.toml": PROBLEM.format(exact="true").replace("{{", "{").replace("}}", "}") + OUTSIDE,
        "evaluate.py": EVALUATE,
        "solution/solve.py": CHECKED_SOLVE + SOLVE.format(gate="", sd=0.0),
        "data/hidden/answer": "42",
    }
    folder = toy_problem(tmp_path / "toy", files=texts)
    [packages] = make_venv(folder / "env").glob("lib/python*/site-packages")
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "added.py").write_text("VALUE = 3\n")
    (packages / "added.pth").write_text(f"{tmp_path}/added\n")
    return folder


def opened(toy: Path, tmp_path: Path) -> Path:
    return create(load_problem(toy), Budget(experiments=8), slots=2, campaigns=tmp_path / "campaigns")


def add(folder: Path, text: str) -> Problem:
    toml = folder / "problem.toml"
    toml.write_text(toml.read_text() + text)
    return load_problem(folder)


def test_a_campaign_runs_with_all_of_it(toy: Path, tmp_path: Path) -> None:
    folder = opened(toy, tmp_path)
    with closing(SqliteStore(folder / "ledger.db", read_only=True)) as store:
        [first] = store.read(limit=1)
    assert isinstance(first.event, CampaignOpened)
    assert (folder / first.event.origin).resolve() == toy.resolve()
    assert list(first.event.data) == ["hidden"]
    done = run(folder)
    assert done.baseline is not None
    assert done.board.spend.experiments > 1


def test_changed_data_ends_the_term_before_it_begins(toy: Path, tmp_path: Path) -> None:
    folder = opened(toy, tmp_path)
    (toy / "data" / "hidden" / "answer").write_text("43")
    with pytest.raises(UserError, match=r'"hidden" \(.*data/hidden\) is not what this campaign began with'):
        run(folder)
    (toy / "data" / "hidden" / "answer").write_text("42")
    assert run(folder).baseline is not None


def test_a_moved_problem_folder_is_asked_for(toy: Path, tmp_path: Path) -> None:
    folder = opened(toy, tmp_path)
    toy.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=rf"problem folder {toy} is not there any more.*ln -s NEW_PLACE {toy}"):
        run(folder)
    toy.symlink_to(tmp_path / "moved")
    assert run(folder).baseline is not None


def test_campaigns_and_problem_may_move_together(toy: Path, tmp_path: Path) -> None:
    folder = opened(toy, tmp_path)
    (tmp_path / "new").mkdir()
    for name in ("toy", "campaigns"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    around_toy = (tmp_path / "new" / "toy" / "problem.toml").read_text()
    assert "interpreter" in around_toy
    assert run(tmp_path / "new" / "campaigns" / folder.name).baseline is not None


def test_missing_data_says_how_to_get_it(toy: Path) -> None:
    shutil.rmtree(toy / "data")
    problem = load_problem(toy)
    with pytest.raises(UserError, match=r'"hidden" of .* is missing at .*data/hidden; put it there'):
        look_around(problem, silence)
    problem = add(toy, '[prepare]\ncommand = ["python", "-c", "print(1)"]\n')
    with pytest.raises(UserError, match=r"has to be prepared first: run `aster prepare"):
        look_around(problem, silence)
    assert prepare_problem(problem, silence)
    with pytest.raises(UserError, match=r"`aster prepare .*` makes it: run that again"):
        look_around(problem, silence)


def test_preparing_again_when_its_command_changes(toy: Path) -> None:
    code = "import pathlib, sys; pathlib.Path('data/hidden/more').write_text(sys.prefix)"
    (toy / "prepare.py").write_text(code)
    problem = add(toy, '[prepare]\ncommand = ["python", "prepare.py"]\n')
    before = dict(look_around(problem, silence, begun=True).fingerprints)
    assert prepare_problem(problem, silence)
    assert (toy / "data" / "hidden" / "more").read_text() == str(toy / "env")
    around = look_around(problem, silence)
    with pytest.raises(UserError, match="not what this campaign began with"):
        check_same(before, around.fingerprints, problem)
    (toy / "prepare.py").write_text(code + "\n")
    with pytest.raises(UserError, match="has to be prepared first"):
        look_around(load_problem(toy), silence)


def test_a_built_in_problem_is_stamped_in_the_cache(toy: Path, tmp_path: Path) -> None:
    problem = add(toy, '[prepare]\ncommand = ["python", "-c", "print(1)"]\n')
    built_in = problem_from_files(problem.files, "toy", problem.folder, built_in=True)
    assert prepare_problem(built_in, silence)
    assert not (toy / ".aster").exists()
    assert json.loads((tmp_path / "cache/aster/prepared/toy.json").read_bytes())
    look_around(built_in, silence)


def test_what_is_missing_is_named(toy: Path, tmp_path: Path) -> None:
    problem = load_problem(toy)
    (toy / "env" / "bin" / "python").unlink()
    with pytest.raises(UserError, match=r"interpreter .*env/bin/python, which is not there"):
        look_around(problem, silence)
    make_venv(toy / "env")
    shutil.rmtree(tmp_path / "home" / ".cache")
    with pytest.raises(UserError, match=r"cache ~/.cache/weights .* is not there"):
        look_around(problem, silence)
    with pytest.raises(UserError, match="load it from its folder"):
        look_around(problem_from_files(problem.files, "toy"), silence)


def test_data_within_data_is_refused(toy: Path, tmp_path: Path) -> None:
    problem = add(toy, f'[[data]]\nname = "all"\npath = "{toy}/data"\nvisible = ["solve"]\n')
    with pytest.raises(UserError, match='"hidden" lies within "all"'):
        look_around(problem, silence)


def test_what_others_cannot_read_is_read_as_ourselves(toy: Path, tmp_path: Path) -> None:
    around = look_around(load_problem(toy), silence)
    (toy / "data" / "hidden" / "answer").chmod(0o600)
    shut = look_around(load_problem(toy), silence)
    assert not shut.needs.open
    assert not choose_walls("auto", tmp_path, {}, needs=shut.needs).own_user
    assert around.given[0] == shut.given[0]


def test_without_any_of_it_nothing_is_needed(tmp_path: Path) -> None:
    problem = load_problem(toy_problem(tmp_path / "bare"))
    assert find_interpreter(problem, silence) == sys.executable
    around = look_around(problem, silence)
    assert (around.given, around.fingerprints, around.needs.interpreter) == ((), {}, "")
    folder = create(problem, Budget(experiments=24), slots=2, campaigns=tmp_path / "campaigns")
    shutil.rmtree(tmp_path / "bare")
    assert run(folder).baseline is not None
