"""A preparation runs once, with little of our environment, and leaves a stamp."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from aster.environments.prepare import PrepareFailed, is_prepared, key_of, prepare

CODE = "import os, pathlib; pathlib.Path('seen').write_text(' '.join(sorted(os.environ)))"


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    return tmp_path / ".aster" / "prepared.json"


def run(folder: Path, stamp: Path, *command: str, timeout_s: float = 60.0, passed: tuple[str, ...] = ()) -> None:
    prepare(command, folder, sys.executable, passed, timeout_s, stamp, "the-key")


def test_it_runs_in_the_folder_and_is_stamped(tmp_path: Path, stamp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET", "HF_TOKEN", "https_proxy"):
        monkeypatch.setenv(name, "x")
    assert not is_prepared(stamp, "the-key")
    run(tmp_path, stamp, "python", "-c", CODE, passed=("HF_TOKEN",))
    seen = (tmp_path / "seen").read_text().split()
    assert {"PATH", "HOME", "HF_TOKEN", "https_proxy"} <= set(seen)
    assert "SECRET" not in seen
    assert is_prepared(stamp, "the-key")
    assert not is_prepared(stamp, "another")


def test_a_damaged_stamp_is_none(stamp: Path) -> None:
    stamp.parent.mkdir()
    for text in ("", "[]", "{}", "\xff"):
        stamp.write_text(text, encoding="latin-1")
        assert not is_prepared(stamp, "the-key")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("python", "-c", "raise SystemExit(3)"), "exit code 3"),
        (("python", "-c", "import os; os.kill(os.getpid(), 9)"), "signal 9"),
        (("no-such-program",), "cannot be started"),
    ],
)
def test_a_failure_leaves_no_stamp(command: tuple[str, ...], why: str, tmp_path: Path, stamp: Path) -> None:
    with pytest.raises(PrepareFailed, match=why):
        run(tmp_path, stamp, *command)
    assert not stamp.exists()


def test_the_time_is_over_for_all_that_it_started(tmp_path: Path, stamp: Path) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    begin = time.monotonic()
    with pytest.raises(PrepareFailed, match="did not end in 1 s"):
        run(tmp_path, stamp, "python", "-c", code, timeout_s=1.0)
    assert time.monotonic() - begin < 300


def test_the_key_is_the_command_and_what_it_names() -> None:
    files = {"prepare.py": b"1", "other.py": b"1"}
    key = key_of(("python", "./prepare.py"), files)
    assert key == key_of(("python", "./prepare.py"), {**files, "other.py": b"2"})
    assert key != key_of(("python", "./prepare.py"), {**files, "prepare.py": b"2"})
    assert key != key_of(("python", "./prepare.py", "--all"), files)
