"""What the tests of the NanoChat pack share: the script of its benchmark, and candidates as modules, made tiny."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.packs.pack import PACKS

from aster.proposers.library import IdeaLibrary

FOLDER = PACKS / "nanochat"
VOCABULARY, LENGTH = 64, 48
TINY = {
    "DEPTH": 4,
    "WIDTH": 32,
    "HEAD_WIDTH": 16,
    "GATE_WIDTH": 8,
    "SHORT_WINDOW": 16,
    "LENGTH": LENGTH,
    "STEP_TOKENS": 8 * LENGTH,
    "MICRO_ROWS": 4,
    "BITS": 10,
    "SMEAR_WIDTH": 8,
    "GRAM_ROWS": 1024,
}


def module_of(path: Path, name: str) -> ModuleType:
    """A file as a module, under a name that later imports find."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@cache
def script() -> Any:
    """benchmarks/nanochat.py; what it takes from beside it is there without a path to it."""
    folder = PACKS.parent / "benchmarks"
    for name in ("nanochat_turns", "nanochat_table"):
        module_of(folder / f"{name}.py", name)
    return module_of(folder / "nanochat.py", "benchmarks_nanochat")


@cache
def ideas() -> IdeaLibrary:
    library: IdeaLibrary = script().library(FOLDER)
    return library


@contextmanager
def candidate(folder: Path, variant: str = "none") -> Iterator[Any]:
    """train.py of a variant, with tiny sizes, while the modules beside it can be imported."""
    script().write_tree(script().tree_of(variant, FOLDER, ideas()), folder)
    solution = folder / "solution"
    beside = [path.stem for path in solution.glob("*.py")]
    sys.path.insert(0, str(solution))
    try:
        module = module_of(solution / "train.py", "train")
        for name in beside:
            for constant, value in TINY.items():
                if hasattr(sys.modules.get(name), constant):
                    setattr(sys.modules[name], constant, value)
        yield module
    finally:
        sys.path.remove(str(solution))
        for name in beside:
            sys.modules.pop(name, None)


class Rows:
    """A stream of rows in which each token follows from the one before, by a rule of the row's own."""

    def __init__(self, torch: Any, rows: int) -> None:
        made = torch.Generator().manual_seed(7)
        steps = torch.randint(1, 4, (rows, 1), generator=made)
        starts = torch.randint(0, VOCABULARY, (rows, 1), generator=made)
        self.tokens = (starts + steps * torch.arange(LENGTH + 1)) % VOCABULARY
        self.at = 0

    @property
    def rows_left(self) -> int:
        return len(self.tokens) - self.at

    def next(self, rows: int) -> Any:
        if self.rows_left < rows:
            self.at = len(self.tokens)
            return None
        self.at += rows
        block = self.tokens[self.at - rows : self.at]
        return block[:, :-1].contiguous(), block[:, 1:].contiguous()


class TestRun:
    """A run whose clock stands still, so that the stream ends it."""

    __test__ = False
    vocab_size, length, seed, device, seconds = VOCABULARY, LENGTH, 3, "cpu", 60.0

    def __init__(self, torch: Any, rows: int) -> None:
        self.torch, self.rows = torch, rows
        self.points: list[dict[str, float]] = []
        self.went = False

    def dummy(self, rows: int) -> Any:
        assert not self.went
        block = self.torch.randint(0, VOCABULARY, (rows, LENGTH + 1))
        return block[:, :-1], block[:, 1:]

    def go(self) -> Rows:
        assert not self.went
        self.went = True
        return Rows(self.torch, self.rows)

    def left(self) -> float:
        return self.seconds

    def log(self, **numbers: float) -> None:
        self.points.append(numbers)
