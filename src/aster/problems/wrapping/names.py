"""Names that problem.toml accepts, made from names that people gave."""

from __future__ import annotations

import re

from aster.errors import InitError


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


def printed_as(name: str, *, first: bool) -> str:
    """Return a pattern for what a script prints of `name`: "val_loss: 0.5", "val_loss = 0.5", "val_loss=0.5".

    Args:
        first: the name stands at the beginning of its line.
    """
    if first:
        return rf"^\s*{re.escape(name)}\s*[:=]\s*([-+.\w]+)"
    return rf"(?:^|[^\w./-]){re.escape(name)}\W?\s*[:=]\s*([-+.\w]+)"
