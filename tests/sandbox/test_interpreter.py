"""What belongs to an interpreter: whatever it needs to run, by every name that leads to it, and no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aster.errors import UserError
from aster.sandbox.interpreter import ask, footprint
from aster.sandbox.keeper.walls import covers
from aster.testing.confined import make_venv


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_venv(tmp_path_factory.mktemp("made") / "venv")


def packages(venv: Path) -> Path:
    [found] = venv.glob("lib/python*/site-packages")
    return found


def test_ours() -> None:
    found = footprint(sys.executable)
    for path in (os.path.realpath(sys.executable), os.__file__):
        assert any(covers(os.path.realpath(each), os.path.realpath(path)) for each in found), path
    assert not any(covers(each, str(Path.home())) for each in found)


def test_an_environment_is_its_parts_and_its_base(venv: Path) -> None:
    found = footprint(str(venv / "bin" / "python"))
    assert {f"{venv}/{name}" for name in ("bin", "lib", "pyvenv.cfg")} <= set(found)
    assert str(venv) not in found
    assert any(covers(each, f"{sys.base_prefix}/lib") for each in found)


def test_every_link_on_the_way_to_the_program(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "python").symlink_to(venv / "bin" / "python")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "python").symlink_to("two/python")
    found = footprint(str(tmp_path / "python"))
    assert {str(tmp_path / "python"), str(tmp_path / "two/python"), str(tmp_path / "one" / "python")} & set(found)
    assert str(tmp_path / "python") in found
    assert str(venv / "bin" / "python") in found


def test_packages_that_were_added_for_good(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv")
    for name in ("by-path", "by-finder/package"):
        (tmp_path / name).mkdir(parents=True)
    (packages(venv) / "one.pth").write_text(f"{tmp_path}/by-path\n{Path.home()}\n/\n")
    finder = f"MAPPING = {{'package': {str(tmp_path / 'by-finder/package')!r}}}\n"
    (packages(venv) / "__editable___package_finder.py").write_text(finder)
    (packages(venv) / "two.pth").write_text("import __editable___package_finder\n")
    found = footprint(str(venv / "bin" / "python"))
    assert {f"{tmp_path}/by-path", f"{tmp_path}/by-finder/package"} <= set(found)
    assert not {str(Path.home()), "/"} & set(found)


@pytest.mark.parametrize(
    ("script", "why"),
    [("echo broken >&2; exit 1", "broken"), ("exit 7", "exit code 7"), ("echo hello", "does not answer as a Python")],
)
def test_what_does_not_run_says_why(script: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "python").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(UserError, match=f"{tmp_path}/python does not run: .*{why}"):
        ask(str(tmp_path / "python"))
    with pytest.raises(UserError, match="does not run: No such file"):
        ask(str(tmp_path / "missing"))


def test_what_its_start_prints_is_not_its_answer(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv")
    (packages(venv) / "loud.pth").write_text("import sys; print('loud', end='')\n")
    assert ask(str(venv / "bin" / "python"))["version"][:2] == list(sys.version_info[:2])
    assert subprocess.run([venv / "bin" / "python", "-c", ""], capture_output=True, check=True).stdout.startswith(
        b"loud"
    )
