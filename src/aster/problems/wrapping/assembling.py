"""From an outline and the code to the folder: checked as `aster run` will check it, then written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aster.errors import InitError, ProblemError
from aster.problems.checks import FILE
from aster.problems.problem import problem_from_files
from aster.problems.wrapping.outline import ROOT, Outline, problem_toml
from aster.problems.wrapping.place import Made, write_folder


@dataclass(frozen=True)
class Parts:
    """What a problem folder is made of.

    Attributes:
        code: the solution's files, relative to its root.
        pages: all other files, relative to the folder, but for problem.toml.
        links: path in the folder -> where the link leads.
    """

    outline: Outline
    code: Mapping[str, bytes]
    pages: Mapping[str, bytes]
    links: Mapping[str, Path] = field(default_factory=dict)


def assemble(target: Path, parts: Parts, notes: Sequence[str], *, prepare: bool = False) -> Made:
    """Write the folder, unless a problem made of it would be refused.

    Raises:
        InitError: it would be refused, which an option of the user's has caused; or it cannot be written.
    """
    files = {f"{ROOT}/{path}": content for path, content in parts.code.items()}
    files |= {**parts.pages, FILE: problem_toml(parts.outline).encode()}
    try:
        problem_from_files(files, str(target))
    except ProblemError as error:
        raise InitError(f"The problem would be refused, so nothing was written. {error}") from error
    write_folder(target, files, parts.links)
    return Made(target, parts.outline.name, tuple(notes), prepare)
