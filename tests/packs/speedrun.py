"""What the tests of the speedrun share: shards, a channel without a sandbox, and candidates that learn a table."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from tests.packs.pack import PACKS

PACK = PACKS / "speedrun"
VOCABULARY, LENGTH, BOS = 300, 32, 299
CONDITIONS = {
    "vocab_size": VOCABULARY,
    "bos": BOS,
    "length": LENGTH,
    "val_tokens": 300 * LENGTH,
    "target": 4.0,
    "batch": 512,
    "world_size": 1,
    "seconds": 100.0,
}
OURS = ("evaluate", "harness", "head", "learn", "picture", "preparing", "probes", "rules", "served", "tokens", "train")

TABLE = """
import torch
import torch.distributed as dist


def train(run):
    table = torch.zeros(run.vocab_size, run.vocab_size)
    stream = run.go()
    while (batch := stream.next(run.batch // run.world_size)) is not None:
        table.index_put_(batch, torch.ones(()), accumulate=True)
        run.log(step=1, loss=2.0)
    if run.world_size > 1:
        dist.all_reduce(table)
    return {"table": torch.log(table + 0.05), "head.weight": torch.eye(run.vocab_size)}


def load(state, device):
    return lambda tokens: state["table"][tokens]
"""
"""Which token follows which: hidden states are rows of the table, and the head is the identity."""


def load(name: str) -> ModuleType:
    """A module of the pack, of which `fresh` has told Python."""
    return importlib.import_module(name)


def tokens_of(count: int, rng: np.random.Generator) -> np.ndarray:
    """Tokens each of which is mostly 7 more than the last; documents of about 60."""
    steps = np.where(rng.random(count) < 0.9, 7, rng.integers(0, VOCABULARY - 1, count))
    found = (steps.cumsum() % (VOCABULARY - 1)).astype(np.uint16)
    found[rng.random(count) < 1 / 60] = BOS
    found[0] = BOS
    return found


def write_shard(path: Path, tokens: np.ndarray, **header: int) -> None:
    """A shard in the contest's format, written without the pack's own code."""
    head = np.zeros(256, dtype="<i4")
    head[:3] = header.get("magic", 20240520), header.get("version", 1), header.get("count", len(tokens))
    path.write_bytes(head.tobytes() + tokens.astype("<u2").tobytes())


def write_corpus(folder: Path, **conditions: float) -> Path:
    """A prepared folder: two training shards of 6,000 and 4,000 tokens, and validation."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = ["toy_train_000001.bin", "toy_train_000002.bin"]
    stream = tokens_of(10_000, rng)
    write_shard(folder / names[0], stream[:6000])
    write_shard(folder / names[1], stream[6000:])
    write_shard(folder / "toy_val_000000.bin", tokens_of(300 * LENGTH + 77, rng))
    meta = {"conditions": CONDITIONS | conditions, "train": names, "val": "toy_val_000000.bin"}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


class Wire:
    """A channel whose other end is a function in this process."""

    def __init__(self, answer: Callable[[bytes], bytes | memoryview]) -> None:
        self._answer, self._asked = answer, b""

    def call(self, request: bytes, timeout_s: float, most: int) -> bytes:
        found = bytes(self._answer(bytes(request)))
        assert len(found) <= most
        return found

    def ask(self, request: bytes) -> None:
        self._asked = request

    def take(self, timeout_s: float, into: memoryview) -> int:
        found = bytes(self._answer(self._asked))
        into[: len(found)] = found
        return len(found)


Train = Callable[[Any], Any]
