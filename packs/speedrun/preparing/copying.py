"""A copy of this problem for other conditions: its own resources, its own place of data, which is prepared already."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from preparing.texts import Trouble

_LEFT = ("__pycache__", "campaigns", "*.pyc", "prepare.py", "preparing", "conditions.json")
_TOLD = ("vocab_size", "bos", "length", "target", "batch", "world_size")


def copy(source: Path, target: Path, tokens: Path, conditions: dict[str, Any], gpus: bool) -> None:
    """Copy the problem folder; of a copy that is there, only bring up to date what its problem.toml says of these.

    Args:
        tokens: the prepared folder. conditions: those of its meta.json.
        gpus: whether each rank has one; else the copy asks for none, and warms nothing up.
    """
    if not target.exists():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_LEFT))
    text, ranks = (target / "problem.toml").read_text(), conditions["world_size"]
    share = "on the CPU" if not gpus else "on one GPU" if ranks == 1 else f"on {ranks} GPUs"
    cpus, memory = (ranks, 4 + 2 * ranks) if not gpus else (max(4, 2 * ranks), 32 + 12 * ranks)
    told = "".join(f', "{name}={conditions[name]}"' for name in _TOLD)
    for pattern, new in (
        (r'(?m)^path = ".*/tokens"$', f"path = {json.dumps(tokens.as_posix())}"),
        (r"(?ms)^\[prepare\]\n.*?\n\n", ""),
        (r"(?m)^warm = .*$", f'warm = ["python", "solution/harness/warm.py"{told if gpus else ""}]'),
        (r"a validation loss of 3\.28", "a target validation loss"),
        (r'in the fewest seconds on [^"]*"', f'in the fewest seconds {share}"'),
        (r"(?m)^cpus = \d+$", f"cpus = {cpus}"),
        (r"(?m)^gpus = \d+$", f"gpus = {ranks if gpus else 0}"),
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
        text = (target / "problem.toml").read_text()
    except OSError:
        text = ""
    if target.exists() and not ('name = "speedrun"' in text and "[prepare]" not in text):
        raise Trouble(f"{target} is there already, and is no copy of this problem: give --copy another folder.")
