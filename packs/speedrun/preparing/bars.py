"""Progress: a bar where rich is installed and somebody looks, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(what: str, total: int, in_bytes: bool = False) -> Iterator[Callable[[int], object]]:
    """Show a bar on stderr while the block runs; call what it yields with each step. `total`: 0 if not known."""
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
    except ImportError:
        print(f"{what} ...", file=sys.stderr, flush=True)
        yield lambda _: None
        return
    figures = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *figures, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total or None)
        yield lambda step: progress.advance(task, step)
