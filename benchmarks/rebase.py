"""Gives a problem folder another baseline: ideas of its own and constants. Its other ideas are carried over.

    aster prepare speedrun --world-size 1 --copy DIR ...
    python benchmarks/rebase.py DIR --with stop-when-good --set STEPS=180 --set BATCHES=[65536] --drop growing-batch

The folder is changed: work on a copy. An idea whose change does not merge with the new baseline is left out, and so is
a knob whose own value is no longer among those that it names; each is said. `--set FILE.py::NAME=VALUE` names a file
other than solution/train.py.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aster.errors import UserError

GROUND = "ground"
"""What the new baseline is called while it is merged with ideas."""
_KNOB = re.compile(r'\[\[knob\]\]\nname = "(?P<name>[^"]+)"\nvalues = (?P<values>.+)\n\n?')
_DIFF = re.compile(r"```diff\n.*?```\n", re.DOTALL)


def rebase(folder: Path, names: Sequence[str], settings: Sequence[str], drop: Sequence[str]) -> list[str]:
    """Change the folder; return what was left out, a line each.

    Raises:
        UserError: there is no such idea or constant, the ideas do not merge, or another one requires one of them.
    """
    from aster.domain.records import Change
    from aster.problems.problem import load_problem
    from aster.proposers.compose import Conflict, compose
    from aster.proposers.ideas import load_ideas
    from aster.proposers.library import Idea, IdeaLibrary

    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; make one with `aster prepare PROBLEM --copy {folder}`.")
    problem = load_problem(folder)
    ideas = load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    check(ideas, names, drop)
    made = compose(ideas, [Change(name) for name in sorted(names)])
    if isinstance(made, Conflict):
        raise UserError(made.reason)
    new = with_settings(made.files, settings)
    changed = {path for path in new if new[path] != ideas.solution.get(path)}
    base = {path: ideas.solution[path].decode() for path in changed if path in ideas.solution}
    ground = Idea(GROUND, "", "", "", base, {path: new[path].decode() for path in changed})
    library, left, pages = IdeaLibrary(ideas.solution, [*ideas.values(), ground]), [], {}
    for idea in ideas.values():
        if idea.name in (*names, *drop):
            continue
        needed = library.closure([GROUND, *(idea.resolves or [idea.name])])
        before = compose(library, [Change(each) for each in sorted(needed - {idea.name, *idea.resolves})])
        after = compose(library, [Change(each) for each in sorted(needed)])
        if isinstance(before, Conflict) or isinstance(after, Conflict) or idea.resolves:
            left.append(f"{idea.name}: it does not merge with the new baseline")
            continue
        text = problem.idea_files[f"ideas/{idea.name}.md"]
        page, lost = carried(text, before.files, after.files)
        left += [f"{idea.name}: its knob {each}" for each in lost]
        if page:
            pages[idea.name] = page
        else:
            left.append(f"{idea.name}: nothing of it is left")
    write(folder, new, pages)
    problem = load_problem(folder)
    load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    return left


def check(ideas: Any, names: Sequence[str], drop: Sequence[str]) -> None:
    """Refuse names that are no ideas, and those that others need.

    Raises:
        UserError: as said.
    """
    for name in (*names, *drop):
        if name not in ideas:
            raise UserError(f"there is no idea {name}; there are {', '.join(ideas)}")
    for idea in ideas.values():
        if idea.name not in (*names, *drop) and (lacking := {*names, *drop} & {*idea.requires}):
            raise UserError(f"{idea.name} requires {', '.join(sorted(lacking))}: --drop {idea.name} too")


def with_settings(files: Mapping[str, bytes], settings: Sequence[str]) -> dict[str, bytes]:
    """Return the files with constants set.

    Raises:
        UserError: a setting is none, or there is no such constant.
    """
    from aster.proposers.knobs import KnobError, set_knobs

    found = dict(files)
    for setting in settings:
        name, _, value = setting.partition("=")
        path, _, constant = name.rpartition("::")
        path = path or "solution/train.py"
        try:
            found[path] = set_knobs(found[path].decode(), {constant: json.loads(value)}).encode()
        except (KeyError, ValueError, KnobError) as error:
            raise UserError(f"--set {setting}: {error}") from error
    return found


def carried(text: str, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[str, list[str]]:
    """Return an idea's page for another baseline, "" where nothing is left of it, and the knobs that it lost."""
    from aster.proposers.knobs import read_knob, same_value
    from aster.report.patch import make_patch

    lost: list[str] = []

    def kept(found: re.Match[str]) -> str:
        path, _, constant = found["name"].partition("::")
        own = read_knob(after.get(path, b"").decode(), constant)
        if any(same_value(own, each) for each in json.loads(found["values"])):
            return found[0]
        lost.append(found["name"])
        return ""

    front, fence, rest = text.removeprefix("+++\n").partition("+++\n")
    front = _KNOB.sub(kept, front)
    patch = make_patch(before, after).decode()
    rest = _DIFF.sub(lambda _: f"```diff\n{patch}```\n" if patch else "", rest)
    return ("+++\n" + front + fence + rest if patch or "[[knob]]" in front else ""), lost


def write(folder: Path, files: Mapping[str, bytes], pages: Mapping[str, str]) -> None:
    """Put the new solution and the ideas in place of the old ones."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for path in (folder / "ideas").glob("*.md"):
        path.unlink()
    for name, page in pages.items():
        (folder / "ideas" / f"{name}.md").write_text(page)


def main(words: Sequence[str]) -> int:
    """Rebase, and say what was left out."""
    parser = argparse.ArgumentParser(prog="rebase.py", description="Give a problem folder another baseline.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--with", dest="names", action="append", default=[], metavar="IDEA")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--drop", default="", help="ideas to leave out, separated by commas")
    asked = parser.parse_args(words)
    try:
        left = rebase(asked.folder, asked.names, asked.settings, [each for each in asked.drop.split(",") if each])
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(*[f"left out: {each}" for each in left], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
