"""Attempts on a real GPU, in each sandbox: those that leased it can use it, others cannot touch its device nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.walls import walls_or_skip

from aster.domain.records import Measured
from aster.execution.hardware import list_gpus
from aster.execution.local import LocalExecutor
from aster.sandbox.plan import RunPlan
from aster.testing.executors import HONEST, collect, job, judge, outcome, plan

GPUS = list_gpus()
pytestmark = pytest.mark.skipif(not GPUS, reason="this machine has no NVIDIA GPU")
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")

Start = Callable[[int], LocalExecutor]

MULTIPLY = """
import pathlib, sys, torch
assert torch.cuda.device_count() == 1
a = torch.full((256, 256), 2.0, device="cuda")
total = int((a @ a).sum().item())
assert total == 256 * 256 * 256 * 4
pathlib.Path(sys.argv[1], "value").write_text(str(total))
"""
TOUCH = """
import glob, os
for node in glob.glob("/dev/nvidia*"):
    try:
        os.close(os.open(node, os.O_RDWR))
        print("opened", node)
    except OSError:
        pass
"""


@pytest.fixture(params=["bubblewrap", "bubblewrap, own user", "landlock", "landlock, own user", "plain"])
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Makes an executor whose attempts lease a number of devices, in each sandbox."""
    made: list[LocalExecutor] = []
    walls_or_skip(request.param, tmp_path)

    def one(gpus: int) -> LocalExecutor:
        base = plan(timeout_s=120, memory_mb=16384)
        whole = RunPlan(base.stages, base.trusted_files, base.frozen_solution, gpus=gpus, memory_mb=base.memory_mb)
        folder = tmp_path / f"with-{gpus}"
        folder.mkdir()
        made.append(
            LocalExecutor(
                folder,
                whole,
                judge,
                1,
                "test",
                leases=tmp_path / "leases",
                walls=lambda nodes: walls_or_skip(request.param, folder, nodes),
            )
        )
        return made[-1]

    yield one
    for executor in made:
        executor.close()


@needs_torch
def test_a_lease_is_a_device_that_works(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster.testing.executors.DEADLINE_S", 120)
    executor = start(1)
    executor.submit(job(MULTIPLY))
    got = outcome(executor)
    assert got.result == Measured({"value": float(256**3 * 4)})
    assert got.usage.gpu_s > 0


def test_without_a_lease_there_is_no_device(start: Start) -> None:
    executor = start(0)
    executor.submit(job(TOUCH + HONEST))
    [arrival] = collect(executor)
    text = b"".join(arrival.blobs.values())
    assert b"worked" in text
    if executor.sandbox != "plain":  # which has no way to keep them shut
        assert b"opened" not in text
