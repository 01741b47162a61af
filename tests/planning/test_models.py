"""Which model carries out an assignment."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.boards import Book, setup

from aster.domain.events import AssignmentEnded, AssignmentGiven, CallReserved, CallSettled, ModelCutOff
from aster.domain.research import Allowance, Assignment, Call, Ending, ModelChoice, Price, Role, Settled, Tokens
from aster.planning.models import choose_model
from aster.testing.proposers import deep

DRAWS = 400
PRICE = Price(1.0, 2.0)


def started(*models: ModelChoice) -> Book:
    return Book(setup(models=models, agents=4, mode="arrival"))


def chosen(book: Book, role: Role = "subagent") -> Counter[str | None]:
    return Counter(choose_model(book.board, role, random.Random(seed)) for seed in range(DRAWS))


def worked(book: Book, model: str, gain: float, usd: float, ending: Ending = "done") -> None:
    """Have a subagent of `model` end, having spent and gained so much."""
    number = len(book.board.research.assignments)
    given = Assignment(f"a-{number}", "subagent", model, Allowance(9, 10_000), "i", "b")
    book.say(
        AssignmentGiven(given),
        CallReserved(Call(f"{given.id}/1/1", given.id, model, usd, 100, "r")),
        CallSettled(Settled(f"{given.id}/1/1", "answered", usd, Tokens(50, 50), response="s")),
    )
    book.board.research.assignments[given.id].gain = gain  # as its findings would
    book.say(AssignmentEnded(given.id, ending))


def fail(book: Book, model: str, times: int) -> None:
    given = Assignment(f"a-f{len(book.board.research.assignments)}", "subagent", model, Allowance(9, 10_000), "i", "b")
    book.say(AssignmentGiven(given))
    for number in range(1, times + 1):
        call = f"{given.id}/1/{number}"
        book.say(CallReserved(Call(call, given.id, model, 0.1, 9, "r")))
        book.say(CallSettled(Settled(call, "refused", 0.0, Tokens(), error="429")))


def test_one_model_is_always_chosen() -> None:
    book = started(ModelChoice("p:a"))
    assert choose_model(book.board, "planner", random.Random(0)) == "p:a"


def test_no_model_is_none() -> None:
    assert choose_model(started().board, "planner", random.Random(0)) is None


@pytest.mark.parametrize("role", ["subagent", "planner"])
def test_weights_decide_before_anything_is_known(role: Role) -> None:
    book = started(ModelChoice("p:a", PRICE, weight=3.0), ModelChoice("p:b", PRICE))
    assert chosen(book, role)["p:a"] / DRAWS == pytest.approx(0.75, abs=0.07)


def test_a_model_that_names_the_role_comes_before_those_that_name_none() -> None:
    book = started(ModelChoice("p:small"), ModelChoice("p:big", roles=("planner", "critic")))
    assert set(chosen(book, "planner")) == {"p:big"}
    assert set(chosen(book, "critic")) == {"p:big"}
    assert set(chosen(book, "subagent")) == {"p:small"}


def test_where_the_roles_own_model_is_cut_off_others_stand_in() -> None:
    book = started(ModelChoice("p:small"), ModelChoice("p:big", roles=("planner",)))
    book.say(ModelCutOff("p:big", "it reported more than was reserved"))
    assert set(chosen(book, "planner")) == {"p:small"}


def test_a_model_that_is_cut_off_is_never_chosen() -> None:
    book = started(ModelChoice("p:a", weight=100.0), ModelChoice("p:b"))
    book.say(ModelCutOff("p:a", "a bad key"))
    assert set(chosen(book)) == {"p:b"}
    book.say(ModelCutOff("p:b", "a bad key"))
    assert set(chosen(book)) == {None}


def test_subagents_go_to_the_model_that_gains_more_for_a_dollar() -> None:
    book = started(ModelChoice("p:cheap", PRICE), ModelChoice("p:dear", PRICE))
    for _ in range(8):
        worked(book, "p:cheap", 0.5, 0.01)
        worked(book, "p:dear", 0.5, 0.50)
    found = chosen(book)
    assert found["p:cheap"] > 0.85 * DRAWS
    assert chosen(book, "planner")["p:dear"] > 0.4 * DRAWS, "other roles are not judged by it"


def test_a_dear_model_that_alone_gains_is_chosen() -> None:
    book = started(ModelChoice("p:cheap", PRICE), ModelChoice("p:dear", PRICE))
    for _ in range(8):
        worked(book, "p:cheap", 0.0, 0.01)
        worked(book, "p:dear", 0.5, 0.50)
    assert chosen(book)["p:dear"] > 0.85 * DRAWS


def test_models_without_a_price_go_by_what_they_gain() -> None:
    book = started(ModelChoice("p:good"), ModelChoice("p:bad"))
    for number in range(12):
        worked(book, "p:good", 0.5 if number % 2 else 0.0, 0.0)
        worked(book, "p:bad", 0.0, 0.0)
    assert 0.75 * DRAWS < chosen(book)["p:good"] < DRAWS, "the other one is not given up"


def test_a_free_model_is_not_infinitely_cheap() -> None:
    book = started(ModelChoice("p:free"), ModelChoice("p:paid", PRICE))
    for _ in range(10):
        worked(book, "p:free", 0.001, 0.0)
        worked(book, "p:paid", 1.0, 0.1)
    assert chosen(book)["p:paid"] > 0.7 * DRAWS


def test_a_model_in_trouble_is_left_to_rest_while_another_answers() -> None:
    book = started(ModelChoice("p:down"), ModelChoice("p:up"))
    fail(book, "p:down", 30)
    assert 0 < chosen(book)["p:down"] < 0.1 * DRAWS
    worked(book, "p:down", 0.0, 0.1)  # it answers again
    assert chosen(book)["p:down"] > 0.3 * DRAWS


def test_late_assignments_weigh_more_than_early_ones() -> None:
    book = started(ModelChoice("p:early", PRICE), ModelChoice("p:late", PRICE))
    for number in range(60):
        worked(book, "p:early", 0.5 if number < 30 else 0.0, 0.1)
        worked(book, "p:late", 0.5 if number >= 30 else 0.0, 0.1)
    assert chosen(book)["p:late"] > 0.8 * DRAWS


def test_choosing_leaves_the_board_alone() -> None:
    book = started(ModelChoice("p:a"), ModelChoice("p:b"))
    before = deep(book.board)
    assert choose_model(book.board, "subagent", random.Random(3)) == choose_model(
        book.board, "subagent", random.Random(3)
    )
    assert deep(book.board) == before
