from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Aster
from tests.toys import toy_problem
from typer.testing import CliRunner

from aster._version import VERSION
from aster.cli.main import app
from aster.errors import StoreError
from aster.handle import Campaign
from aster.ledger.protocol import LedgerDamaged

LISTS_MODULES = """\
import sys
from aster.cli.main import main
try:
    main()
finally:
    print("LOADED", *sys.modules)
"""
HEAVY = {
    "anyio", "jinja2", "matplotlib", "merge3", "msgspec", "numpy", "pydantic", "pynvml", "rich.live",
    "scipy", "sqlite3", "whatthepatch", "aster.app", "aster.board", "aster.domain", "aster.report", "aster._version",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "typers_own"),
    [
        (["--help"], set()),
        (["run", "--help"], {"pydantic"}),  # newer versions of typer look at a command's types through it
    ],
)
def test_help_loads_nothing_heavy(words: list[str], typers_own: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LISTS_MODULES, *words], capture_output=True, text=True, check=True)
    help_text, _, loaded = done.stdout.partition("LOADED ")
    assert "Usage:" in help_text
    assert "typer" in loaded.split()  # the list is what it says it is
    assert (HEAVY - typers_own).intersection(loaded.split()) == set()


def test_help_names_every_command_in_full() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    for command in (
        "init",
        "prepare",
        "run",
        "check",
        "resume",
        "stop",
        "campaigns",
        "show",
        "report",
        "apply",
        "export",
        "doctor",
        "problems",
    ):
        assert f"\n  {command} " in text
    assert "..." not in text.partition("Commands:")[2]


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"aster {VERSION}\n"


def test_problems_lists_built_in_problems_with_titles(
    aster: Aster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_problem(tmp_path / "packs" / "some_toy")
    (tmp_path / "packs" / "wrong").mkdir()
    (tmp_path / "packs" / "wrong" / "problem.toml").write_text("problem = 1")
    packs = {"some-toy": tmp_path / "packs" / "some_toy", "wrong": tmp_path / "packs" / "wrong"}
    monkeypatch.setattr("aster.problems.problem._packs", lambda: packs)
    lines = aster("problems").output.splitlines()
    assert lines[0] == "some-toy  A toy with [bold]marks[/bold]"
    assert lines[1].startswith("wrong     broken: ")


def test_an_unknown_command_is_a_usage_error(aster: Aster) -> None:
    result = aster("walk")
    assert result.exit_code == 2
    assert "No such command 'walk'" in result.stderr


def test_trouble_with_the_machine_says_what_is_safe(aster: Aster, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **more: object) -> None:
        raise StoreError("ledger.db cannot be written because the disk is full\x1b[2J.")

    monkeypatch.setattr("aster.app.run", fail)
    result = aster("run", toy, "--experiments", 30)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ledger.db cannot be written because the disk is full[2J. What was recorded")
    assert "`aster resume toy-" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bug_keeps_its_traceback(aster: Aster, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **more: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("aster.app.run", fail)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        aster("run", toy, "--experiments", 30)


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a shell")
@pytest.mark.parametrize("ending", ["| head -n 0", "| head -n 1", ">&-", ">&- 2>&- <&-"])
def test_a_reader_that_leaves_or_was_never_there_is_no_error(finished: Campaign, ending: str) -> None:
    """Nothing is said on stderr, and the ledger is not taken for a stream that was closed."""
    command = [sys.executable, "-c", "from aster.cli.main import main; main()", "show", str(finished.folder), "--json"]
    before = (finished.folder / "ledger.db").read_bytes()
    done = subprocess.run(["/bin/sh", "-c", f"{shlex.join(command)} {ending}"], capture_output=True, text=True)
    assert done.stderr == ""
    assert (finished.folder / "ledger.db").read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [["problems"], ["show"], ["export", "--out", "-"]])
def test_output_to_a_full_disk_is_told(finished: Campaign, words: list[str]) -> None:
    name, *rest = words
    folder = [] if name == "problems" else [str(finished.folder)]
    command = [sys.executable, "-c", "from aster.cli.main import main; main()", name, *folder, *rest]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: The output cannot be written: the disk that it goes to is full.\n",
    )


def test_damage_is_not_said_to_be_mended_by_a_resume(aster: Aster, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **more: object) -> None:
        raise LedgerDamaged("ledger.db is damaged after position 7; restore the file from a copy.")

    monkeypatch.setattr("aster.app.run", fail)
    result = aster("run", toy, "--experiments", 30)
    assert result.exit_code == 1
    assert result.stderr == "Error: ledger.db is damaged after position 7; restore the file from a copy.\n"
