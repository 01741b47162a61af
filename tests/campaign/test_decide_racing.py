"""Whole campaigns that race for seeds: the promises of decisions hold for them too."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from aster.board import Board
from aster.campaign.budget import check_limits
from aster.campaign.decide import decide
from aster.domain import events as ev
from aster.domain.records import Candidate, Experiment, Failed, Mode, Result, Setup
from aster.errors import BudgetError
from aster.testing.simulation import resume, simulate

from .simulated import bowl, minds, setup, values

MODES: list[Mode] = ["ordered", "arrival"]


def racing(experiments: int = 80, *, seed: int = 0, mode: Mode = "ordered", seeds: int = 4) -> Setup:
    return replace(setup(experiments, seed=seed, mode=mode, search_seeds=seeds), racing=True)


def test_in_ordered_mode_the_order_of_arrival_changes_nothing() -> None:
    runs = [simulate(racing(), minds(), bowl(2.0), order=random.Random(i)).board for i in range(3)]
    assert list(runs[0].experiments) == list(runs[1].experiments) == list(runs[2].experiments)
    assert list(runs[0].ranking) == list(runs[1].ranking) == list(runs[2].ranking)


@pytest.mark.parametrize("cut", [20, 45, 70])
def test_a_campaign_cut_off_anywhere_goes_on_as_if_nothing_had_happened(cut: int) -> None:
    whole = simulate(racing(), minds(), bowl(2.0))
    start = [i for i, e in enumerate(whole.events) if isinstance(e, ev.DecisionTaken)][cut]
    board = Board()
    for event in whole.events[:start]:
        board.apply(ev.decode(ev.encode(event)))
    taken = whole.events[start]
    assert isinstance(taken, ev.DecisionTaken)
    step = decide(board, minds(), taken.elapsed)
    assert step.events == whole.events[start : start + len(step.events)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("experiments", [16, 37, 80])
def test_the_budget_is_never_exceeded(mode: Mode, experiments: int) -> None:
    for seed in range(3):
        board = simulate(racing(experiments, seed=seed, mode=mode), minds(), bowl(2.0), order=random.Random(seed)).board
        assert board.spend.experiments <= experiments
        assert board.ended is not None


def test_the_smallest_budget_still_holds_all_seeds_of_one_candidate() -> None:
    check_limits(racing(15))
    with pytest.raises(BudgetError, match="at least 14"):
        check_limits(racing(13))


@pytest.mark.parametrize("mode", MODES)
def test_every_hypothesis_gets_its_finding_once(mode: Mode) -> None:
    board = simulate(racing(mode=mode), minds(), bowl(1.0), order=random.Random(1)).board
    told = [finding.hypothesis for finding in board.findings]
    assert len(told) == len(set(told))
    assert len(told) >= len(board.hypotheses) - 2 * board.setup.slots


def test_what_breaks_on_a_later_seed_is_never_champion() -> None:
    later: dict[str, int] = {}

    def fragile(candidate: Candidate, experiment: Experiment) -> Result:
        later[candidate.id] = later.get(candidate.id, 0) + 1
        broken = values(candidate)["c"] and later[candidate.id] > 1
        return Failed("on a second seed") if broken else bowl(0.5)(candidate, experiment)

    board = simulate(racing(), minds(), fragile).board
    assert any(finding.text.endswith("on a second seed") for finding in board.findings)
    assert board.champion is not None
    assert values(board.candidates[board.champion])["c"] == 0


@pytest.mark.parametrize("mode", MODES)
def test_on_new_hardware_the_champion_races_afresh_and_claims_go_on(mode: Mode) -> None:
    run = simulate(racing(mode=mode), minds(), bowl(0.5))
    champion = run.board.champion
    assert champion is not None
    run.board.setup = racing(200, mode=mode)
    resume(run, minds(), bowl(0.5), "other hardware")
    records = [run.board.experiments[x].record for x in run.board.experiments_of[champion]]
    again = [x.seed for x in records if x.hardware == "other hardware" and x.purpose == "search"]
    assert len(again) == len(set(again)) == 4
