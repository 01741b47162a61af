from __future__ import annotations

from pathlib import Path

import pytest

from aster.errors import InitError
from aster.problems.wrapping.place import write_folder


def test_a_folder_is_written_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "p", {"a/b.txt": b"x", "c": b"y"}, {"data": tmp_path})
    assert (tmp_path / "p" / "a" / "b.txt").read_bytes() == b"x"
    assert (tmp_path / "p" / "data").readlink() == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "p"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to("nowhere")
    with pytest.raises(InitError, match="exists, and nothing is overwritten"):
        write_folder(target, {"a": b"x"})
    assert not (target / "a").exists()


def test_nothing_half_made_is_left(tmp_path: Path) -> None:
    with pytest.raises(InitError, match="Nothing was left there"):
        write_folder(tmp_path / "p", {"a": b"x", "a/b": b"y"})  # a file cannot be a folder
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InitError, match="is not a folder: make it first"):
        write_folder(tmp_path / "no" / "p", {})
