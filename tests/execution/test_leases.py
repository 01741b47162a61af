from __future__ import annotations

from pathlib import Path

import pytest

from aster.errors import ExecutorError, UserError
from aster.execution.hardware import Gpu
from aster.execution.leases import LeaseFolder, check_feasible
from aster.sandbox.keeper.locks import Leases

GPUS = [Gpu(f"GPU-{n}", "H100") for n in range(3)]


def test_free_counts_what_nobody_holds(tmp_path: Path) -> None:
    folder = LeaseFolder(GPUS, tmp_path / "leases")
    assert folder.free() == 3
    held = Leases(folder.files, 2)
    assert held.take()
    assert sorted(held.taken) == ["GPU-0", "GPU-1"]
    assert LeaseFolder(GPUS, tmp_path / "leases").free() == 1
    held.close()
    assert folder.free() == 3


def test_all_or_none(tmp_path: Path) -> None:
    folder = LeaseFolder(GPUS, tmp_path / "leases")
    one, more = Leases(folder.files, 2), Leases(folder.files, 2)
    assert one.take()
    assert not more.take()
    assert folder.free() == 1
    one.close()
    assert more.take()
    more.close()


def test_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "leases").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExecutorError, match="it is a link"):
        LeaseFolder(GPUS, tmp_path / "leases")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_feasible() -> None:
    check_feasible(3, GPUS)
    with pytest.raises(UserError, match=r"needs 4 GPU\(s\), but this machine has 3 \(H100\)"):
        check_feasible(4, GPUS)
