"""Links to data are laid where hostile code may have been, and follow nothing that it left."""

from __future__ import annotations

from pathlib import Path

import pytest

from aster.sandbox.keeper.links import lay, take


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "data").write_text("42")
    return tmp_path / "work"


def test_a_link_is_laid_and_taken(root: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "data")
    assert lay(str(root), "deep/down/data", target, 0)
    assert (root / "deep/down/data").read_text() == "42"
    assert lay(str(root), "deep/down/data", target, 0)
    take(str(root), "deep/down/data")
    assert list((root / "deep/down").iterdir()) == []
    take(str(root), "deep/down/data")
    take(str(root), "no/such/thing")


def test_no_link_on_the_way_is_followed(root: Path, tmp_path: Path) -> None:
    (root / "deep").symlink_to(tmp_path / "outside")
    assert not lay(str(root), "deep/data", str(tmp_path / "data"), 0)
    assert list((tmp_path / "outside").iterdir()) == []
    (tmp_path / "outside" / "data").symlink_to("x")
    take(str(root), "deep/data")
    assert (tmp_path / "outside" / "data").is_symlink()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_in_its_place_stays(kind: str, root: Path, tmp_path: Path) -> None:
    place = root / "data"
    match kind:
        case "file":
            place.write_text("mine")
        case "folder":
            place.mkdir()
        case _:
            place.symlink_to("elsewhere")
    assert not lay(str(root), "data", str(tmp_path / "data"), 0)
    if kind != "link":
        take(str(root), "data")
        assert place.exists()
