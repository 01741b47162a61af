"""Small code to wrap, written for the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Write = Callable[[Mapping[str, str | bytes]], Path]

SCRIPT = '''\
"""Minimise a parabola."""
import os
import random

RATE = 0.1
random.seed(42)


def loss(x):
    return (x - 3) ** 2 + random.gauss(0, 0.01)


for step in range(4):
    print(f"step {step} loss {loss(RATE * step):.4f}")
print(f"val_loss: {loss(10 * RATE):.4f}")
'''


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files below a folder `code` and return it."""

    def written(files: Mapping[str, str | bytes]) -> Path:
        folder = tmp_path / "code"
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return written


def everything(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder, to see that it stayed as it was."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
