"""Own the clock and the rows while a candidate trains: the first trusted stage.

Usage: ``python referee/learn.py --tokens DIR --out DIR --seed N``, beside the service that trains.

The candidate warms up on dummy tokens for as long as it likes, within the limit; then it says that it is ready. GO
starts the clock and sends the first rows; more follow ahead of need, once each, in an order drawn from the seed, until
the budget or the data is over. The clock stops when the candidate has told the hashes of all pieces of its sealed
state: what it does afterwards cannot change them. The state is fetched, compared with its hashes and written down as
bytes that nobody here reads.

What came of it goes to OUT/learnt.json, for the next stage; the state to OUT/state.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokens import Conditions, Corpus, Rows

MOST_TEXT = 256 << 10
"""Bytes that the solution's own files may have together."""
MOST_STATE = 4 << 30
GRACE_S = 1.0
"""Seconds beyond the budget within which the sealed state may still come."""
PIECE = 32 << 20
AHEAD_ROWS = 32768
"""Rows that may wait at the candidate's."""
_PATIENCE_S = 60.0
_MOST_LOG = 1 << 20


class Invalid(Exception):
    """The candidate broke a rule; the message is one sentence for people and agents."""


class Broken(Exception):
    """The candidate failed; the message says how."""


class Trainee:
    """The candidate at the other end of a channel. What it says is data: of the right type, or the run is broken."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def hello(self, conditions: Conditions, seed: int) -> int:
        """Say what the run is about; return the size of the solution's own files, measured before they run."""
        about = {name: getattr(conditions, name) for name in ("vocab_size", "length", "seconds")}
        return whole(self._ask(b"H" + json.dumps({**about, "seed": seed}).encode()), "bytes", 1 << 60)

    def go(self, rows: int) -> dict[str, Any]:
        """Say GO."""
        return self._ask(b"G%d" % rows)

    def push(self, block: Rows) -> dict[str, Any]:
        """Send rows."""
        return self._ask(b"B" + block.shape[1].to_bytes(4, "little") + block.astype("<u2").tobytes())

    def end(self) -> dict[str, Any]:
        """Say that no more rows come."""
        return self._ask(b"E")

    def status(self) -> dict[str, Any]:
        """How far it is, at once or when that changes."""
        return self._ask(b"R")

    def piece(self, index: int, size: int) -> bytes:
        """A piece of the sealed state."""
        answer: bytes = self._channel.call(b"S%d" % index, timeout_s=_PATIENCE_S, most=size)
        return answer

    def log(self) -> str:
        """What it noted, cleaned."""
        text = self._channel.call(b"L", timeout_s=_PATIENCE_S, most=_MOST_LOG).decode(errors="replace")
        return "".join(each for each in text if each.isprintable() or each == "\n")

    def _ask(self, request: bytes) -> dict[str, Any]:
        answer = self._channel.call(request, timeout_s=_PATIENCE_S, most=1 << 16)
        try:
            said = json.loads(answer)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Broken("the training service answered with something else than JSON")
        return said


def whole(said: dict[str, Any], name: str, most: int) -> int:
    """A whole number from 0 to `most` among what was said.

    Raises:
        Broken: there is none.
    """
    number = said.get(name)
    if type(number) is not int or not 0 <= number <= most:
        raise Broken(f"the training service gave no proper number as {name!r}")
    return number


def train(
    trainee: Trainee,
    corpus: Corpus,
    seed: int,
    warmup_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Carry a run out until its state is sealed; return what the candidate said then, with the seconds that it took.

    Raises:
        Invalid: too much text, or sealed too late.
        Broken: it failed, or never got ready.
    """
    size = trainee.hello(corpus.conditions, seed)
    if size > MOST_TEXT:
        raise Invalid(f"The solution has {size} bytes of files; {MOST_TEXT} are allowed.")
    came = clock()
    while (said := trainee.status()).get("phase") != "ready":
        _check(said)
        if clock() - came > warmup_s:
            raise Broken(f"it was not ready within {warmup_s:g} s")
    ready = clock()
    said = _feed(trainee, corpus, seed, clock)
    return {**said, "warmup_seconds": ready - came}


def _feed(trainee: Trainee, corpus: Corpus, seed: int, clock: Callable[[], float]) -> dict[str, Any]:
    budget = corpus.conditions.seconds
    rows, blocks = corpus.blocks(seed)
    coming = next(blocks, None)
    began = clock()
    said = trainee.go(rows)
    ended = False
    while said.get("phase") != "sealed":
        _check(said)
        passed = clock() - began
        if passed > budget + GRACE_S:
            raise Invalid(f"Nothing was sealed {GRACE_S:g} s after the budget of {budget:g} s was over.")
        if not ended and (coming is None or passed >= budget):
            ended, said = True, trainee.end()
        elif coming is not None and whole(said, "backlog", 1 << 40) < AHEAD_ROWS and not ended:
            said, coming = trainee.push(coming), next(blocks, None)
        else:
            said = trainee.status()
    took = clock() - began
    if took > budget + GRACE_S:
        raise Invalid(f"The state was sealed after {took:.2f} s; the budget is {budget:g} s.")
    return {**said, "training_seconds": took, "rows_offered": rows}


def _check(said: dict[str, Any]) -> None:
    if said.get("phase") == "failed":
        raise Broken(f"training failed: {str(said.get('why'))[:300]}")


def fetch(trainee: Trainee, said: dict[str, Any], place: Path) -> int:
    """Write the sealed state to a file, piece by piece; return its size in bytes.

    Raises:
        Invalid: it is too large, or not what its hashes say.
    """
    size, hashes = whole(said, "size", 1 << 60), said.get("hashes")
    if size > MOST_STATE:
        raise Invalid(f"The sealed state has {size} bytes; {MOST_STATE} are allowed.")
    if not isinstance(hashes, list) or len(hashes) != math.ceil(size / PIECE):
        raise Invalid("The sealed state came without a hash for each of its pieces.")
    with place.open("wb") as file:
        for index, promised in enumerate(hashes):
            piece = trainee.piece(index, PIECE)
            if len(piece) != min(PIECE, size - index * PIECE) or hashlib.sha256(piece).hexdigest() != promised:
                raise Invalid("The sealed state was changed after it had been sealed.")
            file.write(piece)
    return size


def facts(said: dict[str, Any], corpus: Corpus, size: int) -> dict[str, Any]:
    """What the next stages report of the run: numbers, and what it ran on."""
    rows = min(whole(said, "rows", 1 << 40), said["rows_offered"])
    peak = said.get("peak_memory_gb")
    return {
        "training_seconds": said["training_seconds"],
        "warmup_seconds": said["warmup_seconds"],
        "tokens_seen": rows * corpus.conditions.length,
        "epochs": rows / len(corpus.train),
        "state_mb": size / 1e6,
        "peak_memory_gb": peak if isinstance(peak, float) and 0 <= peak < 1e6 else 0.0,
        "device": str(said.get("device"))[:100],
        "torch": str(said.get("torch"))[:100],
    }


def main(given: list[str] | None = None) -> int:
    """Carry the stage out; 1 where the candidate failed."""
    from aster_channel import ServiceError, connect  # only there beside a service

    parser = argparse.ArgumentParser(description="Own the clock and the rows while a candidate trains.")
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--warmup", type=float, default=900.0, help="seconds until it has to be ready")
    options = parser.parse_args(given)
    corpus = Corpus(options.tokens)
    try:
        with connect() as channel:
            trainee = Trainee(channel)
            said = train(trainee, corpus, options.seed, options.warmup)
            size = fetch(trainee, said, options.out / "state")
            found = facts(said, corpus, size)
            (options.out / "curve.jsonl").write_text(trainee.log())
    except Invalid as broken:
        found = {"invalid": str(broken)}
    except (ServiceError, TimeoutError, Broken) as error:
        print(f"no sealed state: {error}", file=sys.stderr)
        return 1
    (options.out / "learnt.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
