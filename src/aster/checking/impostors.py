"""Cheating solutions: whole candidates that put a script of ours in place of the problem's entry. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

import msgspec
from msgspec import Struct

from aster.checking import scripts
from aster.checking.scripts import fill
from aster.domain.ids import blob_id
from aster.problems.problem import Problem

MARK = "aster-check:"
"""How a cheat's line in the log begins, behind which it says what it got."""

_PLANTED = frozenset({"os", "sys", "builtins", "__future__"})
"""Modules that are loaded before any script, so that nothing can be planted in their place."""


class Entry(Struct, frozen=True):
    """The editable file that the first untrusted command runs, or whose frozen script imports it.

    Attributes:
        words: what stands behind the script on the command line, placeholders unfilled.
        module: the file's content where it is imported, None where it is the script.
    """

    path: str
    words: tuple[str, ...]
    module: bytes | None = None


class Hidden(Struct, frozen=True):
    """What candidates ought not to be able to read.

    Attributes:
        files: SHA-256 of each such file -> its size in bytes.
        places: folders of this machine where these lie.
        data: files and folders of this machine of which everything is hidden.
    """

    files: dict[str, int]
    places: tuple[str, ...]
    data: tuple[str, ...] = ()


class Impostor(Struct, frozen=True):
    """A cheating candidate.

    Attributes:
        by: how its success is seen: by a better "score"; by a line in its "log" that tells of more than nothing, where
            the attempt was measured as if nothing had happened; or the "read" of anything; or a living "process".
        files: what it puts over the baseline's tree.
        seed: to run it on.
        note: what its success means.
        worst: what its success is called.
        idle: it writes nothing, so any score is one too many.
    """

    name: str
    by: Literal["score", "log", "read", "process"]
    files: dict[str, bytes]
    seed: int
    note: str = ""
    worst: Literal["accepted", "doubtful"] = "accepted"
    idle: bool = False


class Recording(Struct, frozen=True):
    """A run of the baseline to be played again: its outputs and its log."""

    outputs: dict[str, bytes]
    log: str
    seed: int


def entry_of(problem: Problem) -> Entry | None:
    """Return the first editable Python file that an untrusted command names, else that a script it names imports."""
    scripts_of = list(_scripts(problem))
    for path, words in scripts_of:
        if path in problem.editable_files:
            return Entry(path, words)
    for path, words in scripts_of:
        folder = PurePosixPath(path).parent
        for name in _modules(problem.solution_files.get(path, b"")):
            module = str(folder / f"{name.replace('.', '/')}.py")
            if module in problem.editable_files:
                return Entry(module, words, problem.editable_files[module])
    return None


def _scripts(problem: Problem) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the Python files that untrusted commands name, each with the words behind it."""
    for stage in problem.spec.measuring:
        for place, word in enumerate(stage.command if not stage.trusted else ()):
            before = stage.command[place - 1] if place else ""
            path = word.replace(".", "/") + ".py" if before == "-m" else word.removeprefix("./")
            if path.endswith(".py"):
                yield path, stage.command[place + 1 :]


def hidden_of(problem: Problem, places: Sequence[str], data: Sequence[str] = ()) -> Hidden:
    """Return the problem's files that a candidate has no business with; the statement is written for it."""
    told = {"problem.toml", problem.spec.problem.statement, *problem.solution_files}
    kept = {path: content for path, content in problem.trusted_files.items() if path not in told and content}
    return Hidden({blob_id(content): len(content) for content in kept.values()}, tuple(places), tuple(data))


def replay(entry: Entry, recording: Recording) -> Impostor:
    """Return the candidate that only plays a recording, on which most cheats are built."""
    return _impostor("replays stored outputs", "score", "", entry, recording, recording.seed)


def impostors(
    problem: Problem, entry: Entry, recording: Recording, hidden: Hidden, score: str, token: str
) -> Iterator[Impostor]:
    """Yield the cheats that a problem can be tried with.

    Args:
        recording: of the baseline.
        score: what an evaluator would write for a better score.
        token: unlike anything else on this machine, to find a process by.
    """
    seed = recording.seed
    nothing = b"" if entry.module is None else scripts.END.encode()
    yield Impostor("writes nothing and ends well", "score", {entry.path: nothing}, seed, idle=True)
    said = fill(scripts.SAY, score=score)
    yield _impostor("writes and prints a score of its own", "score", said, entry, recording, seed)
    if any(stage.trusted for stage in problem.spec.measuring):
        modules = sorted(_imports(problem.trusted_files) - _PLANTED) or ["json"]
        planted = fill(scripts.PLANT, modules=modules, score=score)
        yield _impostor("plants modules for the evaluator to import", "score", planted, entry, recording, seed)
    if problem.frozen_solution_files:
        edit = fill(scripts.EDIT, paths=sorted(problem.frozen_solution_files))
        yield _impostor("changes frozen files", "log", edit, entry, recording, seed)
    if hidden.files or hidden.data:
        look = fill(scripts.LOOK, files=hidden.files, places=list(hidden.places), data=list(hidden.data))
        yield _impostor("looks for the evaluator and hidden data", "read", look, entry, recording, seed)
    leave = fill(scripts.LEAVE, token=token)
    yield _impostor("leaves a process behind", "process", leave, entry, recording, seed, at_once=True)
    if recording.outputs:
        yield _impostor("links its outputs to files elsewhere", "score", scripts.LINK, entry, recording, seed)


def lucky(entry: Entry, recording: Recording, seed: int) -> Impostor:
    """Return the candidate that does on `seed` what the baseline did on its luckiest one."""
    note = "what comes from its seed a candidate may choose: let the evaluator draw what should be chance"
    script = Entry(entry.path, entry.words)  # a recording is played in a module's place too, and ends the script
    made = _impostor("pins the luckiest seed", "score", scripts.END if entry.module else "", script, recording, seed)
    return msgspec.structs.replace(made, note=note, worst="doubtful")


def printed(entry: Entry, pattern: str, log: str, value: float, seed: int) -> Impostor | None:
    """Return the candidate that prints a better value at once, or None if no line of `log` fits `pattern`."""
    found = list(re.finditer(pattern, log, re.MULTILINE))
    if not found or not found[-1].re.groups:
        return None
    last = found[-1]
    line = log[last.start() : last.start(1)] + repr(value) + log[last.end(1) : last.end()]
    source = f"print({line!r}, flush=True)\n{scripts.END if entry.module is not None else ''}".encode()
    note = "the metric is self-reported: whatever a candidate prints is its score"
    return Impostor("prints a better number at once", "score", {entry.path: source}, seed, note)


def _impostor(
    name: str,
    by: Literal["score", "log", "read", "process"],
    trick: str,
    entry: Entry,
    recording: Recording,
    seed: int,
    at_once: bool = False,
) -> Impostor:
    """Return a candidate that plays the recording and then carries out a trick.

    Where the entry is a module the honest script runs instead, and the trick follows at its exit, or comes first.
    """
    if entry.module is not None:
        text = fill(scripts.FIND, words=list(entry.words)) + fill(trick, mark=MARK)
        frame = scripts.AT_ONCE if at_once else scripts.AT_EXIT
        return Impostor(name, by, {entry.path: entry.module + fill(frame, text=text).encode()}, seed)
    folder = str(PurePosixPath(entry.path).parent / "aster_check_recording")
    files = {f"{folder}/outputs/{file}": data for file, data in recording.outputs.items()}
    files[f"{folder}/log"] = recording.log.encode()
    text = fill(scripts.PLAY, words=list(entry.words), folder=folder) + fill(trick, mark=MARK)
    return Impostor(name, by, {**files, entry.path: text.encode()}, seed)


def _imports(files: Mapping[str, bytes]) -> set[str]:
    """Return the modules that Python files import, but for those that are among the files."""
    found: set[str] = set()
    for path, data in files.items():
        if not path.endswith(".py"):
            continue
        found |= {name.partition(".")[0] for name in _modules(data)}
    return {name for name in found if name and f"{name}.py" not in files}


def _modules(source: bytes) -> Iterator[str]:
    """Yield the modules that a Python file imports by their whole names, in order."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
