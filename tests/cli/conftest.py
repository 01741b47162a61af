"""Running the command line in tests: in this process, or as a process that can be sent signals."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.toys import toy_problem
from typer.testing import CliRunner, Result

from aster.app import load_campaign
from aster.cli.main import app
from aster.handle import Campaign

Aster = Callable[..., Result]
Launch = Callable[..., "subprocess.Popen[str]"]

UNDRAWN = """\
import signal, sys, types
stub = sys.modules["aster.report.folder"] = types.ModuleType("stub")
stub.write_report = lambda *args, **more: []
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
from aster.cli.main import main
main()
"""
"""The command line without its figures, which take longer to draw than a toy takes to run."""


@pytest.fixture
def campaigns(tmp_path: Path) -> Path:
    """A folder for campaigns, not made yet."""
    return tmp_path / "campaigns"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A noisy toy problem."""
    return toy_problem(tmp_path / "toy")


@pytest.fixture
def aster(campaigns: Path, monkeypatch: pytest.MonkeyPatch) -> Aster:
    """Run a command in this process, over `campaigns`, without drawing figures."""
    stub = ModuleType("stub")
    stub.write_report = lambda *args, **more: []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aster.report.folder", stub)
    monkeypatch.setenv("ASTER_CAMPAIGNS", str(campaigns))
    return run_here


@pytest.fixture(autouse=True)
def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables be as wide as for a pipe, whatever runs the tests."""
    monkeypatch.delenv("COLUMNS", raising=False)


def run_here(*words: object) -> Result:
    """Run a command in this process; a bug in it is raised."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def launch(campaigns: Path) -> Iterator[Launch]:
    """Start a command as a process of its own, over `campaigns`, without drawing figures."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", UNDRAWN, *map(str, words), "--campaigns", str(campaigns)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that read the finished campaign run in one process, so that it is run once, not once a worker."""
    for item in items:
        if "finished" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("finished"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A campaign that ended with a champion, its figures drawn. Read only."""
    folder = tmp_path_factory.mktemp("finished")
    problem = toy_problem(folder / "toy")
    result = run_here("run", problem, "--experiments", 40, "--slots", 2, "--campaigns", folder / "campaigns")
    assert result.exit_code == 0, result.output
    return load_campaign(next((folder / "campaigns").iterdir()))


def only(campaigns: Path) -> Campaign:
    """Return the one campaign in the folder, as its ledger tells it now."""
    (folder,) = campaigns.iterdir()
    return load_campaign(folder)


def parse_lines(text: str) -> list[dict[str, Any]]:
    """Return the records of strict JSON lines: no NaN, no infinity."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def started_attempts(process: subprocess.Popen[str], wanted: int) -> Sequence[dict[str, Any]]:
    """Read a JSON stream until so many attempts have started; return what was read."""
    assert process.stdout is not None
    read: list[dict[str, Any]] = []
    while sum(record.get("event") == "AttemptStarted" for record in read) < wanted:
        line = process.stdout.readline()
        assert line, "the stream ended: " + (process.stderr.read() if process.stderr else "")
        read.append(json.loads(line))
    return read
