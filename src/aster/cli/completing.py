"""What a shell completes: ids of campaigns and names of problems. Asked at each press of a key, so it reads no ledger.

Imported for `aster --help`: the standard library alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEDGER, SPEC = "ledger.db", "problem.toml"
MOST = 200


def campaign_ids(ctx: Any, incomplete: str) -> list[str]:
    """Return the ids of campaigns that begin so, youngest first, and `last`; `ctx` is typer's context."""
    asked = ctx.params.get("campaigns") or os.environ.get("ASTER_CAMPAIGNS") or "campaigns"
    try:
        folders = [path.parent for path in Path(asked).glob(f"*/{LEDGER}")]
    except OSError:  # nothing to complete; the command itself will say why
        folders = []
    known = sorted((f.name for f in folders), key=lambda name: name[-20:], reverse=True)
    return [name for name in ["last", *known] if name.startswith(incomplete)][:MOST]


def problem_names(incomplete: str) -> list[str]:
    """Return the built-in problems and the folders with a problem.toml that begin so."""
    try:
        return sorted({name for name in _problems(incomplete) if name.startswith(incomplete)})[:MOST]
    except OSError:  # a folder that cannot be listed holds nothing that can be completed
        return []


def _problems(incomplete: str) -> Iterator[str]:
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_packs", package.parents[1] / "packs"):
        for spec in place.glob(f"*/{SPEC}"):
            yield spec.parent.name.replace("_", "-")
    above = incomplete.rpartition("/")[0]
    start = Path(above or ("/" if incomplete.startswith("/") else "."))
    for entry in start.expanduser().iterdir():
        if entry.is_dir() and not entry.name.startswith("."):
            shown = f"{above}/{entry.name}" if "/" in incomplete else entry.name
            yield shown if (entry / SPEC).is_file() else f"{shown}/"
