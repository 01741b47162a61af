"""The one thread that writes: whatever is queued becomes one commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from aster.domain.events import Entry, Event
from aster.errors import StoreError
from aster.ledger.protocol import Batch, Store

_Item = tuple[Batch, "Future[list[Entry]]"]


class Writer:
    """Appends batches in the order of `submit`, as many in one commit as are waiting when it begins.

    A commit costs a disk flush, however much is in it, so a thousand outcomes that arrive together cost one.
    Any thread may submit; in asyncio, await `asyncio.wrap_future(writer.submit(...))`.

    Args:
        store: where to append. It stays the caller's, to be closed after the writer.
        clock: gives the time of a batch, Unix seconds, when it is submitted.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._queue: list[_Item] = []
        self._wake = threading.Condition()
        self._closing = False
        self._broken: str | None = None
        self._thread = threading.Thread(target=self._run, name="aster-ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, events: Sequence[Event], term: int = 0, blobs: Mapping[str, bytes] = {}) -> Future[list[Entry]]:
        """Queue one batch, and return the future of its new entries; it is durable once the future is done.

        The future raises what `Store.append` raises. StaleTerm and ValueError concern this batch alone. Any
        other error fails all batches of the commit, and the writer refuses whatever comes after. What was
        submitted cannot be cancelled, since a later batch may rest on it.

        Raises:
            RuntimeError: the writer was closed.
        """
        future: Future[list[Entry]] = Future()
        future.set_running_or_notify_cancel()
        with self._wake:
            if self._closing:
                raise RuntimeError("submit after close")
            batch = Batch(tuple(events), self._clock(), term, dict(blobs))
            self._queue.append((batch, future))
            self._wake.notify()
        return future

    def close(self) -> None:
        """Write what is queued, then end the thread. Closing twice is allowed."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while group := self._take():
            self._write(group)

    def _take(self) -> list[_Item]:
        """Wait for work and return all of it; nothing means that the writer was closed."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closing)
            group, self._queue = self._queue, []
        return group

    def _write(self, group: list[_Item]) -> None:
        if self._broken is not None:
            return _fail(group, StoreError(self._broken))
        try:
            results = self._store.append_group([batch for batch, _ in group])
        except Exception as error:  # noqa: BLE001 - a bug too must reach those who wait, or they wait for ever
            self._broken = f"The ledger stopped writing after an error: {error}"
            return _fail(group, error)
        for (_, future), result in zip(group, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        return None


def _fail(group: list[_Item], error: Exception) -> None:
    for _, future in group:
        future.set_exception(error)
