"""`python -m aster.cli.pack PROBLEM PROGRAM ...`: run a program of a built-in problem, wherever that lies."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from aster.problems.problem import builtin_folder, builtin_packs


def main(words: list[str] | None = None) -> int:
    """Run it with the rest of the words, in this process and this folder; 2 if there is none of that name."""
    words = sys.argv[1:] if words is None else words
    name, program = [*words, "", ""][:2]
    folder = builtin_folder(name)
    if folder is None:
        print(f'There is no built-in problem "{name}"; there are {", ".join(builtin_packs())}.', file=sys.stderr)
        return 2
    known = {path.stem: path for path in sorted(folder.glob("*.py"))}
    if program not in known:
        print(f'{name} has no program "{program}"; it has {", ".join(known) or "none"}.', file=sys.stderr)
        return 2
    run(known[program], words[2:])
    return 0


def run(path: Path, words: list[str]) -> None:
    """Run a file as if it had been named on the command line; what lies beside it can be imported."""
    sys.argv = [str(path), *words]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    sys.exit(main())
