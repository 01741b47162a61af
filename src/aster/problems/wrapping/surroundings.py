"""What wrapped code needs around it: an environment, data, memory; and what to say about each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from aster.errors import InitError
from aster.problems.wrapping.gather import Gathered, Left
from aster.problems.wrapping.names import kebab
from aster.problems.wrapping.outline import ROOT, DataLine, Environment
from aster.problems.wrapping.scan import imports, mentioned, missing_imports, places_outside

Files = Mapping[str, bytes]

FRAMEWORKS = frozenset({"torch", "jax", "tensorflow"})

SELF_REPORTED = """\
The score is *self-reported*: the candidate's own code prints it, and whoever may edit that code may print anything.
Aster marks it so wherever it shows, and a person should read the patch of a champion before believing it. To make it
trusted, have the script write what it made (a model's predictions, a solution) to a file in `{outputs}`, and add a
stage with `trusted = true` whose program, outside `solution/`, reads that file and reports the score."""


def uses_framework(files: Files) -> bool:
    """Whether the code imports one of the large frameworks that run on GPUs."""
    return bool(imports(files) & FRAMEWORKS)


def memory_for(files: Files) -> str:
    """Return a limit of memory: frameworks reserve far more address space than they use."""
    return "16GiB" if uses_framework(files) else "2GiB"


def cpus_for(gpus: int) -> int:
    """Return how many cores a run may keep busy: four to feed each device."""
    return max(1, 4 * gpus)


def environment_for(gathered: Gathered, used: Files, python: Path | None) -> tuple[Environment | None, list[str]]:
    """Return [environment] for the files that are used of what was gathered, and what to say about it.

    The interpreter that was asked for; else, if Aster's own Python lacks something that is imported, the folder's
    .venv or its requirements; else its requirements are only offered.

    Raises:
        InitError: the interpreter cannot be run.
    """
    if python is not None:
        if not os.access(python.expanduser(), os.X_OK) or python.expanduser().is_dir():
            raise InitError(
                f"--python {python} is not a program that can be run; give the path of a Python interpreter."
            )
        return Environment(interpreter=os.path.abspath(python.expanduser())), []  # noqa: PTH100 - a venv's link stays
    lacking = missing_imports(used, gathered.files)
    requirements = next((each for each in ("requirements.txt", "pyproject.toml") if each in gathered.files), None)
    own = gathered.root / ".venv" / "bin" / "python"
    said = f"Aster's own Python lacks {', '.join(lacking)}"
    if not lacking:
        offer = Environment(requirements=f"{ROOT}/{requirements}", offered=True) if requirements else None
        return offer, []
    if own.is_file():
        return Environment(interpreter=str(own)), [f"{said}, so candidates run with {own}."]
    if requirements:
        note = f"{said}, so an environment is built from {requirements} the first time (this takes the network)."
        return Environment(requirements=f"{ROOT}/{requirements}"), [note]
    return None, [
        f"{said}, and there is no requirements.txt: install it there, or say with --python what runs the code."
    ]


def data_lines(gathered: Gathered, used: Files) -> list[tuple[DataLine, Path]]:
    """Return [[data]] for what was left out of the copy and the used code names, and where each really is."""
    lines = []
    for each in gathered.left:
        place = (gathered.root / each.path).resolve()
        if mentioned(used, each.path) and place.exists():
            lines.append((DataLine(kebab(each.path)[:32].rstrip("-"), each.path, "a link to where it is"), place))
    return lines


def left_notes(left: Sequence[Left], data: Sequence[tuple[DataLine, Path]]) -> list[str]:
    """Return what to say about what was not copied."""
    linked = {line.path for line, _ in data}
    notes = []
    if linked:
        notes.append(
            f"Not copied but linked, as data that is read-only: {', '.join(sorted(linked))}. "
            "A campaign refuses to go on if it changes."
        )
    gone = [str(each) for each in left if each.path not in linked]
    if gone:
        more = f", and {len(gone) - 6} more" if len(gone) > 6 else ""
        notes.append(
            f"Left out of the copy: {'; '.join(gone[:6])}{more}. If the code needs it, declare it as [[data]]."
        )
    return notes


def outside_notes(files: Files) -> list[str]:
    """Return what to say about places outside the folder, which a candidate does not see."""
    places = places_outside(files)
    if not places:
        return []
    shown = ", ".join(f'{path}:{line} "{text[:60]}"' for path, line, text in places[:4])
    more = f" and {len(places) - 4} more" if len(places) > 4 else ""
    return [
        f"The code names places outside its folder: {shown}{more}. Candidates see only what is declared as [[data]]."
    ]


def noticed(notes: Sequence[str]) -> tuple[str, str]:
    """Return the section of a README that holds the notes."""
    return "What was noticed when this was made", "\n".join(f"- {note}" for note in notes)
