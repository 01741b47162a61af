from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aster.sandbox.keeper.tree import descendants

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")

NESTED = "import os, time\nif child := os.fork():\n print(child, flush=True)\ntime.sleep(600)"


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A child of this process and that child's child."""
    with subprocess.Popen([sys.executable, "-c", NESTED], stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        yield child.pid, int(child.stdout.readline())
        os.killpg(child.pid, 9)


def test_descendants_are_all_that_are_below(family: tuple[int, int]) -> None:
    assert set(family) <= set(descendants())


def test_no_time_is_spent_on_descendants_when_there_is_none(family: tuple[int, int]) -> None:
    child, grandchild = family
    found = descendants(until=time.monotonic())
    assert child in found
    assert grandchild not in found
