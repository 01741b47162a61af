from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.agents.labs import Lab
from tests.boards import BASELINE, Book, setup

from aster.agents.measuring import LUCK, tell
from aster.agents.subagent import Subagent
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate
from aster.testing.desks import FakeDesk, says, scripted

LINES = "".join(f"STEP_{number} = {number}\n" for number in range(30))
EDIT = ("edit_file", {"path": "solution/main.py", "find": "GAIN = 1\n", "replace": f"GAIN = 3\n{LINES}"})
RUN = ("run_experiment", {"change": "thirty steps"})
FINISH = ("finish", {"finding": "The thirty steps bring a gain of 2 on the parent."})


def with_twin(lab: Lab, line: str) -> FakeDesk:
    """Let another subagent have made the change before, with `line` for its first."""
    files = dict(lab.problem.editable_files)
    text = files["solution/main.py"].decode().replace("GAIN = 1\n", f"{line}{LINES}")
    files["solution/main.py"] = text.encode()
    name = tree_id(files)
    lab.book.say(ev.CandidateAdded(Candidate(name, "tree", (lab.desk.assignment.parent or "",), "agents", None)))
    lab.desk._files[name] = files
    return lab.desk


def test_nearly_the_same_change_is_named_once_before_it_costs_an_experiment() -> None:
    lab = Lab(scripted(says(EDIT, RUN), says(RUN), says(FINISH)))
    desk = with_twin(lab, "GAIN = 4\n")
    note = asyncio.run(Subagent(lab.problem, checks=True)(desk))
    assert "Nearly the same change was made before:\n- c-" in desk.told()[1]
    assert "Experiments left: 2." in desk.told()[2]
    assert len(desk.asks) == len(note.evidence) == 1


def test_another_change_of_the_same_lines_is_not_nearly_the_same() -> None:
    lab = Lab(scripted(says(EDIT, RUN), says(FINISH)))
    desk = with_twin(lab, "GAIN = 1\nimport other  # and much else\n" + LINES.replace("STEP", "HOP"))
    asyncio.run(Subagent(lab.problem, checks=True)(desk))
    assert "Experiments left: 2." in desk.told()[1]


# --- in words ------------------------------------------------------------------------------------------------


def told_of(value: float, *, scores: tuple[float, ...] = (1.0,), **more: Any) -> tuple[str, str]:
    """Return what is told of a version that scored this, where the baseline has 1."""
    book = Book(setup(**more))
    book.baseline(*scores)
    book.direction("x")
    name = book.run(book.candidate("c-1", "d-0"), value)
    outcome = book.board.experiments[name].outcome
    assert outcome is not None
    found = tell(book.board, name, outcome, "c-1", BASELINE)
    return found.summary, found.text


@pytest.mark.parametrize("exact", [True, False])
def test_a_difference_within_the_resolution_is_a_tie(exact: bool) -> None:
    summary, text = told_of(1 - 2**-52, exact=exact, resolution=1e-9)
    assert "a tie (difference 2.2e-16, resolution 1e-09)" in summary
    assert "The parent c-baseline has 1: a tie (difference 2.2e-16, resolution 1e-09)." in text
    assert "a loss" not in text + summary


def test_an_exact_gain_on_one_seed_may_be_the_seeds() -> None:
    summary, text = told_of(1.5, exact=True, resolution=1e-9)
    assert f"a gain of 0.5 against it.{LUCK}" in text
    assert "tell nothing" not in text
    assert summary == "score 1.5, a gain of 0.5 against its parent"


def test_scores_that_never_scatter_say_nothing_of_what_claims_bring() -> None:
    doubt = "That holds for what search is scored on; a claim's fresh seeds may bring other things."
    assert doubt in told_of(1.5, scores=(1.0, 1.0))[1]
    assert doubt not in told_of(1.5, scores=(1.0, 1.01))[1]
    assert doubt not in told_of(1.5)[1]
    assert doubt not in told_of(1.5, exact=True)[1]


def test_an_exact_gain_where_no_seed_is_taken_is_the_changes() -> None:
    _, text = told_of(0.5, exact=True, paired=False)
    assert "a loss of 0.5 against it.\n" in text
    assert LUCK not in text
    assert "no difference against it.\n" in told_of(1.0, exact=True)[1]
