"""Names that problem.toml accepts, made from names that people gave."""

from __future__ import annotations

import re
from typing import Literal

from aster.errors import InitError

Where = Literal["first", "inline", "loose"]


def kebab(name: str) -> str:
    """Return `name` in kebab-case, such as "my-problem" for "My Problem_2.py".

    Raises:
        InitError: it holds no letter and no digit.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    found = "-".join(re.findall(r"[a-z0-9]+", words))
    if not found:
        raise InitError(f'No problem can be named after "{name}": use letters and digits, such as "my-problem".')
    return found


def metric_slug(name: str) -> str:
    """Return `name` as a metric may be called: a letter first, then letters, digits and _ . @ / -.

    Raises:
        InitError: nothing is left of it, or it is the word that a score uses for a broken rule.
    """
    slug = re.sub(r"[^A-Za-z0-9_.@/-]+", "_", name.strip()).strip("_")[:64]
    if not re.match(r"[A-Za-z]", slug) or slug == "invalid":
        raise InitError(f'"{name}" cannot be the name of a metric: begin with a letter, such as "val_loss".')
    return slug


def printed_as(name: str, where: Where) -> str:
    """Return a pattern for what a script prints of `name`; its group is the number.

    Args:
        where: "first" for "val_loss: 0.5" or "val_loss = 0.5" at the beginning of a line, "inline" for the same
            anywhere on one; "loose" also for "val_loss 0.5" and {"val_loss": 0.5}.
    """
    said = re.escape(name)
    if where == "first":
        return rf"^\s*{said}\s*[:=]\s*([-+.\w]+)"
    if where == "inline":
        return rf"(?:^|[^\w./-]){said}\s*[:=]\s*([-+.\w]+)"
    return rf"(?:^|[^\w./-]){said}\W?(?:\s*[:=]\s*|\s+)([-+]?(?:\d|\.\d|nan|inf)[-+.\w]*)"
