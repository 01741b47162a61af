from __future__ import annotations

import os
from pathlib import Path

import pytest

from aster.sandbox.keeper import disk
from aster.sandbox.keeper.disk import Disk, taken

Free = dict[str, int]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """What the disk says to have left; bounds are small."""
    left = {"space": 1 << 40, "files": 10_000}
    monkeypatch.setattr(disk, "_free", lambda folder: (left["space"], left["files"]))
    monkeypatch.setattr(disk, "MOST", 1 << 20)
    monkeypatch.setattr(disk, "MOST_FILES", 10)
    monkeypatch.setattr(disk, "_LARGE", 1 << 19)
    return left


def test_taken_counts_blocks_and_names_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/file").write_bytes(bytes(1 << 16))
    with (tmp_path / "in/sparse").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "in/up").symlink_to("/usr")
    size, count = taken(str(tmp_path / "in"))
    assert 1 << 16 <= size < 1 << 20
    assert count == 4
    assert taken(str(tmp_path / "missing")) == (0, 0)


def test_a_quiet_disk_is_not_looked_through(free: Free, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Disk(str(tmp_path))
    monkeypatch.setattr(disk, "taken", lambda folder: pytest.fail("it looked"))
    free["space"] -= 1 << 19
    assert watch.trouble() is None


def test_too_much_space_and_too_many_files(free: Free, tmp_path: Path) -> None:
    watch = Disk(str(tmp_path))
    (tmp_path / "large").write_bytes(os.urandom(2 << 20))
    free["space"] -= 2 << 20
    assert watch.trouble() == "took 2 MiB of disk, more than 1"
    (tmp_path / "large").unlink()
    for number in range(12):
        (tmp_path / str(number)).touch()
    free["files"] -= 12
    assert watch.trouble() == "made 12 files, more than 10"


def test_what_others_fill_is_not_held_against_it(free: Free, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Disk(str(tmp_path))
    free["space"] -= 2 << 20
    assert watch.trouble() is None
    monkeypatch.setattr(disk, "taken", lambda folder: pytest.fail("it looked again though nothing changed"))
    assert watch.trouble() is None


def test_on_a_full_disk_the_largest_goes(free: Free, tmp_path: Path) -> None:
    watch = Disk(str(tmp_path))
    free["space"] = disk.SHORT - 1
    assert watch.squeezed() is None
    (tmp_path / "large").write_bytes(os.urandom(1 << 20))
    assert watch.squeezed() == "took 1 MiB of a disk that is nearly full"
    free["space"] = disk.SHORT + 1
    assert watch.squeezed() is None


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    assert Disk(str(tmp_path / "missing")).trouble() is None


def test_too_little_for_an_attempt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_free", lambda _: (disk.LEAST, 10))
    assert disk.short(str(tmp_path)) is None
    monkeypatch.setattr(disk, "_free", lambda _: (disk.LEAST - 1, 10))
    assert disk.short(str(tmp_path)) == "31 MiB are free, of 32 that are needed"
