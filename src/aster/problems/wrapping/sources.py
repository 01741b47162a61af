"""From what the user asked for to the one source that a problem folder is made of."""

from __future__ import annotations

from aster.errors import InitError
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.autoresearch import wrap_autoresearch
from aster.problems.wrapping.openevolve import wrap_openevolve
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.scaffold import scaffold
from aster.problems.wrapping.script import wrap_script
from aster.problems.wrapping.speedrun import wrap_speedrun

_OPTIONS = {
    "metrics": "--metric", "goal": "--goal", "editable": "--editable", "seed_env": "--seed-env", "pattern": "--pattern",
    "timeout": "--timeout", "gpus": "--gpus", "memory": "--memory", "python": "--python", "arguments": "--args",
    "name": "--name",
}  # fmt: skip
_RUNS = {"timeout", "gpus", "memory", "python", "name"}
_TAKES = {
    "script": set(_OPTIONS),
    "autoresearch": _RUNS | {"seed_env"},
    "openevolve": _RUNS | {"metrics", "goal", "editable"},
    "speedrun": _RUNS,
    None: set[str](),
}


def make(asked: Asked) -> Made:
    """Make the problem folder that was asked for.

    Raises:
        InitError: two sources, an option that does not go with the source, or what the source itself refuses.
    """
    source = _source(asked)
    strange = [option for key, option in _OPTIONS.items() if _given(asked, key) and key not in _TAKES[source]]
    if strange:
        goes = f"--{source}" if source else "a problem to begin with; name what to wrap, such as --script FILE"
        raise InitError(f"{' and '.join(strange)} cannot go with {goes}.")
    if asked.script is not None:
        return wrap_script(asked.script, asked)
    if asked.autoresearch is not None:
        return wrap_autoresearch(asked.autoresearch, asked)
    if asked.openevolve is not None:
        return wrap_openevolve(asked.openevolve, asked)
    if asked.speedrun is not None:
        return wrap_speedrun(asked.speedrun, asked)
    if asked.folder is None:
        raise InitError(
            "Name the problem to make, such as `aster init my-problem`, or what to wrap: --script FILE, "
            "--autoresearch DIR, --openevolve DIR or --speedrun DIR."
        )
    return scaffold(asked.folder)


def _source(asked: Asked) -> str | None:
    """Return which of the sources was named, None for none of them."""
    named = [key for key in ("script", "autoresearch", "openevolve", "speedrun") if getattr(asked, key) is not None]
    if len(named) > 1:
        raise InitError(f"{' and '.join(f'--{key}' for key in named)} are two sources: choose one.")
    return named[0] if named else None


def _given(asked: Asked, key: str) -> bool:
    return getattr(asked, key) not in (None, "", ())
