"""What the tests of the speedrun's kernels share: a candidate's kernels as modules, for Triton's interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.packs.pack import PACKS, tree, write

torch = pytest.importorskip("torch", reason="the kernels' tests need PyTorch")
with pytest.MonkeyPatch.context() as _patch:
    _patch.setenv("TRITON_INTERPRET", "1")  # Triton's own functions too are made for the interpreter or the compiler
    pytest.importorskip("triton.language", reason="the kernels' tests need Triton and its interpreter")

FOLDER = PACKS / "speedrun_kernels"
ANNOUNCED = ("coalesced-transpose", "more-warps", "reciprocals", "larger-blocks")


def forget() -> None:
    """Have the next import read the files again."""
    for name in [each for each in sys.modules if each.partition(".")[0] in ("kernels", "serve", "inputs", "evaluate")]:
        del sys.modules[name]


@contextmanager
def imported(folder: Path, *ideas: str) -> Iterator[ModuleType]:
    """The package of kernels with these ideas, written to a folder, with the interpreter in the compiler's place."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.syspath_prepend(str(FOLDER))
        patch.syspath_prepend(str(write(tree("speedrun_kernels", *ideas), folder) / "solution"))
        forget()
        yield __import__("kernels")
        forget()


def off(found: Any, right: Any) -> float:
    """The distance from what is right, of its norm."""
    return float((found.detach().double() - right.detach().double()).norm() / right.detach().double().norm())
