"""Which Python an environment is built with."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from aster.environments.pythons import choose_python
from aster.errors import UserError

OURS = platform.python_version()


def test_ours_is_preferred() -> None:
    assert choose_python(None, uv=False) == (sys.executable, OURS)
    assert choose_python(">=3.11", uv=False) == (sys.executable, OURS)


def test_one_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = '{"version": [3, 99, 1], "prefixes": [], "programs": [], "packages": []}'
    for name, script in (("python3.99", f"echo '{said}'"), ("python3.100", "exit 1"), ("python3.99-config", "exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin:/no/such/folder")
    assert choose_python(">=3.99", uv=False) == (str(tmp_path / "python3.99"), "3.99.1")


def test_uv_fetches_what_is_missing() -> None:
    assert choose_python("==2.7.*", uv=True) == ("==2.7.*", "==2.7.*")
    with pytest.raises(UserError, match=rf"no Python ==2\.7\.\* here: the one that runs Aster is {OURS}"):
        choose_python("==2.7.*", uv=False)
