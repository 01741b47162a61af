"""A small problem to begin with: a round trip through 60 cities."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from aster.problems.wrapping.names import kebab
from aster.problems.wrapping.place import Made, write_folder

TEMPLATES = files("aster.problems.wrapping") / "templates"


def scaffold(folder: Path) -> Made:
    """Make a problem that works in `folder`, named after it.

    Raises:
        InitError: the folder exists or cannot be written, or no name can be made from its own.
    """
    name = kebab(folder.name)
    texts = {path: template.read_text("utf-8") for path, template in _below(TEMPLATES / "scaffold")}
    write_folder(folder, {path: text.replace("@NAME@", name).encode() for path, text in texts.items()})
    return Made(folder, name)


def template(name: str) -> bytes:
    """Return the content of one template."""
    return (TEMPLATES / name).read_bytes()


def _below(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    """Return (relative path, file) of all files below a folder of the package."""
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _below(entry, f"{prefix}{entry.name}/") if entry.name != "__pycache__" else []
        else:
            found.append((prefix + entry.name, entry))
    return sorted(found, key=lambda each: each[0])
