"""Seeds of wrapped code: how one gets in, or could."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence

from aster.errors import InitError
from aster.problems.wrapping.scan import Pinned, pinned_seeds, seed_variables, texts

Files = Mapping[str, bytes]


def take_seed(files: Files, variable: str) -> tuple[dict[str, bytes], list[Pinned]]:
    """Return the files so that they take their seed from an environment variable, and the lines that were changed.

    Code that reads the variable is left as it is. Otherwise the seeds that are written into it are replaced.

    Raises:
        InitError: the code neither reads the variable nor has a seed to replace.
    """
    if variable in texts(files):
        return dict(files), []
    pinned = [each for each in pinned_seeds(files) if each.broad]
    if not pinned:
        near = [name for name in seed_variables(files) if name != variable]
        hint = f" It reads {' and '.join(near)}: give that as --seed-env." if near else ""
        raise InitError(
            f"The code does not read {variable}, and sets no seed that could be replaced.{hint} Let it seed itself "
            f'with int(os.environ.get("{variable}", "0")), or leave --seed-env away: then repeats are unpaired.'
        )
    changed = dict(files)
    for path in {each.path for each in pinned}:
        here = [each for each in pinned if each.path == path]
        changed[path] = _replaced(changed[path], here, variable)
    return changed, pinned


def _replaced(data: bytes, pinned: Sequence[Pinned], variable: str) -> bytes:
    """Return the file with each literal replaced by a look at the environment."""
    mark = BOM_UTF8 if data.startswith(BOM_UTF8) else b""  # columns count from behind it
    lines = data.removeprefix(mark).split(b"\n")
    module = "os" if re.search(rb"(?m)^import os\b", data) else '__import__("os")'
    for each in sorted(pinned, key=lambda each: (each.line, each.start), reverse=True):
        line = lines[each.line - 1]
        look = f'int({module}.environ.get("{variable}", "{each.value}"))'
        lines[each.line - 1] = line[: each.start] + look.encode() + line[each.end :]
    return mark + b"\n".join(lines)


def seed_notes(files: Files, how: str | None) -> list[str]:
    """Return what to say about seeds.

    Args:
        how: how a seed reaches the code, such as "the variable SEED"; None if it does not.
    """
    pinned = pinned_seeds(files)
    broad = [each for each in pinned if each.broad]
    if how is None and broad:
        return [
            f"No seed reaches the code, and it sets its own: {_listed(broad)}. Every repeat then draws the same random "
            "numbers, so the noise between seeds is not seen, and repeats are unpaired: a gain that is confirmed "
            "holds for this seed. `aster init ... --seed-env SEED` has the copy take these seeds from the variable."
        ]
    if how is None:
        return [
            "No seed reaches the code, so repeats are unpaired. If it draws random numbers, let it take its seed from "
            "an option --seed or an environment variable, and say which with --seed-env."
        ]
    said = [f"Seeds reach the code by {how}: claims compare on the same seeds, in pairs."]
    if pinned:
        said.append(
            f"Some seeds are still written into it: {_listed(pinned)}. What hangs on them is the same each time."
        )
    return said


def _listed(pinned: Sequence[Pinned], most: int = 4) -> str:
    shown = [f"{each.path}:{each.line} `{each.text[:60]}`" for each in pinned[:most]]
    more = [f"{len(pinned) - most} more"] if len(pinned) > most else []
    return ", ".join(shown + more)
