from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from aster.sandbox.folder import AttemptFolder, make_spec, remove_tree
from aster.sandbox.keeper.locks import try_lock
from aster.sandbox.keeper.spec import decode_spec
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.plan import RunPlan, StagePlan

PLAN = RunPlan((StagePlan("score", ("python", "e.py"), 1.5, trusted=True),), {"e.py": b""}, seed_env="SEED")


def folder(campaign: Path) -> AttemptFolder:
    for name in ("attempts", "spool"):
        (campaign / name).mkdir()
    return AttemptFolder(campaign, "x-1.1")


def test_spec_reaches_the_keeper_whole(tmp_path: Path) -> None:
    spec = replace(
        make_spec(PLAN, tmp_path, "x-1.1", "m", 3, {"GPU-1": "/l"}, Walls(groups={"pids": "/g"})),
        frozen={"a": "0" * 64},
    )
    assert decode_spec(msgspec.json.encode(spec)) == spec


def test_build_starts_afresh(tmp_path: Path) -> None:
    place = folder(tmp_path)
    spec = make_spec(PLAN, tmp_path, "x-1.1", "m", 3, {}, Walls())
    place.build(spec, {"old": b""}, {})
    place.outcome.write_text("{}")
    place.build(spec, {"new/file": b"1"}, {"given": b"2"})
    found = {str(path.relative_to(place.path)) for path in place.path.rglob("*") if path.is_file()}
    assert found == {"work/new/file", "outputs/given", "spec.json"}
    assert not place.outcome.exists()


def test_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    place = folder(tmp_path)
    with pytest.raises(ValueError, match="leads out"):
        place.build(make_spec(PLAN, tmp_path, "x-1.1", "m", 3, {}, Walls()), {"../../x": b""}, {})
    assert not place.path.exists()


def test_keeper_is_known_by_its_lock_only(tmp_path: Path) -> None:
    place = folder(tmp_path)
    place.path.mkdir()
    (place.path / "alive").write_text("1")
    assert place.keeper() is None
    lock = try_lock(str(place.path / "alive"))
    assert lock is not None
    assert place.keeper() == 1
    os.close(lock)


def test_remove_tree_stands_depth_and_missing_permissions_and_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    here = os.open(root, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (root / "shut/in").mkdir(parents=True)
    (root / "shut").chmod(0)
    remove_tree(root)
    assert not root.exists()
    assert (outside / "precious").exists()
    assert outside.stat().st_mode & 0o700 == 0o700
    remove_tree(root)  # gone already: no error
