"""Which surface a constant is on: as the problem says, or by where it stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aster.problems.globs import Globs

HEADING = "constants: "

NEW_CODE = HEADING + "new code"
"""The surface of constants where the solution as it is has none: in files and definitions that candidates add."""


class SurfaceMap:
    """Names the surface of each constant.

    A problem's own table goes first: an entry is a glob of files, or "FILE::DEFINITION" for what stands in a class or
    function. Without one that matches, a constant is on the surface of its file, or of the outermost class or function
    that it stands in: "constants: solve.py", "constants: solve.py::Solver".
    """

    def __init__(self, root: str, table: Mapping[str, Sequence[str]] = {}) -> None:
        """Args:
        root: the solution's root, such as "solution".
        table: surface -> entries, as in problem.toml: relative to the problem folder.
        """
        self._prefix = root + "/"
        self._files = {
            surface: Globs(root, [entry.removeprefix(self._prefix) for entry in entries if "::" not in entry])
            for surface, entries in table.items()
        }
        self._definitions = [
            (surface, *entry.partition("::")[::2])
            for surface, entries in table.items()
            for entry in entries
            if "::" in entry
        ]

    def of(self, path: str, qualified: str) -> str:
        """Return the surface of a constant, such as "Solver.STEP" in "solution/solve.py"."""
        for surface, file, definition in self._definitions:
            if file == path and (qualified + ".").startswith(definition + "."):
                return surface
        for surface, files in self._files.items():
            if path in files:
                return surface
        scope = qualified.partition(".")[0] if "." in qualified else ""
        return HEADING + path.removeprefix(self._prefix) + (f"::{scope}" if scope else "")
