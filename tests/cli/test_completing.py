from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.test_main import HEAVY

import aster

SOURCE = str(Path(aster.__file__).parents[1])

ASTER = """\
import sys
from aster.cli.main import main
sys.argv[0] = "aster"
try:
    main()
finally:
    print("LOADED", *sys.modules, file=sys.stderr)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two campaigns, one that was cut off before its ledger was made, and two problems."""
    for name in ("toy-20260101-000000-aaaa", "other-20260202-000000-bbbb"):
        (tmp_path / "campaigns" / name).mkdir(parents=True)
        (tmp_path / "campaigns" / name / "ledger.db").touch()
    (tmp_path / "campaigns" / "toy-empty").mkdir()
    for folder in (tmp_path / "toy", tmp_path / "below" / "inner"):
        folder.mkdir(parents=True)
        (folder / "problem.toml").touch()
    return tmp_path


def complete(place: Path, words: str) -> tuple[list[str], set[str]]:
    """Return what bash would offer for the last of the words, and the modules that were loaded for it."""
    asked = {
        "_ASTER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "PYTHONPATH": SOURCE,
    }
    env = {name: value for name, value in os.environ.items() if name != "ASTER_CAMPAIGNS"} | asked
    done = subprocess.run([sys.executable, "-c", ASTER], cwd=place, env=env, capture_output=True, text=True, check=True)
    return done.stdout.split(), set(done.stderr.partition("LOADED ")[2].split())


def test_ids_youngest_first_without_a_look_into_any_ledger(place: Path) -> None:
    found, loaded = complete(place, "aster show ")
    assert found == ["last", "other-20260202-000000-bbbb", "toy-20260101-000000-aaaa"]
    assert "aster.cli.completing" in loaded
    assert HEAVY.intersection(loaded) <= {"pydantic"}  # newer versions of typer look at types through it


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("aster resume t", ["toy-20260101-000000-aaaa"]),
        ("aster export --campaigns nowhere ", ["last"]),
        ("aster run t", ["toy"]),
        ("aster run circ", ["circle-packing"]),
        ("aster run below/", ["below/inner"]),
        ("aster run nowhere/", []),
        ("aster exp", ["export"]),
    ],
)
def test_what_begins_so(place: Path, words: str, offered: list[str]) -> None:
    found, _ = complete(place, words)
    assert found == offered


def test_the_script_for_a_shell_is_shown() -> None:
    env = {**os.environ, "_ASTER_COMPLETE": "source_bash", "PYTHONPATH": SOURCE}
    done = subprocess.run([sys.executable, "-c", ASTER], env=env, capture_output=True, text=True, check=True)
    assert "_ASTER_COMPLETE=complete_bash" in done.stdout
