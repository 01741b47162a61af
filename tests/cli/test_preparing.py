"""`aster prepare`: what it runs, what it says, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Aster


def prepared(toy: Path, code: str) -> None:
    (toy / "prepare.py").write_text(code)
    with (toy / "problem.toml").open("a") as toml:
        toml.write('[prepare]\ncommand = ["python", "prepare.py"]\n')


def test_run_asks_for_it_and_then_runs(
    aster: Aster, toy: Path, campaigns: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    prepared(toy, "print('fetching')")
    refused = aster("run", toy, "--experiments", "8")
    assert refused.exit_code == 2
    assert f"run `aster prepare {toy}`" in refused.stderr
    assert not campaigns.exists()
    done = aster("prepare", toy)
    assert (done.exit_code, done.stdout) == (0, f"{toy} is prepared.\n")
    assert "Running `python prepare.py`" in done.stderr
    assert "outside of any sandbox" in done.stderr
    assert capfd.readouterr().out == "fetching\n"
    assert aster("run", toy, "--experiments", "24").exit_code == 0


def test_words_after_the_problem_are_its_command_s(aster: Aster, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, pathlib, sys; pathlib.Path('.aster').mkdir(exist_ok=True)\n"
    prepared(toy, code + "open('.aster/seen', 'w').write(' '.join([os.environ['ASTER_CALLED_FROM'], *sys.argv[1:]]))")
    monkeypatch.chdir(toy.parent)
    for dashes in ([], ["--"]):
        done = aster("prepare", toy, *dashes, "--data", "some/folder", "-n", "3")
        assert done.exit_code == 0, done.stderr
        assert "Running `python prepare.py --data some/folder -n 3`" in done.stderr
        assert (toy / ".aster/seen").read_text() == f"{toy.parent} --data some/folder -n 3"
    stamp = json.loads((toy / ".aster/prepared.json").read_text())
    assert stamp["arguments"] == ["--data", "some/folder", "-n", "3"]


def test_words_for_nobody_are_refused(aster: Aster, toy: Path) -> None:
    refused = aster("prepare", toy, "--data", "folder")
    assert refused.exit_code == 2
    assert "has no [prepare] that could take --data folder" in refused.stderr


def test_a_failure_is_the_users_to_mend(aster: Aster, toy: Path) -> None:
    prepared(toy, "raise SystemExit(7)")
    failed = aster("prepare", toy)
    assert failed.exit_code == 2
    assert "`python prepare.py` ended with exit code 7" in failed.stderr
    assert not (toy / ".aster").exists()


def test_nothing_to_prepare(aster: Aster, toy: Path) -> None:
    done = aster("prepare", toy)
    assert (done.exit_code, done.stdout) == (0, f"{toy} has no [prepare]; its environment is ready.\n")
    assert aster("prepare", toy / "no-such").exit_code == 2


def test_words_are_added_to_the_command(aster: Aster, toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    prepared(toy, "import sys; print(sys.argv[1:])")
    done = aster("prepare", toy, "--data", "some/folder", "more")
    assert done.exit_code == 0
    assert "Running `python prepare.py --data some/folder more`" in done.stderr
    assert capfd.readouterr().out == "['--data', 'some/folder', 'more']\n"
