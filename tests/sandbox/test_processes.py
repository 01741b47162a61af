from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aster.sandbox.processes import kill_marked, marked

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def test_only_the_named_marks_are_killed(tmp_path: Path) -> None:
    prefix = f"{tmp_path}"

    def sleeper(mark: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
        process = subprocess.Popen(argv, env={"ASTER_ATTEMPT": mark}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        return process

    one, two = sleeper(f"{prefix}/x-1.1"), sleeper(f"{prefix}/x-1.10")
    try:
        assert marked(prefix) == {f"{prefix}/x-1.1": [one.pid], f"{prefix}/x-1.10": [two.pid]}
        assert kill_marked(prefix, [f"{prefix}/x-1.1", f"{prefix}/x-2.1"]) == {f"{prefix}/x-1.1"}
        assert one.wait(20) == -9
        assert two.poll() is None
        assert kill_marked(prefix, [f"{prefix}/x-1.1"]) == set()
    finally:
        two.kill()
        two.wait()
