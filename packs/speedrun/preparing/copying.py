"""A copy of this problem for other conditions: its own resources, its own place of data, which is prepared already."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from preparing.texts import Trouble

_LEFT = ("__pycache__", "campaigns", "*.pyc", "prepare.py", "preparing", "conditions.json")


def copy(source: Path, target: Path, tokens: Path, world_size: int, gpus: bool) -> None:
    """Copy the problem folder; of a copy that is there, only bring up to date what its problem.toml says of these.

    Args:
        tokens: the prepared folder.
        world_size: ranks. gpus: whether each has a GPU; else the copy asks for none.
    """
    if not target.exists():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_LEFT))
    text = (target / "problem.toml").read_text()
    share = "on the CPU" if not gpus else "on one GPU" if world_size == 1 else f"on {world_size} GPUs"
    cpus, memory = (world_size, 4 + 2 * world_size) if not gpus else (max(4, 2 * world_size), 32 + 12 * world_size)
    for pattern, new in (
        (r'(?m)^path = ".*/tokens"$', f'path = "{tokens.as_posix()}"'),
        (r"(?ms)^\[prepare\]\n.*?\n\n", ""),
        (r"a validation loss of 3\.28", "a target validation loss"),
        (r'in the fewest seconds on [^"]*"', f'in the fewest seconds {share}"'),
        (r"(?m)^cpus = \d+$", f"cpus = {cpus}"),
        (r"(?m)^gpus = \d+$", f"gpus = {world_size if gpus else 0}"),
        (r'(?m)^memory = "\w+"$', f'memory = "{memory}GiB"'),
    ):
        text = re.sub(pattern, lambda _, new=new: new, text)
    (target / "problem.toml").write_text(text)


def check(target: Path) -> None:
    """Look whether a copy can be made there.

    Raises:
        Trouble: there is another folder already.
    """
    try:
        ours = 'name = "speedrun"' in (target / "problem.toml").read_text()
    except OSError:
        ours = False
    if target.exists() and not ours:
        raise Trouble(f"{target} is there already, and is no copy of this problem: give --copy another folder.")
