"""A model that plays all roles on the toy problem, by the tools that it is offered: for whole campaigns in tests.

It is a function of what it is asked, so that a test can say what will come; whoever replays does not depend on that.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

from aster.llm.protocol import Prompt, Reply, Said
from aster.testing.clients import calls, says

WHY = "The constant is far from where the loss is smallest, so moving it should lower the loss."


def play(prompt: Prompt) -> Reply:
    """Return what the model says: it looks around first, stumbles now and then, and hands in what its role asks for."""
    tools = {tool.name for tool in prompt.tools}
    text = "\n".join(message.text for message in prompt.messages)
    rng = Random(text)
    turn = sum(isinstance(message, Said) for message in prompt.messages)
    if "submit_plan" in tools:
        return _plan(prompt, text, turn)
    if "submit_handoff" in tools:
        return _hand_off(prompt, rng, turn)
    if "submit_reviews" in tools:
        return _review(prompt, text)
    if "propose" in tools:
        return _propose(prompt, rng)
    return _explore(prompt, text, rng, turn)


def _hypothesis(rng: Random, letter: str) -> dict[str, Any]:
    value = rng.randrange(1, 40) / 10
    return {
        "change": f"{letter.upper()} to {value}",
        "text": f"{WHY} Set {letter.upper()} to {value}.",
        "predicts": 1.0,
    }


def _plan(prompt: Prompt, text: str, turn: int) -> Reply:
    if turn == 0:
        return calls(prompt, ("read_file", {"path": "solution/a.py"}), ("look_up", {"query": "constants"}))
    if re.search(r'd-\d|d-[0-9a-f]{12} on "', text):
        return calls(prompt, ("submit_plan", {"note": "Let us wait for what comes."}))
    rng = Random(turn)
    opened = [
        {
            "surface": letter,
            "paths": [f"solution/{letter}.py"],
            "rationale": WHY,
            "success": "a lower loss",
            "hypotheses": [_hypothesis(rng, letter) for _ in range(2)],
        }
        for letter in "ab"
    ]
    return calls(prompt, ("submit_plan", {"open": opened}))


def _hand_off(prompt: Prompt, rng: Random, turn: int) -> Reply:
    if turn == 0 and rng.random() < 0.3:
        return says(prompt, "I shall think about it.")
    letter = rng.choice("ab")
    handed = {"done": "constants were moved", "learnt": "some moves help", "concerns": "none"}
    drafts = [_hypothesis(rng, letter) for _ in range(2)]
    return calls(prompt, ("submit_handoff", {**handed, "hypotheses": drafts}))


def _review(prompt: Prompt, text: str) -> Reply:
    numbers = sorted({int(number) for number in re.findall(r"^## Hypothesis (\d+)", text, re.MULTILINE)})
    reviews = [
        {"number": n, "verdict": "veto" if n == 2 else "accept", "reason": "It says what it would take."}
        for n in numbers
    ]
    return calls(prompt, ("submit_reviews", {"reviews": reviews}))


def _changed(rng: Random) -> dict[str, str]:
    letter = rng.choice("ab")
    return {"path": f"solution/{letter}.py", "content": f"{letter.upper()} = {rng.randrange(0, 400) / 100}\n"}


def _propose(prompt: Prompt, rng: Random) -> Reply:
    if rng.random() < 0.2:
        return calls(prompt, ("propose", '{"change": "cut off'))
    return calls(prompt, ("propose", {"change": "a constant moved", "why": WHY, "files": [_changed(rng)]}))


def _explore(prompt: Prompt, text: str, rng: Random, turn: int) -> Reply:
    if turn == 0:
        wrong = ("read_file", '{"path": ') if rng.random() < 0.2 else ("read_file", {"path": "solution/solve.py"})
        return calls(prompt, ("list_files", {}), wrong, text="Let me look.")
    if turn < 3:
        run = ("run_experiment", {"change": "a constant moved", "why": WHY})
        return calls(prompt, ("write_file", _changed(rng)), ("check", {}), run)
    seen = list(dict.fromkeys(re.findall(r"Experiment (x-[0-9a-f]{12})", text)))
    finding = "Moving the constant changes the loss as the hypothesis said."
    return calls(prompt, ("finish", {"finding": finding, "evidence": seen[:4], "dead_end": not seen}))
