from __future__ import annotations

import asyncio

from tests.agents.labs import Lab

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
