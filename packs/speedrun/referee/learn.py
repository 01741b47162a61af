"""Own the clock and the tokens while a candidate trains: the first trusted stage.

Usage: ``python referee/learn.py --tokens DIR --out DIR --seed N``, beside the service that trains.

The candidate's files are read and held against the rules before any of them runs. It warms up on dummy tokens for as
long as it likes, within the limit; then all its ranks say that they are ready. GO starts the clock and sends the first
tokens; more follow ahead of need, in the order of the shards, whatever the seed. The clock stops when the candidate has
told the hashes of all pieces of its sealed state: what it does afterwards cannot change them. The state is fetched,
compared with its hashes and written down.

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

from rules import broken as broken_rule
from tokens import Conditions, Corpus, Rows

MOST_TEXT, MOST_FILES = 256 << 10, 1000
"""Bytes that the solution's own files may have together, and how many there may be."""
MOST_STATE = 8 << 30
PIECE = 32 << 20
AHEAD = 8 << 20
"""Tokens that may wait at the candidate's: more than half a second's, and little to hand to all ranks at once."""
HASH_DIGITS = 12
"""Of the stream's SHA-256, in hexadecimal: as many as a metric, which is a float, holds exactly."""
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

    def texts(self) -> dict[str, bytes]:
        """The solution's own files, read before any of them runs.

        Raises:
            Invalid: they are too large, or too many.
        """
        sizes = self._ask(b"T", 1 << 20)
        total = sum(whole(sizes, name, 1 << 50) for name in sizes)
        if total > MOST_TEXT or len(sizes) > MOST_FILES:
            raise Invalid(
                f"The solution has {total} bytes in {len(sizes)} files; {MOST_TEXT} and {MOST_FILES} are allowed."
            )
        return {name: self._channel.call(b"F" + name.encode(), _PATIENCE_S, MOST_TEXT) for name in sizes}

    def hello(self, conditions: Conditions, seed: int) -> None:
        """Say what the run is about."""
        names = ("vocab_size", "bos", "length", "target", "batch", "world_size")
        self._ask(b"H" + json.dumps({**{name: getattr(conditions, name) for name in names}, "seed": seed}).encode())

    def go(self, tokens: int) -> dict[str, Any]:
        """Say GO."""
        return self._ask(b"G%d" % tokens)

    def push(self, block: Rows) -> dict[str, Any]:
        """Send tokens."""
        return self._ask(b"B" + block.astype("<u2").tobytes())

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

    def _ask(self, request: bytes, most: int = 1 << 16) -> dict[str, Any]:
        answer = self._channel.call(request, timeout_s=_PATIENCE_S, most=most)
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
        Invalid: too much text, a rule of the contest broken in it, or sealed too late.
        Broken: it failed, or never got ready.
    """
    if why := broken_rule(trainee.texts()):
        raise Invalid(why)
    trainee.hello(corpus.conditions, seed)
    came = clock()
    while (said := trainee.status()).get("phase") != "ready":
        _check(said)
        if clock() - came > warmup_s:
            raise Broken(f"it was not ready within {warmup_s:g} s")
    ready = clock()
    said = _feed(trainee, corpus, clock)
    return {**said, "warmup_seconds": ready - came}


def _feed(trainee: Trainee, corpus: Corpus, clock: Callable[[], float]) -> dict[str, Any]:
    most, total, blocks = corpus.conditions.seconds, corpus.train_tokens, corpus.blocks()
    coming = next(blocks, None)
    began = clock()
    said = trainee.go(total)
    while said.get("phase") != "sealed":
        _check(said)
        if clock() - began > most:
            raise Invalid(f"Nothing was sealed within {most:g} s, the most that a run may take.")
        if coming is not None and whole(said, "backlog", 1 << 40) < AHEAD:
            said, coming = trainee.push(coming), next(blocks, None)
        else:
            said = trainee.status()
    return {**said, "training_seconds": clock() - began, "offered": total}


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
    tokens = min(whole(said, "tokens", 1 << 50), said["offered"])
    peak, digest = said.get("peak_memory_gb"), corpus.digest(tokens)
    return {
        "training_seconds": said["training_seconds"],
        "warmup_seconds": said["warmup_seconds"],
        "tokens_seen": tokens,
        "stream": digest,
        "stream_hash": int(digest[:HASH_DIGITS], 16),
        "world_size": corpus.conditions.world_size,
        "state_mb": size / 1e6,
        "peak_memory_gb": peak if isinstance(peak, float) and 0 <= peak < 1e6 else 0.0,
        "device": str(said.get("device"))[:100],
        "torch": str(said.get("torch"))[:40],
    }


def main(given: list[str] | None = None) -> int:
    """Carry the stage out; 1 where the service failed or was never ready."""
    from aster_channel import ServiceError, connect  # only there beside a service

    parser = argparse.ArgumentParser(description="Own the clock and the tokens of a run.")
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--warmup-s", type=float, default=1200.0, help="how long warming up may take")
    options = parser.parse_args(given)
    corpus = Corpus(options.tokens)
    try:
        with connect() as channel:
            trainee = Trainee(channel)
            said = train(trainee, corpus, options.seed, options.warmup_s)
            size = fetch(trainee, said, options.out / "state")
            found = facts(said, corpus, size)
            print(f"The run took {found['tokens_seen']} tokens of the stream, whose SHA-256 is {found['stream']}.")
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
