"""Shards from the hub: several at once, each resumed where it was cut off, each checked before it counts.

What a shard must be (its size, and its SHA-256 where the hub names one) is asked for first, and what it was is noted in
checksums.json: a file that changes afterwards is told from the one that came.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from preparing.files import replace, sha256_of
from preparing.texts import Trouble

_TRIES, _PATIENCE_S, _CHUNK = 5, 30.0, 1 << 20
_DROPPED = (OSError, http.client.HTTPException)
Advance = Callable[[int], object]


class Promise(NamedTuple):
    """What the hub says of a file; 0 and "" where it does not say."""

    size: int
    sha256: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Have the answer itself: a hub's headers are on it, not on that of the store that it leads to."""


class Hub:
    """A folder of files at `url`, brought to `folder`. `wait_s`: before the first new try; twice as long each time."""

    def __init__(self, url: str, folder: Path, wait_s: float = 2.0) -> None:
        self._url, self._folder, self._wait_s = url.rstrip("/"), folder, wait_s
        self._noted = folder / "checksums.json"
        self._lock = threading.Lock()

    def promises(self, names: Iterable[str]) -> dict[str, Promise]:
        """What is to come, of the files that are not there and as noted.

        Raises:
            Trouble: the hub cannot be reached.
        """
        missing = [name for name in names if not self._is_there(name)]
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(missing, pool.map(self._promise, missing), strict=True))

    def fetch(self, promised: dict[str, Promise], at_once: int, advance: Advance) -> None:
        """Bring the files; `advance` is told of bytes as they come, also of those that were there before.

        Raises:
            Trouble: one does not come, or is not what was promised. What has come is kept.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(at_once) as pool:
            running = [pool.submit(self._fetch, name, promise, advance, stop) for name, promise in promised.items()]
            try:
                for each in running:
                    each.result()
            except BaseException:  # also when we are interrupted: the others must not go on for hours
                stop.set()
                for each in running:
                    each.cancel()
                raise

    def _fetch(self, name: str, promise: Promise, advance: Advance, stop: threading.Event) -> None:
        part = self._folder / f"{name}.part"
        for attempt in range(_TRIES):
            try:
                self._continue(name, part, promise, advance, stop)
                break
            except _DROPPED as error:
                if stop.is_set() or attempt == _TRIES - 1:
                    raise Trouble(
                        f"{self._url}/{name} could not be downloaded: {_why(error)}. What has come of it is kept: run "
                        "this again to go on, or give a folder of your own with --data."
                    ) from error
                stop.wait(self._wait_s * 2**attempt)
        size, digest = part.stat().st_size, sha256_of(part)
        if (promise.size and size != promise.size) or (promise.sha256 and digest != promise.sha256):
            part.unlink()
            raise Trouble(
                f"{self._url}/{name} came with {size} bytes and SHA-256 {digest}, which is not what the hub promises "
                f"({promise.size or 'any'} bytes, {promise.sha256 or 'any digest'}). It was removed: run this again."
            )
        self._note(name, size, digest)
        part.replace(self._folder / name)

    def _continue(self, name: str, part: Path, promise: Promise, advance: Advance, stop: threading.Event) -> None:
        held = part.stat().st_size if part.exists() else 0
        if promise.size and held > promise.size:
            part.unlink()
            held = 0
        if held and held == promise.size:
            advance(held)
            return
        request = urllib.request.Request(f"{self._url}/{name}", headers={"Range": f"bytes={held}-"} if held else {})
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            if answer.status != 206:  # it sends all of it again
                held = 0
            advance(held)
            with part.open("ab" if held else "wb") as file:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    held += len(chunk)
                    advance(len(chunk))
                    if stop.is_set():
                        raise ConnectionAbortedError("another file failed")
        if promise.size and held < promise.size:
            advance(-held)
            raise ConnectionResetError(f"the connection ended after {held} of {promise.size} bytes")

    def _promise(self, name: str) -> Promise:
        request = urllib.request.Request(f"{self._url}/{name}", method="HEAD")
        try:
            try:
                with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE_S) as answer:
                    headers = answer.headers
            except urllib.error.HTTPError as error:
                if error.code >= 400:
                    raise
                headers = error.headers
        except _DROPPED as error:
            raise Trouble(
                f"{self._url}/{name} cannot be reached: {_why(error)}. Without the network, give a folder of your "
                "own with --data."
            ) from error
        size = headers.get("X-Linked-Size") or (headers.get("Content-Length") if not headers.get("Location") else None)
        digest = (headers.get("X-Linked-ETag") or headers.get("ETag") or "").strip('"')
        return Promise(int(size or 0), digest if re.fullmatch("[0-9a-f]{64}", digest) else "")

    def _is_there(self, name: str) -> bool:
        path, noted = self._folder / name, self._notes().get(name)
        if not path.is_file():
            return False
        if noted is None:
            self._note(name, path.stat().st_size, sha256_of(path))
        elif [path.stat().st_size, sha256_of(path)] != noted:
            path.unlink()  # cut off or changed since: it comes again
            return False
        return True

    def _notes(self) -> dict[str, list[Any]]:
        try:
            notes: dict[str, list[Any]] = json.loads(self._noted.read_text())
        except (OSError, ValueError):
            return {}
        return notes

    def _note(self, name: str, size: int, digest: str) -> None:
        with self._lock:
            replace(self._noted, json.dumps({**self._notes(), name: [size, digest]}, indent=1).encode())


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def bring(hub: Hub, names: list[str], at_once: int) -> None:
    """Download what is missing of `names`, with a bar where somebody looks."""
    promised = hub.promises(names)
    if not promised:
        return
    from preparing.bars import bar

    began = time.monotonic()
    with bar(f"{len(promised)} shards", sum(promise.size for promise in promised.values()), in_bytes=True) as advance:
        hub.fetch(promised, at_once, advance)
    print(f"Downloaded {len(promised)} files in {time.monotonic() - began:.0f} s.")
