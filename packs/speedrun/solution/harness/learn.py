"""The service that trains: it runs the solution's `train` and answers the referee meanwhile. This file is frozen.

The main thread is the solution's, as rank 0; a second one answers. Nothing of the data is in any process before GO, and
the state counts from the moment at which the hashes of all its pieces have been told.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOLUTION = Path(__file__).resolve().parent.parent
THREADS = 8
"""That hash the state."""
_PAUSE_S = 0.05
"""How long an answer may wait for something to happen."""


class Desk:
    """What the two threads share: the source of tokens, the other ranks, and how far the run is."""

    def __init__(self, pushed: Any) -> None:
        self.pushed = pushed
        self.others: Any = None
        self.hello: queue.Queue[dict[str, Any]] = queue.Queue()
        self.changed = threading.Condition()
        self.phase = "warming"
        self.facts: dict[str, Any] = {}
        self.piece: Callable[[int], memoryview] = lambda index: memoryview(b"")
        self.log = ""

    def set(self, phase: str, **facts: Any) -> None:
        """Go on to a phase; what is sealed, or has failed, stays so."""
        with self.changed:
            if self.phase in ("warming", "training"):
                self.phase, self.facts = phase, facts
            self.changed.notify_all()

    def failed(self, why: str) -> None:
        """Say that the run has failed."""
        self.set("failed", why=why[:300])

    def answer(self, request: bytes) -> bytes | memoryview:
        """Answer one request of the referee: a letter, and what belongs to it."""
        kind, body = request[:1], request[1:]
        if kind == b"S":
            return self.piece(int(body))
        if kind == b"L":
            return self.log.encode()
        if kind == b"T":
            return json.dumps({str(path.relative_to(SOLUTION)): path.stat().st_size for path in texts()}).encode()
        if kind == b"F":
            return (SOLUTION / body.decode()).read_bytes()
        if kind == b"H":
            self.hello.put(json.loads(body))
        elif kind == b"G":
            self.others.begin(int(body))
            self.pushed.begin(int(body))
            self.set("training")
        elif kind == b"B":
            self._push(body)
        else:
            self._wait()
        backlog = self.pushed.pushed - self.pushed.taken
        return json.dumps({"phase": self._phase(), "backlog": backlog, **self.facts}).encode()

    def _phase(self) -> str:
        waits = self.phase == "warming" and self.pushed.asked and self.others is not None and self.others.ready
        return "ready" if waits else self.phase

    def _push(self, body: bytes) -> None:
        import numpy as np

        block = np.frombuffer(body, dtype="<u2")
        self.pushed.push(block)
        self.others.push(block)

    def _wait(self) -> None:
        with self.changed:
            if self.phase in ("warming", "training"):
                self.changed.wait(_PAUSE_S)


def texts() -> list[Path]:
    """The files of the solution that are not the harness's."""
    own = Path(__file__).resolve().parent
    return [path for path in sorted(SOLUTION.rglob("*")) if path.is_file() and own not in path.parents]


def learn(desk: Desk, wanted: dict[str, Any]) -> None:
    """Run the solution's `train` on all ranks, and seal what it returns on the first."""
    import torch
    from harness.ranks import Others, join, new_run
    from harness.sealed import Sealed, rooms

    others = Others(wanted, desk.failed)
    join(0, wanted["world_size"], others.meeting)
    desk.others = others
    run = new_run(desk.pushed, wanted, 0)
    torch.manual_seed(wanted["seed"])
    import train

    on_gpu = run.device.startswith("cuda")
    free = rooms(THREADS if on_gpu else 2, on_gpu)
    sealed = Sealed(train.train(run))
    hashes = sealed.hashes(free)
    desk.piece = lambda index: sealed.piece(index, free[0])
    desk.log = run.points_text()
    desk.set(
        "sealed",
        size=sealed.size,
        hashes=hashes,
        tokens=run.tokens_taken,
        peak_memory_gb=torch.cuda.max_memory_allocated() / 1e9 if on_gpu else peak_gb(),
        device=torch.cuda.get_device_name() if on_gpu else "CPU",
        torch=torch.__version__,
    )


def work(desk: Desk) -> None:
    """Train once somebody has said hello; whatever goes wrong is told."""
    try:
        learn(desk, desk.hello.get())
    except BaseException as error:  # noqa: BLE001 (whatever the solution raises)
        traceback.print_exc()
        desk.failed(f"{type(error).__name__}: {error}")


def peak_gb() -> float:
    """The most memory that this process held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Serve until the referee hangs up."""
    sys.path[0] = str(SOLUTION)  # not the harness's own folder
    from aster_channel import connect
    from harness import Pushed

    desk, channel = Desk(Pushed()), connect()

    def serve() -> None:
        channel.serve(desk.answer)
        os._exit(0)  # the referee has what it wants, or gave up; threads of the solution do not hold us

    threading.Thread(target=serve, daemon=True).start()
    work(desk)
    threading.Event().wait()


if __name__ == "__main__":
    main()
