from __future__ import annotations

import subprocess
import sys
from typing import Literal

import pytest

from aster.checking.bench import Ran
from aster.checking.impostors import MARK, Impostor
from aster.checking.mutants import Mutant
from aster.checking.verdicts import Honest, end_processes, judge_impostor, judge_mutant
from aster.domain.records import Failed, Invalid, Measured, Objective, Result, TimedOut, Usage

HONEST = Honest(Objective("loss", "minimize"), 2.0, 0.5)


def ran(result: Result, log: str = "") -> Ran:
    return Ran(result, Usage(), 1.0, log, {})


@pytest.mark.parametrize(
    ("result", "nonsense", "verdict"),
    [
        (Measured({"loss": 1.0}), True, "accepted"),
        (Measured({"loss": 1.0}), False, "accepted"),
        (Measured({"loss": 1.6}), True, "doubtful"),
        (Measured({"loss": 9.0}), True, "doubtful"),
        (Measured({"loss": 1.6}), False, "harmless"),
        (Invalid("not a number"), True, "refused"),
        (Failed("score: exit code 1: ValueError"), True, "crashed"),
        (Failed("the trusted stage wrote no score to $ASTER_SCORE"), True, "refused"),
        (TimedOut("score", 10.0), True, "hung"),
    ],
)
def test_spoiled_outputs(result: Result, nonsense: bool, verdict: str) -> None:
    trial = judge_mutant(Mutant("x", nonsense, {}), ran(result), HONEST)
    assert (trial.verdict, trial.target) == (verdict, "outputs")
    assert trial.said


@pytest.mark.parametrize(
    ("by", "result", "log", "verdict"),
    [
        ("score", Measured({"loss": 1.0}), "", "accepted"),
        ("score", Measured({"loss": 2.0}), "", "refused"),
        ("score", Failed("lay: exit code 1"), "", "crashed"),
        ("log", Measured({"loss": 2.0}), f"{MARK} 2 frozen files changed\n", "accepted"),
        ("log", Measured({"loss": 2.0}), f"{MARK} 0 frozen files changed\n", "refused"),
        ("log", Invalid("changed frozen file x"), f"{MARK} 2 frozen files changed\n", "refused"),
        ("read", Failed("score: exit code 1"), f"{MARK} 1 hidden files read: /x\n", "accepted"),
        ("read", Measured({"loss": 2.0}), f"{MARK} 0 hidden files read:\n", "refused"),
        ("process", Measured({"loss": 2.0}), "", "refused"),
    ],
)
def test_cheating_candidates(
    by: Literal["score", "log", "read", "process"], result: Result, log: str, verdict: str
) -> None:
    trial = judge_impostor(Impostor("x", by, {"a.py": b"x"}, 1), ran(result, log), HONEST, "no such process")
    assert (trial.verdict, trial.target) == (verdict, "candidate")


def test_writing_nothing_is_worth_nothing() -> None:
    trial = judge_impostor(
        Impostor("x", "score", {"a.py": b""}, 1, idle=True), ran(Measured({"loss": 2.0})), HONEST, "-"
    )
    assert trial.verdict == "doubtful"


def test_a_note_stands_behind_what_it_explains() -> None:
    trick = Impostor("x", "score", {"a.py": b"x"}, 1, "as ever", "doubtful")
    won, lost = (judge_impostor(trick, ran(Measured({"loss": loss})), HONEST, "-") for loss in (1.0, 2.0))
    assert (won.verdict, won.said.endswith("; as ever")) == ("doubtful", True)
    assert (lost.verdict, "as ever" in lost.said) == ("refused", False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc")
def test_a_process_that_stayed_is_found_and_ended() -> None:
    code = "import time; print(flush=True); time.sleep(60)"
    stayed = subprocess.Popen([sys.executable, "-c", code, "aster-check-token-7"], stdout=subprocess.PIPE)
    assert stayed.stdout is not None
    stayed.stdout.read(1)  # until then the kernel may not show its words yet
    trick = Impostor("x", "process", {"a.py": b"x"}, 1)
    trial = judge_impostor(trick, ran(Measured({"loss": 2.0})), HONEST, "aster-check-token-7")
    assert trial.verdict == "accepted"
    assert stayed.wait(timeout=60) == -9
    stayed.stdout.close()
    assert end_processes("aster-check-token-7") == 0
