"""One process a campaign."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aster.errors import CampaignBusy, StoreError
from aster.ledger.lock import LOCK_FILE, CampaignLock

HOLD = """
import sys
from pathlib import Path
from aster.ledger.lock import CampaignLock
with CampaignLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

# The child of a fork outlives the holder, as a keeper outlives its campaign.
HOLD_AND_FORK = """
import os, sys
from pathlib import Path
from aster.ledger.lock import CampaignLock
lock = CampaignLock(Path(sys.argv[1]))
lock.acquire()
if os.fork() == 0:
    RELEASE
    sys.stdout.write("child\\n"); sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)
os.wait()
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    process = start(HOLD, tmp_path)
    with pytest.raises(CampaignBusy) as caught:
        CampaignLock(tmp_path).acquire()
    text = str(caught.value)
    assert f"campaign {tmp_path.name} is being run by process {process.pid} on {socket.gethostname()}" in text
    assert f"`aster stop {tmp_path}` ends it" in text
    process.communicate()
    with CampaignLock(tmp_path):
        pass


def test_the_hints_can_be_typed_whatever_the_folders_name(tmp_path: Path) -> None:
    folder = tmp_path / "over there"
    folder.mkdir()
    with CampaignLock(folder), pytest.raises(CampaignBusy) as caught:
        CampaignLock(folder).acquire()
    assert f"`aster stop '{folder}'` ends it" in str(caught.value)


def test_death_frees_it(tmp_path: Path) -> None:
    process = start(HOLD, tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with CampaignLock(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text()) == {"pid": os.getpid(), "host": socket.gethostname()}


@pytest.mark.parametrize("release", ["lock.release()", "pass"])
def test_a_forked_child_neither_breaks_nor_keeps_it(tmp_path: Path, release: str) -> None:
    process = start(HOLD_AND_FORK.replace("RELEASE", release), tmp_path)
    with pytest.raises(CampaignBusy):
        CampaignLock(tmp_path).acquire()
    process.kill()
    process.wait()
    with CampaignLock(tmp_path):  # though the child still lives
        pass
    process.communicate()


def test_two_locks_in_one_process(tmp_path: Path) -> None:
    first = CampaignLock(tmp_path)
    with first:
        with pytest.raises(CampaignBusy, match=str(os.getpid())):
            CampaignLock(tmp_path).acquire()
    first.release()
    with CampaignLock(tmp_path), pytest.raises(CampaignBusy):
        first.acquire()


def test_a_holder_that_has_not_written_its_name(tmp_path: Path) -> None:
    with CampaignLock(tmp_path):
        (tmp_path / LOCK_FILE).write_bytes(b"")
        with pytest.raises(CampaignBusy, match="another process"):
            CampaignLock(tmp_path).acquire()


def test_release_clears_the_name_and_keeps_the_file(tmp_path: Path) -> None:
    with CampaignLock(tmp_path):
        pass
    assert (tmp_path / LOCK_FILE).read_bytes() == b""


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        CampaignLock(tmp_path / "missing").acquire()
