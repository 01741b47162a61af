from __future__ import annotations

import asyncio

import pytest
from tests.agents.labs import Lab

from aster.agents.oneshot import OneShot
from aster.agents.protocol import Unanswered
from aster.domain.research import Allowance, Note
from aster.llm.protocol import Said
from aster.testing.desks import Answer, Asked, says


def proposal(value: int, find: str = "GAIN = 1") -> Said:
    edit = {"path": "solution/main.py", "find": find, "replace": f"GAIN = {value}"}
    return says(("propose", {"change": f"a gain of {value}", "edits": [edit]}))


def lab_of(answer: Answer) -> Lab:
    return Lab(answer, allowance=Allowance(8, 100_000, 4))


def work(lab: Lab) -> Note:
    return asyncio.run(OneShot(lab.problem)(lab.desk))


def test_one_prompt_gives_several_samples_each_measured_once() -> None:
    lab = lab_of(lambda asked: proposal(asked.turn + 1))
    note = work(lab)
    assert [asked.turn for asked in lab.desk.calls] == [1, 3, 5, 7]
    assert len({asked.head for asked in lab.desk.calls}) == 1
    assert [tool.name for tool in lab.desk.calls[0].prompt.tools] == ["propose"]
    assert [ask.change for ask in lab.desk.asks] == [f"a gain of {value}" for value in (2, 4, 6, 8)]
    assert note.evidence == ("x-4", "x-5", "x-6", "x-7")
    assert (
        "2. a gain of 4: score 4, a gain of 3 against its parent, better by more than the noise seen so far"
        in note.text
    )


def test_an_edit_that_does_not_fit_may_be_mended_once() -> None:
    def answer(asked: Asked) -> Said:
        return proposal(asked.turn, "GAIN = 7" if asked.turn in (1, 3, 4) else "GAIN = 1")

    lab = lab_of(answer)
    note = work(lab)
    assert sorted(asked.turn for asked in lab.desk.calls) == [1, 2, 3, 4, 5, 7]
    assert "Edit 1: `find` does not stand in solution/main.py." in "".join(lab.desk.told())
    assert "None of it was done" in "".join(lab.desk.told())
    assert "2. an edit that did not fit" in note.text
    assert len(note.evidence) == 3


def test_a_proposal_is_done_whole_or_not_at_all() -> None:
    def answer(asked: Asked) -> Said:
        files = [{"path": "solution/new.py", "content": "x = 1\n"}]
        if asked.turn % 2:
            bad = {"path": "solution/other.py", "find": "OTHER = 1", "replace": "OTHER = 2"}
            return says(("propose", {"change": "bad", "files": files, "edits": [bad]}))
        return proposal(3)

    lab = lab_of(answer)
    work(lab)
    assert b"x = 1\n" not in lab.desk.blobs.values()
    assert "outside of your direction's surface" in "".join(lab.desk.told())


def test_equal_samples_share_an_experiment() -> None:
    lab = lab_of(lambda asked: proposal(3))
    note = work(lab)
    assert note.evidence == ("x-4",)


def test_the_others_come_to_their_end_when_one_is_not_answered() -> None:
    def answer(asked: Asked) -> Said:
        if asked.turn == 3:
            raise Unanswered("the provider is down")
        return proposal(asked.turn + 1)

    lab = lab_of(answer)
    with pytest.raises(Unanswered):
        work(lab)
    assert len(lab.desk.asks) == 3


def test_run_again_it_asks_and_hands_back_the_same() -> None:
    lab = lab_of(lambda asked: proposal(asked.turn + 1))
    first, asks = work(lab), list(lab.desk.asks)
    assert work(lab) == first
    assert lab.desk.asks == asks
