"""What data is: where it lies, and when it has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aster.environments import data
from aster.environments.data import look_at
from aster.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "one").write_text("1")
    (tmp_path / "data" / "deep" / "two").write_text("2")
    return tmp_path / "data"


def test_a_folder_and_a_file(folder: Path) -> None:
    assert look_at(folder).places == (str(folder.resolve()),)
    assert look_at(folder / "one").places == (str((folder / "one").resolve()),)
    assert look_at(folder / "one").fingerprint != look_at(folder / "deep").fingerprint


def test_content_and_names_count_and_nothing_else(folder: Path) -> None:
    before = look_at(folder).fingerprint
    os.utime(folder / "one", (1, 1))
    assert look_at(folder).fingerprint == before
    (folder / "one").rename(folder / "uno")
    assert look_at(folder).fingerprint != before
    (folder / "uno").rename(folder / "one")
    assert look_at(folder).fingerprint == before
    (folder / "one").write_text("3")
    assert look_at(folder).fingerprint != before


def test_of_a_large_file_the_ends_the_size_and_the_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "WHOLE", 10)
    monkeypatch.setattr(data, "ENDS", 2)
    large = folder / "large"

    def print_of(content: str) -> str:
        large.write_text(content)
        os.utime(large, (5, 5))
        return look_at(large).fingerprint

    before = print_of("abcdefghijkl")
    assert print_of("abcdeXghijkl") == before  # the price of not reading it all
    assert print_of("Xbcdefghijkl") != before
    assert print_of("abcdefghijkX") != before
    assert print_of("abcdefgghijkl") != before
    print_of("abcdefghijkl")
    os.utime(large, (6, 6))
    assert look_at(large).fingerprint != before


def test_links_are_followed_and_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "three").write_text("3")
    (folder / "far").symlink_to(tmp_path / "elsewhere" / "three")
    (folder / "near").symlink_to("one")
    (folder / "up").symlink_to(folder)
    found = look_at(folder)
    assert found.places == (str(folder.resolve()), str((tmp_path / "elsewhere" / "three").resolve()))
    (tmp_path / "elsewhere" / "three").write_text("4")
    assert look_at(folder).fingerprint != found.fingerprint
    (tmp_path / "alias").symlink_to(folder)
    assert look_at(tmp_path / "alias").places == look_at(folder).places


def test_what_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "gone").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"gone, which is data of this problem, cannot be read: No such file"):
        look_at(folder)
    (folder / "gone").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(UserError, match=r"pipe, .*neither a file nor a folder"):
        look_at(folder)
    (folder / "pipe").unlink()
    (folder / "far").symlink_to("/etc/hosts")
    monkeypatch.setattr(data, "MOST_PLACES", 0)
    with pytest.raises(UserError, match="more than 0 places"):
        look_at(folder)


def test_whether_others_may_read_it(folder: Path) -> None:
    for path in (folder, folder / "deep"):
        path.chmod(0o755)
    for path in (folder / "one", folder / "deep" / "two"):
        path.chmod(0o644)
    assert look_at(folder).open
    (folder / "deep").chmod(0o700)
    assert not look_at(folder).open
    (folder / "deep").chmod(0o755)
    (folder / "one").chmod(0o600)
    assert not look_at(folder).open
