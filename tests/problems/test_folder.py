from __future__ import annotations

import os
from pathlib import Path

import pytest

from aster.errors import ProblemError
from aster.problems import folder as module
from aster.problems.folder import read_folder


def test_reads_all_regular_files_and_leaves_out_what_is_not_the_problem(folder: Path, files: dict[str, bytes]) -> None:
    for path in (
        "campaigns/x/ledger.db",
        ".git/HEAD",
        "solution/__pycache__/solve.pyc",
        ".venv/bin/python",
        "node_modules/a.js",
        ".mypy_cache/x",
        ".cache/x",
        "stray.pyc",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"left out")
    (folder / ".hidden").write_bytes(b"kept")
    (folder / "solution/campaigns").mkdir()
    (folder / "solution/campaigns/x").write_bytes(b"kept")
    found = read_folder(folder, "small")
    assert found == {**files, ".hidden": b"kept", "solution/campaigns/x": b"kept"}
    assert list(found) == sorted(found)


@pytest.mark.parametrize("target", ["evaluate.py", "ideas", "nowhere"])
def test_refuses_symlinks(folder: Path, target: str) -> None:
    (folder / "solution/link").symlink_to(folder / target)
    with pytest.raises(ProblemError, match="small: solution/link: is a symlink; put the file itself here"):
        read_folder(folder, "small")


def test_a_skipped_name_may_be_a_symlink(folder: Path) -> None:
    (folder / ".venv").symlink_to("/")
    assert ".venv" not in read_folder(folder, "small")


def test_the_folder_itself_may_be_a_symlink(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert read_folder(tmp_path / "link", "link") == read_folder(folder, "small")


def test_refuses_special_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(ProblemError, match="pipe: is neither a file nor a folder"):
        read_folder(folder, "small")


def test_bounds(folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> None:
    monkeypatch.setattr(module, "MAX_FILES", len(files))
    read_folder(folder, "small")
    monkeypatch.setattr(module, "MAX_FILES", len(files) - 1)
    with pytest.raises(ProblemError, match=r"more than 7 files\. Name large files as \[\[data\]\]"):
        read_folder(folder, "small")
    monkeypatch.undo()
    monkeypatch.setattr(module, "MAX_BYTES", 1024 * 1024)
    with (folder / "big.bin").open("wb") as big:
        big.truncate(1024 * 1024)
    with pytest.raises(ProblemError, match=r"more than 1 MiB\. Name large files as \[\[data\]\]"):
        read_folder(folder, "small")


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"gone: cannot be read: No such file"):
        read_folder(tmp_path / "gone", "gone")
