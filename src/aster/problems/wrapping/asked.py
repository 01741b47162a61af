"""What the user asked `aster init` for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aster.problems.wrapping.names import kebab


@dataclass(frozen=True)
class Asked:
    """All that `aster init` can be told; None, "" or () where it was not.

    Attributes:
        folder: the problem folder to make.
        script, autoresearch, openevolve, speedrun: what to wrap; at most one of them.
        metrics: names as they are printed; the first is the objective.
        goal: of the objective: "maximize" or "minimize".
        editable: globs relative to the code's folder.
        seed_env: the variable that carries the seed.
        pattern: what finds the objective in the output; one group.
        timeout, memory: as problem.toml has them.
        gpus: whole devices for a run.
        python: the interpreter that runs the code.
        arguments: words for the script; may hold {seed} and {outputs}.
        name: of the problem.
    """

    folder: Path | None = None
    script: Path | None = None
    autoresearch: Path | None = None
    openevolve: Path | None = None
    speedrun: Path | None = None
    metrics: tuple[str, ...] = ()
    goal: str | None = None
    editable: tuple[str, ...] = ()
    seed_env: str | None = None
    pattern: str | None = None
    timeout: str | None = None
    gpus: int | None = None
    memory: str | None = None
    python: Path | None = None
    arguments: str = ""
    name: str | None = None

    def called(self, otherwise: str) -> str:
        """Return the problem's name: the one given, else the folder's, else one made of `otherwise`."""
        return kebab(self.name or (self.folder.name if self.folder else otherwise))
