"""Trying the sandboxes: each has to run a command, and says why it did not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aster.errors import ExecutorError
from aster.sandbox import layers
from aster.sandbox.keeper import landlock, probe, seccomp
from aster.sandbox.keeper.walls import Plain, View
from aster.sandbox.layers import probe_machine, readable

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tries what Linux has")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, for a bwrap of our own making."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "bwrap"


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_no_bwrap(program: Path) -> None:
    found = probe.probe(readable())
    assert (found.program, found.sized) == ("", False)
    assert "apt install bubblewrap" in found.bubblewrap


def test_a_bwrap_that_fails_says_why(program: Path) -> None:
    write(program, 'test "$1" = --version && echo bubblewrap 0.6.2 && exit\necho "bwrap: No permissions" >&2; exit 1')
    found = probe.probe(readable())
    assert (found.program, found.sized) == (str(program), False)
    assert found.bubblewrap == "it fails here: bwrap: No permissions"


def test_a_bwrap_that_says_nothing_right_does_not_work(program: Path) -> None:
    write(program, "exit 0")
    assert probe.probe(readable()).bubblewrap == "it fails here: exit code 0"


@pytest.mark.parametrize(
    ("said", "sized"), [("bubblewrap 0.7.0", True), ("bubblewrap 0.11", True), ("0.6.9", False), ("", False)]
)
def test_version(said: str, sized: bool, program: Path) -> None:
    write(program, f"echo {said}")
    assert probe.probe(readable()).sized is sized


def test_why_there_is_no_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert probe._why_no_landlock() == "this kernel has no Landlock, or has it switched off"
    monkeypatch.setattr(seccomp, "supported", lambda: False)
    assert "processors are not known" in probe._why_no_landlock()


class Shut(Plain):
    def enter(self, view: View) -> None:
        raise OSError("shut")


def test_trying(tmp_path: Path) -> None:
    view = View(str(tmp_path), (str(tmp_path),), tuple(readable()))
    assert probe._try(Plain(), view, sys.executable) == ""
    assert probe._try(Shut(), view, sys.executable).startswith("it fails here: ")


def test_this_machine_is_tried_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert probe_machine() is probe_machine()
    monkeypatch.setattr(layers, "_PROGRAM", tmp_path / "missing")
    with pytest.raises(ExecutorError, match="cannot be tried"):
        probe_machine.__wrapped__()
