"""Agents in numbers."""

from __future__ import annotations

import pytest
from tests.agent_story import BIG, MODELS, SMALL, story
from tests.boards import Book, setup

from aster.domain.events import ModelCutOff
from aster.domain.records import Limits
from aster.domain.research import Draft, Veto
from aster.report.agents import AgentsView, VetoRow, agents_view


@pytest.fixture
def book() -> Book:
    limits = Limits(experiments=100, usd=2.0, tokens=10**6)
    book = Book(setup("minimize", models=MODELS, agents=8, mode="arrival", limits=limits))
    book.baseline(14.0, 14.0)
    book.say(*story(decision=book.board.decision).events)
    return book


def view(book: Book) -> AgentsView:
    found = agents_view(book.board)
    assert found is not None
    return found


def test_a_campaign_without_models_has_no_agents() -> None:
    assert agents_view(Book().board) is None


def test_what_is_settled_and_what_is_reserved(book: Book) -> None:
    seen = view(book)
    assert seen.usd == pytest.approx(0.05 + 0.02 + 0.01 + 4 * 0.004)
    assert seen.tokens == 5_000 + 3_000 + 16_000
    assert (seen.calls, seen.reserved_tokens) == (2, 16_000)
    assert seen.reserved_usd == pytest.approx(0.016)
    assert (seen.limit_usd, seen.limit_tokens, seen.most, seen.live) == (2.0, 10**6, 8, 2)


def test_what_a_candidate_costs_counts_subagents_alone(book: Book) -> None:
    seen = view(book)
    assert (seen.candidates, seen.tokens_each) == (2, 8_000)
    assert seen.usd_each == pytest.approx(0.008)
    assert seen.one_shot is False


def test_roles_add_up_to_everything(book: Book) -> None:
    seen = view(book)
    rows = {row.role: row for row in seen.roles}
    assert list(rows) == ["planner", "worker", "subagent"]
    assert (rows["worker"].requests, rows["worker"].tokens) == (2, 3_000), "its critic's calls count with it"
    subagent = rows["subagent"]
    assert (subagent.assignments, subagent.live, subagent.done, subagent.experiments) == (4, 2, 2, 2)
    assert sum(row.usd for row in seen.roles) == pytest.approx(seen.usd)
    assert sum(row.tokens for row in seen.roles) == seen.tokens


def test_directions_with_what_became_of_them(book: Book) -> None:
    layout, polish, order = view(book).lines
    assert (layout.surface, layout.weight, layout.agents, layout.vetoed, layout.retired) == ("layout", 2.0, 2, 1, None)
    assert (layout.experiments, layout.findings, layout.helped, layout.best) == (1, 1, 1, 2.0)
    assert layout.usd == pytest.approx(0.03 + 0.008)
    assert layout.handoff is not None
    assert layout.handoff.learnt == "corners matter"
    assert (polish.retired, polish.helped, polish.agents) == ("dry: nothing in it", 0, 0)
    assert (order.experiments, order.best, order.handoff, order.expected) == (0, None, None, 0.5)


def test_models_with_their_trouble(book: Book) -> None:
    book.say(ModelCutOff(BIG.name, "it reported too much"))
    big, small = view(book).models
    assert (big.model, big.answered, big.cut_off) == (BIG.name, 3, "it reported too much")
    assert (small.model, small.answered, small.refused, small.troubles) == (SMALL.name, 4, 3, 3)
    assert small.last_error == "429: too many requests"
    assert (small.assignments, small.gained) == (2, 2.0)
    assert big.usd + small.usd == pytest.approx(view(book).usd)


def test_notes_vetoes_and_steering(book: Book) -> None:
    seen = view(book)
    assert [(n.surface, n.dead_end, n.unbacked) for n in seen.notes] == [
        ("layout", False, ()),
        ("polish", True, ("37.5",)),
    ]
    assert seen.unbacked == 1
    assert [(v.surface, v.change, v.by) for v in seen.vetoes] == [("layout", "a grid", "critic")]
    assert seen.steering == (("begin with the layout", True), ("look at b", False))


def test_what_was_put_off_before_its_direction_was_there_names_its_surface(book: Book) -> None:
    draft = Draft("a spiral", "It fills corners.", 1.0)
    book.board.research.vetoes.append(("", Veto(draft, "critic", "not now", "later", surface="layout")))
    assert view(book).vetoes[-1] == VetoRow("layout", "a spiral", "critic", "not now", "later")
