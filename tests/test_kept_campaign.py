"""A campaign that a person, in the model's place, answered call by call: its whole ledger, kept as it was.

Prompts and rules have changed since, so it is not decided again; `aster replay` of the version that ran it found every
decision and all 33 agents the same. Its report is docs/reports/function-speed-agents.html.
"""

from __future__ import annotations

import gzip
from contextlib import closing
from pathlib import Path

import pytest

from aster.agents.record import read_records
from aster.app import LEDGER, load_campaign
from aster.domain.research import Handoff, Note, Plan
from aster.handle import Campaign

KEPT = Path(__file__).parent / "data" / "agents" / "function-speed.db.gz"


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    folder = tmp_path_factory.mktemp("kept") / "function-speed"
    folder.mkdir()
    (folder / LEDGER).write_bytes(gzip.decompress(KEPT.read_bytes()))
    return load_campaign(folder)


def test_its_claim_still_stands(campaign: Campaign) -> None:
    board = campaign.board
    claim = next(state for state in board.claims.values() if state.decided and state.decided.verdict == "confirmed")
    assert claim.record.candidate == board.champion
    assert board.candidates[board.champion].author == "agents"
    assert claim.decided is not None
    assert claim.decided.gain == pytest.approx(7.507, abs=0.001)


def test_all_that_was_said_is_there(campaign: Campaign) -> None:
    with closing(campaign.open_store()) as store:
        records = read_records(store.read())
    roles = [record.assignment.role for record in records.values()]
    assert (roles.count("planner"), roles.count("worker"), roles.count("subagent")) == (4, 11, 18)
    answered = sum(
        each.settled is not None and each.settled.status == "answered"
        for record in records.values()
        for turn in record.turns.values()
        for each in turn
    )
    assert answered == 89


def test_what_agents_handed_back(campaign: Campaign) -> None:
    research = campaign.board.research
    kinds = [type(state.result) for state in research.assignments.values()]
    assert (kinds.count(Plan), kinds.count(Handoff), kinds.count(Note)) == (4, 11, 18)
    assert len(research.lines) == 5
    assert "combination" in {line.record.surface for line in research.lines.values()}
    assert [veto.by for _, veto in research.vetoes] == ["critic"] * len(research.vetoes) != []
    assert research.bill.usd == pytest.approx(1.33, abs=0.01)
    assert research.bill.reserved_usd == 0


def test_its_report_can_still_be_written(campaign: Campaign) -> None:
    campaign.write_report()
    page = (campaign.folder / "report.html").read_text()
    for text in ("Language models opened 5 directions", "one fused kernel", "turned down before costing an"):
        assert text in page
