from __future__ import annotations

import os
from pathlib import Path

import pytest

from aster.sandbox.keeper import files
from aster.sandbox.keeper.files import changed, keepable, lay_out, remove_links, sha256, write_atomically


def test_changed_names_the_first_that_differs(tmp_path: Path) -> None:
    lay_out(str(tmp_path), {"a/b.txt": b"one", "c.txt": b"two"})
    hashes = {"a/b.txt": sha256(b"one"), "c.txt": sha256(b"two")}
    assert changed(str(tmp_path), hashes) is None
    (tmp_path / "c.txt").write_text("other")
    assert changed(str(tmp_path), hashes) == "c.txt"
    (tmp_path / "c.txt").unlink()
    assert changed(str(tmp_path), hashes) == "c.txt"


def test_same_content_through_a_link_is_a_change(tmp_path: Path) -> None:
    lay_out(str(tmp_path), {"a/b.txt": b"one"})
    (tmp_path / "a").rename(tmp_path / "real")
    (tmp_path / "a").symlink_to("real")
    assert changed(str(tmp_path), {"a/b.txt": sha256(b"one")}) == "a/b.txt"


def test_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    assert changed(str(tmp_path), {"f": sha256(b"")}) == "f"


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out"])
def test_paths_stay_in_their_folder(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out"):
        lay_out(str(tmp_path / "in"), {path: b""})


def test_remove_links_goes_deep_and_spares_files(tmp_path: Path) -> None:
    lay_out(str(tmp_path), {"a/b.txt": b"one"})
    (tmp_path / "a/link").symlink_to("b.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert sorted(remove_links(str(tmp_path))) == ["a/link", "loop"]
    assert (tmp_path / "a/b.txt").read_bytes() == b"one"


def test_keepable_is_bounded_in_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"1234")
    assert keepable(str(tmp_path), 8, largest=4) == (["b"], ["not kept: a has 5 bytes, more than 4"])


def test_keepable_goes_by_suffix(tmp_path: Path) -> None:
    lay_out(str(tmp_path), {"a.svg": b"", "b.txt": b"", "c.png": b"", "deep/d.png": b""})
    assert keepable(str(tmp_path), 8, files.PICTURES) == (["a.svg", "c.png"], [])
    assert keepable(str(tmp_path / "missing"), 8) == ([], [])


def test_atomic_write_tries_again_and_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RETRIES_S", (0.0, 0.0))
    calls = []

    def sync(fd: int) -> None:
        calls.append(fd)
        if len(calls) < 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", sync)
    write_atomically(str(tmp_path / "x.json"), b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    calls.clear()
    monkeypatch.setattr(files, "_RETRIES_S", (0.0,))
    with pytest.raises(OSError, match="No space"):
        write_atomically(str(tmp_path / "y.json"), b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_outputs_that_cannot_be_listed_are_an_error(tmp_path: Path) -> None:
    """A folder that hides its links must not pass for one without any."""
    with pytest.raises(OSError):
        files.remove_links(str(tmp_path / "missing"))
