"""Forms of the speedrun's kernels to compare: those of packs/speedrun_kernels with ideas, each a package of its own."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).resolve().parents[1] / "packs" / "speedrun_kernels"


def patched(text: str, diff: str) -> str:
    """A file after a unified diff of it; each change goes where its lines stand nearest to their old place.

    Raises:
        ValueError: the lines that a change takes out, or the line after which it adds some, are not there.
    """
    lines, old, moved, last = text.splitlines(), 0, 0, ""
    taken: list[str] = []
    given: list[str] = []

    def settle() -> None:
        nonlocal moved
        if given and not taken:
            taken.append(last)
            given.insert(0, last)
        if not taken:
            return
        wanted = old - len(taken) + moved
        places = [at for at in range(len(lines)) if lines[at : at + len(taken)] == taken]
        if not places:
            raise ValueError(f"no place for a change of {taken!r}")
        at = min(places, key=lambda at: abs(at - wanted))
        lines[at : at + len(taken)] = given
        moved += len(given) - len(taken)
        taken.clear()
        given.clear()

    for line in diff.splitlines():
        if line.startswith("+"):
            given.append(line[1:])
            continue
        if not line.startswith("-"):
            settle()
        if line.startswith("@@"):
            old = int(line.split()[1][1:].split(",")[0]) - 1
            continue
        if line.startswith("-"):
            taken.append(line[1:])
        last, old = line[1:], old + 1
    settle()
    return "\n".join(lines) + "\n"


def with_ideas(ideas: tuple[str, ...]) -> dict[str, str]:
    """The files of the pack's kernels with these ideas."""
    files = {path.name: path.read_text() for path in sorted((PACK / "solution" / "kernels").glob("*.py"))}
    for idea in ideas:
        diff = (PACK / "ideas" / f"{idea}.md").read_text().split("```diff\n")[1].split("```")[0]
        for part in re.split(r"^--- .*\n", diff, flags=re.MULTILINE)[1:]:
            head, _, changes = part.partition("\n")
            name = head.split("/")[-1]
            if name in files:
                files[name] = patched(files[name], changes)
            else:  # a new file
                files[name] = "".join(f"{line[1:]}\n" for line in changes.splitlines()[1:])
    return files


def load(folder: Path, form: str, ideas: tuple[str, ...]) -> ModuleType:
    """The kernels with ideas as a package of their own, whose operations have names of their own."""
    name = "kernels_" + re.sub(r"\W", "_", form)
    if name not in sys.modules:
        (folder / name).mkdir()
        for file, text in with_ideas(ideas).items():
            (folder / name / file).write_text(text.replace('"speedrun_kernels::', f'"speedrun_{name}::'))
    return importlib.import_module(name)
