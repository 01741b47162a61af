"""What the regression learns from measured recipes."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.boards import Book, recipe, setup

import aster.proposers.surrogate as surrogate
from aster.board import Board
from aster.domain.ids import recipe_key
from aster.domain.records import Cancelled, Failed, Goal, Invalid, Knob, Result
from aster.proposers.surrogate import IDEA_SD, KNOB_SD, MOST_FEATURES, PAIR_SD, RECENT, TOP, Recipe, Surrogate, features


class Whole(NamedTuple):
    """A recipe as an option."""

    recipe: Recipe

    @property
    def key(self) -> int:
        return recipe_key(self.recipe)

    @property
    def settings(self) -> dict[str, Knob]:
        return {}


def draw(board: Board, options: list[Recipe], rng: random.Random) -> list[float]:
    return Surrogate().draw(board, [Whole(of) for of in options], rng)


GAINS = {"a": 1.0, "b": 0.8, "c": 0.6, "d": -0.5, "e": 0.0}
DRAWS = 200


def truth(of: Recipe) -> float:
    """Return the true value: ideas add up, but "a" and "b" together lose all that they gained and more."""
    names = {change.idea for change in of}
    return sum(GAINS[name] for name in names) - (2.5 if names >= {"a", "b"} else 0.0)


def learned(recipes: list[Recipe], goal: Goal = "maximize") -> Book:
    sign = 1.0 if goal == "maximize" else -1.0
    book = Book(setup(goal))
    book.baseline(0.0)
    for number, of in enumerate(recipes):
        book.run(book.candidate(f"c-{number}", made_of=of), sign * truth(of))
    return book


def winners(book: Book, options: list[Recipe]) -> Counter[int]:
    """Return how often each option is drawn best."""
    draws = (draw(book.board, options, random.Random(seed)) for seed in range(DRAWS))
    return Counter(int(np.argmax(worth)) for worth in draws)


def subsets(*sizes: int) -> list[Recipe]:
    return [recipe(*names) for size in sizes for names in combinations(GAINS, size)]


def test_the_features_of_a_recipe() -> None:
    assert features(recipe("x", y={"f.py::N": 3})) == {
        "x": IDEA_SD, "y": IDEA_SD, "y|f.py::N=3": KNOB_SD, "x&y": PAIR_SD,
    }  # fmt: skip
    assert features(()) == {}


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_draws_prefer_the_truly_best_recipe(goal: Goal) -> None:
    """All pairs were measured, no triple; whoever overlooks the harmful pair is fooled by "a" and "b"."""
    book = learned(subsets(1, 2), goal)
    options = subsets(3)
    found = winners(book, options)
    values = [truth(of) for of in options]
    worth = sum(n * values[i] for i, n in found.items()) / DRAWS
    assert options[int(np.argmax(values))] == recipe("a", "c", "e")
    assert found.most_common(1)[0][0] == int(np.argmax(values))
    assert worth > 0.9 * max(values)
    assert sum(n for i, n in found.items() if {"a", "b"} <= {c.idea for c in options[i]}) < 0.1 * DRAWS


def test_before_anything_is_known_every_idea_has_its_turn() -> None:
    book = learned([])
    found = winners(book, [recipe(name) for name in GAINS])
    assert all(0.1 * DRAWS < found[i] < 0.32 * DRAWS for i in range(len(GAINS)))


def test_what_failed_is_drawn_less_often() -> None:
    book = learned(subsets(1))
    for number, other in enumerate(("c", "d", "e")):
        book.run(book.candidate(f"f-{number}", made_of=recipe("new", other)), Failed("boom"))
    found = winners(book, [recipe("new"), recipe("unknown")])
    assert found[0] < 0.25 * DRAWS


@pytest.mark.parametrize("result", [Cancelled("no time left")])
def test_what_was_cancelled_tells_nothing(result: Result) -> None:
    book = learned(subsets(1))
    options = subsets(2)
    before = draw(book.board, options, random.Random(0))
    book.run(book.candidate("f", made_of=recipe("a", "b")), result)
    assert draw(book.board, options, random.Random(0)) == before


def test_a_failure_ranks_below_everything_measured() -> None:
    book = learned(subsets(1))
    book.run(book.candidate("f", made_of=recipe("a", "b")), Invalid("rule"))
    ranked, failed = surrogate._window(book.board)
    targets = surrogate._targets(book.board, ranked, len(failed))
    assert failed == ["f"]
    assert len(targets) == len(ranked) + 1
    assert targets[-1] < min(targets[:-1])
    assert targets[:-1] == sorted(targets[:-1], reverse=True)


def test_equal_means_share_a_target() -> None:
    book = Book()
    book.baseline(0.0)
    for number, value in enumerate((1.0, 1.0, 2.0)):
        book.run(book.candidate(f"c-{number}", made_of=recipe(f"i-{number}")), value)
    ranked, _ = surrogate._window(book.board)
    targets = surrogate._targets(book.board, ranked, 0)
    assert ranked[0] == "c-2"
    assert targets[1] == targets[2]
    assert targets[0] > targets[1] > targets[3]


def test_late_small_gains_count_as_much_as_early_large_ones() -> None:
    """Targets are ranks: the size of a gain does not matter."""
    recipes = subsets(1, 2)
    draws = []
    for power in (1, 3):
        book = Book()
        book.baseline(0.0)
        for number, of in enumerate(recipes):
            book.run(book.candidate(f"c-{number}", made_of=of), truth(of) ** power)
        draws.append(draw(book.board, subsets(3), random.Random(1)))
    assert draws[0] == draws[1]


def test_the_same_generator_draws_the_same_and_another_does_not() -> None:
    book = learned(subsets(1, 2))
    options = subsets(3)
    assert draw(book.board, options, random.Random(4)) == draw(book.board, options, random.Random(4))
    assert draw(book.board, options, random.Random(4)) != draw(book.board, options, random.Random(5))


def test_draws_have_the_posterior_mean_and_spread() -> None:
    """Against the textbook formula: mean and covariance of a regression with a normal prior."""
    book, options = learned([*subsets(1), *subsets(2)[3:6]]), [*subsets(2)[:3], *subsets(3)[:2]]
    ranked, failed = surrogate._window(book.board)
    recipes = [book.board.candidates[c].recipe for c in ranked]
    targets = np.asarray(surrogate._targets(book.board, ranked, len(failed)))
    sd = {"(level)": 1.0} | {name: value for of in [*options, *recipes] for name, value in features(of).items()}
    prior = np.diag(np.square(list(sd.values())))

    def rows(of: list[Recipe]) -> Any:
        return np.asarray([[1.0 if name == "(level)" or name in features(r) else 0.0 for name in sd] for r in of])

    x, z = rows(recipes), rows(options)
    gain = prior @ x.T @ np.linalg.inv(x @ prior @ x.T + surrogate.NOISE_SD**2 * np.eye(len(x)))
    mean, spread = z @ gain @ targets, z @ (prior - gain @ x @ prior) @ z.T
    draws = np.asarray([draw(book.board, options, random.Random(seed)) for seed in range(1500)])
    assert draws.mean(axis=0) == pytest.approx(mean, abs=4 * np.sqrt(spread.max() / 1500))
    assert np.cov(draws.T) == pytest.approx(spread, abs=0.12 * spread.max())


# --- bounds -----------------------------------------------------------------------------------------------------


class Counting(dict[str, Any]):
    """A dictionary that counts how often it is read."""

    reads = 0

    def __getitem__(self, key: str) -> Any:
        self.reads += 1
        return super().__getitem__(key)


def test_a_decision_looks_at_a_window_however_long_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    book, rng = Book(), random.Random(2)
    book.baseline(0.0)
    names = [f"i-{n}" for n in range(12)]
    for number in range(5000):
        of = recipe(*rng.sample(names, 3))
        result: Result | float = Failed("boom") if number % 10 == 0 else rng.random()
        book.end(book.plan(book.candidate(f"c-{number}", made_of=of), 0), result)
        if number % 250 == 249:
            book.decide()
    ranked, failed = surrogate._window(book.board)
    assert TOP <= len(ranked) <= TOP + RECENT
    assert len(failed) <= RECENT
    book.board.experiments = Counting(book.board.experiments)
    unpacked = Counting(book.board.candidates)
    monkeypatch.setattr(book.board, "candidates", unpacked)
    described: list[Recipe] = []

    def counted(of: Recipe, settings: dict[str, Knob]) -> dict[str, float]:
        described.append(of)
        return features(of, settings)

    monkeypatch.setattr(surrogate, "features", counted)
    options = [recipe(*rng.sample(names, 4)) for _ in range(50)]
    assert len(draw(book.board, options, rng)) == 50
    assert len(described) <= 2 * (TOP + 2 * RECENT + 50)
    assert book.board.experiments.reads <= 4 * RECENT
    assert unpacked.reads <= 2 * (TOP + 2 * RECENT)


def test_features_are_bounded_and_pairs_go_first() -> None:
    """Many ideas on a long recipe have far more pairs than columns; each option can still be told from the others."""
    held = [f"held-{n:02}" for n in range(25)]
    options = [recipe(*held, f"new-{n:02}") for n in range(40)]
    made = Surrogate()
    columns = made._columns([made._coded(Whole(of)) for of in options])
    names = list(made._numbers)
    assert len(columns) == MOST_FEATURES
    assert {f"new-{n:02}" for n in range(40)} <= {names[column] for column in columns}
    book = learned([])
    worth = draw(book.board, options, random.Random(0))
    assert len(set(worth)) == 40
