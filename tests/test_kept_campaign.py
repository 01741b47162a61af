"""Campaigns that people, in the model's place, answered call by call: whole ledgers, kept as they were.

Prompts and rules have changed since, so they are not decided again. `aster replay` of the version that ran it found
every decision and all 33 agents of function-speed the same. Of circle-packing it found all 24 agents the same and the
decisions up to the 203rd, which acted upon a plan's directions in the planner's order, and the ledger keeps only the
sorted one; with that order put back all 236 were. Plans are acted upon in sorted order since. Of proteingym it found
all 119 decisions and 11 agents the same.

Their reports are docs/reports/NAME-agents.html.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import Struct

from aster.agents.record import read_records
from aster.app import LEDGER, load_campaign
from aster.domain.research import Handoff, Note, Plan
from aster.domain.trees import unpack_tree
from aster.handle import Campaign
from aster.proposers.tuner import constants_of

KEPT = Path(__file__).parent / "data" / "agents"
DOCS = Path(__file__).parents[1] / "docs"


class Said(Struct, frozen=True):
    """What a kept campaign is known for; `roles`: planners, workers, subagents. `kinds`: of what a critic held up."""

    name: str
    roles: tuple[int, int, int]
    answered: int
    usd: float
    gain: float
    directions: int
    kinds: dict[str, int]
    report: tuple[str, ...]
    combined: bool = True


FUNCTION_SPEED = Said(
    "function-speed",
    roles=(4, 11, 18),
    answered=89,
    usd=1.33,
    gain=7.507,
    directions=5,
    kinds={"veto": 4},
    report=("Language models opened 5 directions", "one fused kernel", "turned down before costing an"),
)

CIRCLE_PACKING = Said(
    "circle-packing",
    roles=(4, 8, 12),
    answered=66,
    usd=1.08,
    gain=0.060710,
    directions=5,
    kinds={"later": 4, "veto": 1},
    report=(
        "Language models opened 5 directions",
        "restarts from the kicked best packing",
        "1 proposal was turned down before costing an experiment. 4 proposals were put off for later.",
        "from the log: ",
    ),
)

PROTEINGYM = Said(
    "proteingym",
    roles=(1, 1, 9),
    answered=36,
    usd=0.09,
    gain=0.078589,
    directions=4,
    kinds={"later": 2},
    report=(
        "Confirmed: spearman 0.51458, better than the baseline (0.43599 in the same test) by 0.07859",
        "Language models opened 4 directions",
        "shift rows by half-sphere exposure, 13 A",
    ),
    combined=False,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


def load(folder: Path, name: str) -> Campaign:
    where = folder / name
    if not where.exists():
        where.mkdir()
        (where / LEDGER).write_bytes(gzip.decompress((KEPT / f"{name}.db.gz").read_bytes()))
    return load_campaign(where)


@pytest.fixture(params=[FUNCTION_SPEED, CIRCLE_PACKING, PROTEINGYM], ids=lambda said: said.name)
def said(request: pytest.FixtureRequest) -> Said:
    assert isinstance(request.param, Said)
    return request.param


@pytest.fixture
def campaign(folder: Path, said: Said) -> Campaign:
    return load(folder, said.name)


@pytest.fixture
def packing(folder: Path) -> Campaign:
    return load(folder, CIRCLE_PACKING.name)


def test_its_claim_still_stands(campaign: Campaign, said: Said) -> None:
    board = campaign.board
    *_, claim = (state for state in board.claims.values() if state.decided and state.decided.verdict == "confirmed")
    assert claim.record.candidate == board.champion
    assert board.candidates[board.champion].author == "agents"
    assert claim.decided is not None
    assert claim.decided.gain == pytest.approx(said.gain, abs=0.001)


def test_all_that_was_said_is_there(campaign: Campaign, said: Said) -> None:
    with closing(campaign.open_store()) as store:
        records = read_records(store.read())
    roles = [record.assignment.role for record in records.values()]
    assert (roles.count("planner"), roles.count("worker"), roles.count("subagent")) == said.roles
    answered = sum(
        each.settled is not None and each.settled.status == "answered"
        for record in records.values()
        for turn in record.turns.values()
        for each in turn
    )
    assert answered == said.answered


def test_what_agents_handed_back(campaign: Campaign, said: Said) -> None:
    research = campaign.board.research
    kinds = [type(state.result) for state in research.assignments.values()]
    assert (kinds.count(Plan), kinds.count(Handoff), kinds.count(Note)) == said.roles
    assert len(research.lines) == said.directions
    assert ("combination" in {line.record.surface for line in research.lines.values()}) == said.combined
    assert {veto.by for _, veto in research.vetoes} == {"critic"}
    assert Counter(veto.kind for _, veto in research.vetoes) == said.kinds
    assert research.bill.usd == pytest.approx(said.usd, abs=0.01)
    assert research.bill.reserved_usd == 0


def test_its_report_can_still_be_written(campaign: Campaign, said: Said) -> None:
    campaign.write_report()
    page = (campaign.folder / "report.html").read_text()
    for text in said.report:
        assert text in page


def test_a_kept_report_is_linked_and_small_and_names_no_folder(said: Said) -> None:
    path = DOCS / "reports" / f"{said.name}-agents.html"
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 500_000
    assert any(f"](reports/{path.name})" in text.read_text(encoding="utf-8") for text in DOCS.glob("*.md"))
    assert not re.search(r"/(?:tmp|root|home|work)/", page)
    assert all(text in page for text in said.report)


def test_steps_of_the_protein_champion_are_the_ones_told(folder: Path) -> None:
    """What docs/proteingym.md tells of it."""
    board = load(folder, PROTEINGYM.name).board
    (claim,) = (state.decided for state in board.claims.values())
    assert claim is not None
    assert [f"{end:.5f}" for end in (claim.low or 0.0, claim.high or 0.0)] == ["0.05479", "0.10239"]
    scores = [board.score(name) for name in (board.baseline or "", board.champion or "")]
    assert [f"{score.mean:.5f}" for score in scores if score] == ["0.42206", "0.45931"]
    text = (DOCS / "proteingym.md").read_text(encoding="utf-8")
    for figure in ("+0.07859", "0.05479 to 0.10239", "0.42206", "0.45931", f"{board.research.bill.tokens:,}"):
        assert figure in text


def test_what_is_best_known_was_reached_and_no_more(packing: Campaign) -> None:
    board = packing.board
    assert board.champion is not None
    score = board.score(board.champion)
    assert score is not None
    assert f"{score.mean:.9f}" == "2.635983085"
    assert [state.decided.verdict for state in board.claims.values() if state.decided] == ["confirmed"] * 2


def test_two_directions_were_combined(packing: Campaign) -> None:
    board = packing.board
    [merged] = [c for c in board.candidates.values() if c.author == "merge"]
    hypotheses = [board.hypotheses[board.candidates[parent].hypothesis or ""] for parent in merged.parents]
    assert {board.directions[each.direction].record.surface for each in hypotheses} == {"chains", "moves"}
    score, parents = board.score(merged.id), [board.score(parent) for parent in merged.parents]
    assert score is not None
    assert all(parent is not None and score.mean < parent.mean for parent in parents)  # they did not add up


def test_the_tuner_set_constants_that_a_subagent_had_written(packing: Campaign) -> None:
    board = packing.board
    with closing(packing.open_store()) as store:
        files = {c.id: unpack_tree(c.tree, store.get_blob) for c in board.candidates.values() if c.author != "tuner"}
    first = {constant.name for constant in constants_of(files[board.baseline or ""])}
    won = set()
    for finding in board.findings:
        candidate = board.candidates[board.experiments[finding.experiment].record.candidate]
        if candidate.author != "tuner" or candidate.root is None or not finding.success:
            continue
        assert board.candidates[candidate.root].author in ("agents", "baseline")
        won |= {name for name in candidate.settings if name not in first}
    assert {name.rpartition("::")[2] for name in won} == {"GROW", "SHRINK"}


def test_advice_diagnoses_and_numbers_of_logs(packing: Campaign) -> None:
    board = packing.board
    advised = [each for each in board.hypotheses.values() if each.advice]
    assert Counter(each.by for each in advised) == {"planner": 7, "worker": 5}
    diagnoses = [c.id for c in board.candidates.values() if c.diagnosis]
    assert len(diagnoses) == 5
    assert not set(diagnoses) & {board.champion, *board.ranking}
    notes = [note for _, note in board.research.notes]
    assert [note.unbacked for note in notes] == [()] * 12
    assert max(len(note.logged) for note in notes) == 16
