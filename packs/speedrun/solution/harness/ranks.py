"""Several ranks of one run: a process each, fed by the first one, which alone talks to the referee. This file is frozen.

Rank 0 is the process that serves the referee. It starts the others, hands them every block that comes (each takes its
own share of it), and counts them ready. They find each other through a file and the loopback device.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import Pushed, Run

_READY, _DONE, _FAILED, _GO, _BLOCK = b"r", b"d", b"f", b"G", b"B"
NAMES = ("vocab_size", "bos", "length", "target", "batch", "seed")
"""What a Run is told, of what the referee says."""


def join(rank: int, world_size: int, meeting: str) -> None:
    """Take this process's device, and with others meet them.

    Raises:
        RuntimeError: there are fewer GPUs than ranks.
    """
    on_gpu = torch.cuda.is_available()
    if on_gpu and torch.cuda.device_count() < world_size:
        raise RuntimeError(f"{world_size} ranks need as many GPUs; there are {torch.cuda.device_count()}")
    if on_gpu:
        torch.cuda.set_device(rank)
    if world_size == 1:
        return
    if not on_gpu:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // world_size))
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    os.environ.setdefault("NCCL_SOCKET_IFNAME", loopback)
    torch.distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=world_size,
        device_id=torch.device("cuda", rank) if on_gpu else None,
    )


def new_run(source: Any, wanted: dict[str, Any], rank: int) -> Run:
    """The run as `rank` sees it."""
    return Run(source, rank=rank, world_size=wanted["world_size"], **{name: wanted[name] for name in NAMES})


class Others:
    """The ranks from 1 on, as rank 0 sees them.

    Args:
        wanted: what the referee said of the run.
        failed: called with a sentence when one of them fails, from another thread.
    """

    def __init__(self, wanted: dict[str, Any], failed: Callable[[str], None]) -> None:
        self.meeting = str(Path(tempfile.mkdtemp(prefix="ranks-")) / "meeting")
        self._failed, self._ready, self._lock = failed, 0, threading.Lock()
        self._ends: list[Connection] = []
        spawn = get_context("spawn")
        for rank in range(1, wanted["world_size"]):
            ours, theirs = spawn.Pipe()
            spawn.Process(target=work, args=(rank, wanted, self.meeting, theirs), daemon=True).start()
            theirs.close()
            self._ends.append(ours)
            threading.Thread(target=self._watch, args=(rank, ours), daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether all of them wait for GO."""
        return self._ready == len(self._ends)

    def begin(self, tokens: int) -> None:
        """Say GO to all."""
        self._send(_GO + b"%d" % tokens)

    def push(self, block: np.ndarray) -> None:
        """Hand tokens, uint16, to all."""
        if self._ends:
            self._send(_BLOCK + block.tobytes())

    def _send(self, message: bytes) -> None:
        for end in self._ends:
            try:
                end.send_bytes(message)
            except OSError:
                pass  # it has ended, which its watch tells

    def _watch(self, rank: int, end: Connection) -> None:
        try:
            while (said := end.recv_bytes())[:1] != _DONE:
                if said[:1] == _READY:
                    with self._lock:
                        self._ready += 1
                else:
                    self._failed(f"rank {rank}: {said[1:].decode(errors='replace')}")
        except (EOFError, OSError):
            self._failed(f"rank {rank} ended")


class Handed:
    """The source of a rank from 1 on: what rank 0 sends."""

    def __init__(self, end: Connection) -> None:
        self._end, self._pushed = end, Pushed()
        threading.Thread(target=self._read, daemon=True).start()

    def go(self) -> Any:
        """See `harness.Source`."""
        self._end.send_bytes(_READY)
        return self._pushed.go()

    def _read(self) -> None:
        try:
            while True:
                message = self._end.recv_bytes()
                if message[:1] == _GO:
                    self._pushed.begin(int(message[1:]))
                else:
                    self._pushed.push(np.frombuffer(message, dtype="<u2", offset=1))
        except (EOFError, OSError):
            os._exit(0)  # rank 0 is gone, and nobody waits for us


def work(rank: int, wanted: dict[str, Any], meeting: str, end: Connection) -> None:
    """Be one of the others: train, and say how that ended."""
    source = Handed(end)
    try:
        join(rank, wanted["world_size"], meeting)
        run = new_run(source, wanted, rank)
        torch.manual_seed(wanted["seed"])
        import train

        train.train(run)
        end.send_bytes(_DONE)
    except BaseException as error:  # noqa: BLE001 (whatever the solution raises)
        traceback.print_exc()
        end.send_bytes(_FAILED + f"{type(error).__name__}: {error}"[:300].encode())
    threading.Event().wait()  # the process group must outlive what the others still do
