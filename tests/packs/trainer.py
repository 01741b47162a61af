"""What the tests of the speedrun's trainer share: the benchmark's script, candidates made tiny, and runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.packs import nanochat
from tests.packs.pack import PACKS

from aster.proposers.library import IdeaLibrary

FOLDER = PACKS / "speedrun"
VOCABULARY, LENGTH, BOS = 60, 32, 59
DOCUMENTS = 2000
"""Of 16 tokens, those that there can be."""
TINY = {
    "DEPTH": 4,
    "WIDTH": 32,
    "HEAD_WIDTH": 16,
    "ROTARY_WIDTH": 8,
    "VALUE_TABLES": 2,
    "VOCABULARY_UNIT": 16,
    "STEPS": 3,
    "BATCHES": [8 * LENGTH, 8 * LENGTH, 8 * LENGTH],
    "LENGTH": LENGTH,
    "SHORT_WINDOWS": [4, 8, 8],
    "LONG_WINDOWS": [8, 16, 20],
    "MICRO_TOKENS": 4 * LENGTH,
    "MOMENTUM_STEPS": 10,
    "SHARED_OUT": 64,
    "LOG_EVERY": 1,
    "DUMMY_STEPS": 1,
    "PAIR_ROWS": 128,
    "ASIDE_ROWS": 2,
}


@cache
def script() -> Any:
    """benchmarks/speedrun.py."""
    sys.modules["nanochat"] = nanochat.script()  # that beside it, of which it takes what both need
    return nanochat.module_of(PACKS.parent / "benchmarks" / "speedrun.py", "benchmarks_speedrun")


@cache
def ideas() -> IdeaLibrary:
    found: IdeaLibrary = nanochat.script().library(FOLDER)
    return found


@contextmanager
def candidate(folder: Path, variant: str = "none") -> Iterator[Any]:
    """train.py of a variant, with tiny sizes, while the modules beside it can be imported."""
    nanochat.script().write_tree(script().made(variant, [], FOLDER, ideas()), folder)
    with imported(folder / "solution") as module:
        yield module


@contextmanager
def imported(solution: Path) -> Iterator[Any]:
    """train.py of a solution, with tiny sizes, while the modules beside it can be imported."""
    sys.path.insert(0, str(solution))
    try:
        module = nanochat.module_of(solution / "train.py", "train")
        for constant, value in TINY.items():
            if hasattr(module, constant):
                setattr(module, constant, value)
        yield module
    finally:
        sys.path.remove(str(solution))
        beside = {path.stem for path in solution.iterdir()}
        for name in [name for name in sys.modules if name.partition(".")[0] in beside]:
            sys.modules.pop(name)


class Tokens:
    """A stream of documents in which each token follows from the one before, by a rule of the document's own."""

    def __init__(self, torch: Any, tokens: int, rank: int = 0, ranks: int = 1) -> None:
        made = torch.Generator().manual_seed(7)
        starts, steps = (torch.randint(0, 50, (DOCUMENTS, 1), generator=made) for _ in range(2))
        text = (starts + (1 + steps % 3) * torch.arange(15)) % 50
        marks = torch.full((DOCUMENTS, 1), BOS)
        self.tokens = torch.cat([marks, text], dim=1).flatten()[: tokens + 1]
        self.rank, self.ranks, self.at = rank, ranks, 0

    def next(self, count: int) -> Any:
        """See `harness.Stream`."""
        if self.at + count * self.ranks >= len(self.tokens):
            return None
        start = self.at + count * self.rank
        self.at += count * self.ranks
        part = self.tokens[start : start + count + 1]
        return part[:-1].contiguous(), part[1:].contiguous()


class TestRun:
    """A run in this process."""

    __test__ = False
    vocab_size, bos, length, seed, device = VOCABULARY, BOS, LENGTH, 3, "cpu"

    def __init__(self, torch: Any, tokens: int, rank: int = 0, world_size: int = 1) -> None:
        self.torch, self.tokens, self.rank, self.world_size = torch, tokens, rank, world_size
        self.points: list[dict[str, float]] = []
        self.went = False

    def dummy(self, count: int) -> Any:
        assert not self.went
        block = self.torch.randint(0, VOCABULARY, (count + 1,))
        return block[:-1].contiguous(), block[1:].contiguous()

    def go(self) -> Tokens:
        assert not self.went
        self.went = True
        return Tokens(self.torch, self.tokens, self.rank, self.world_size)

    def log(self, **numbers: float) -> None:
        self.points.append(numbers)


def be_a_rank(solution: Path, meeting: Path, rank: int, ranks: int, tokens: int) -> None:
    """Train as one of several processes, put the losses and the state beside the meeting, and wait to be killed.

    A rank that ends at once, while another still works, may bring both down.
    """
    import torch

    torch.set_num_threads(1)
    where = f"file://{meeting}"
    torch.distributed.init_process_group("gloo", init_method=where, rank=rank, world_size=ranks)
    with imported(solution) as module:
        run = TestRun(torch, tokens, rank, ranks)
        state = module.train(run)
    torch.save(([point["loss"] for point in run.points], state), f"{meeting}.{rank}.part")
    Path(f"{meeting}.{rank}.part").rename(f"{meeting}.{rank}")
    threading.Event().wait()


if __name__ == "__main__":
    be_a_rank(Path(sys.argv[1]), Path(sys.argv[2]), *(int(word) for word in sys.argv[3:]))
