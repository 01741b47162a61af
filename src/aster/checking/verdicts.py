"""What became of a cheat, judged from what its attempt came to."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from aster.checking.bench import Ran
from aster.checking.impostors import MARK, Impostor
from aster.checking.mutants import Mutant
from aster.checking.report import Trial, Verdict
from aster.domain.records import Cancelled, Failed, Invalid, Measured, Objective, Result, TimedOut

_CRASH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}: ")
"""How a failure begins that a stage is to blame for, not the judge of its score: with the stage's name."""

_GOT = re.compile(rf"^{MARK} (\d+) (.*)$", re.MULTILINE)


class Honest(Struct, frozen=True):
    """What cheats are compared with.

    Attributes:
        value: the baseline's objective.
        margin: what a score must be better by to be called better: the resolution, or what the noise does.
    """

    objective: Objective
    value: float
    margin: float

    def better(self, value: float) -> bool:
        """Whether a value is better than honest ones are."""
        return self.objective.gain(value, self.value) > self.margin


def value_of(result: Result, objective: Objective) -> float | None:
    """Return the objective of a result that was measured, else None."""
    return result.metrics[objective.metric] if isinstance(result, Measured) else None


def judge_mutant(mutant: Mutant, ran: Ran, honest: Honest) -> Trial:
    """Return what became of spoiled outputs."""
    value = value_of(ran.result, honest.objective)
    if value is None:
        return Trial(mutant.name, "outputs", *_unmeasured(ran.result))
    if honest.better(value):
        doubt = "" if mutant.nonsense else ": a cheat, unless this is an honest solution"
        return Trial(mutant.name, "outputs", "accepted", f"scored better than the baseline{doubt}", value)
    if mutant.nonsense:
        return Trial(mutant.name, "outputs", "doubtful", "scored, although it is nonsense", value)
    return Trial(mutant.name, "outputs", "harmless", "scored, and no better", value)


def judge_impostor(impostor: Impostor, ran: Ran, honest: Honest, token: str) -> Trial:
    """Return what became of a cheating candidate; a process that it left is ended."""
    value = value_of(ran.result, honest.objective)
    found = _GOT.findall(ran.log)
    count, got = (int(found[-1][0]), f"{found[-1][0]} {found[-1][1]}") if found else (0, "")
    verdict: Verdict
    if impostor.by == "read" and found:
        verdict, said = ("accepted", got) if count else ("refused", "found none")
    elif impostor.by == "process" and end_processes(token):
        verdict, said = "accepted", "its process outlived the attempt"
    elif value is None:
        verdict, said = _unmeasured(ran.result)
    elif impostor.by == "log":
        verdict, said = ("accepted", f"{got}, and it was measured") if count else ("refused", "could change none")
    elif impostor.by == "process":
        verdict, said = "refused", "nothing outlived the attempt"
    elif honest.better(value):
        verdict, said = impostor.worst, "scored better than the baseline"
    elif impostor.idle:
        verdict, said = "doubtful", "scored, although it wrote nothing"
    else:
        verdict, said = "refused", "earned nothing by it"
    note = f"; {impostor.note}" if impostor.note and verdict == impostor.worst else ""
    return Trial(impostor.name, "candidate", verdict, said + note, value)


def _unmeasured(result: Result) -> tuple[Verdict, str]:
    match result:
        case Invalid(rule=rule):
            return "refused", rule
        case TimedOut(stage=stage, limit_s=limit):
            return "hung", f"{stage} did not end within {limit:g} s"
        case Failed(reason=reason):
            return ("crashed" if _CRASH.match(reason) else "refused"), reason
        case Cancelled(reason=reason):
            return "skipped", reason
    raise AssertionError(f"{result} was measured")


def end_processes(token: str) -> int:
    """Kill the processes that have `token` among their words (Linux), and return how many there were."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError, ValueError):
            if token.encode() in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
                found += 1
    return found
