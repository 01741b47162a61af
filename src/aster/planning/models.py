"""Which language model carries out an assignment: a weighted pool, and a bandit over what its subagents gained."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from aster.board import Board
from aster.board.research import ModelState
from aster.domain.research import ModelChoice, Role

MEMORY = 60
"""A model's assignments that are looked at, the latest; gains get rarer for all as a campaign goes on."""

FADE = 0.95
"""Weight of an assignment relative to the one after it: gains are rare, so more of them count than for a direction."""

DRAWS = 64
"""Draws that tell how likely each model is to be the best."""

LEAST_COST = 0.1
"""What an assignment costs at least, as a share of the mean: one without a price still takes an agent's place."""


def models_for(models: tuple[ModelChoice, ...], role: Role) -> list[ModelChoice]:
    """Return the models that a role may use: those that name it, else those that name no role."""
    return [m for m in models if role in m.roles] or [m for m in models if not m.roles]


def choose_model(board: Board, role: Role, rng: random.Random) -> str | None:
    """Return the name of the model that a role's next assignment goes to; None if all are cut off.

    A model's chance is its weight times the share of Thompson draws that it wins, so that weights alone decide before
    anything is known; each try that failed since its last answer divides the weight further. Only subagents'
    assignments tell what a model gains per dollar, so other roles go by the weights.
    """
    known = {model.name: board.research.models.get(model.name) or ModelState() for model in board.setup.models}
    pool = models_for(tuple(model for model in board.setup.models if not known[model.name].cut_off), role)
    if len(pool) < 2:
        return pool[0].name if pool else None
    chances = {model.name: model.weight / (1 + known[model.name].troubles) for model in pool}
    if role == "subagent":
        likely = _shares({name: known[name].yields[-MEMORY:] for name in chances}, rng)
        chances = {name: chance * likely[name] for name, chance in chances.items()}
    return rng.choices(list(chances), list(chances.values()))[0]


def _shares(yields: Mapping[str, list[tuple[float, float]]], rng: random.Random) -> dict[str, float]:
    """Return how often each model is the best of a draw, none never."""
    known = [usd for rows in yields.values() for _, usd in rows]
    mean = sum(known) / len(known) if known else 0.0
    rates = {name: [gain / _cost(usd, mean) for gain, usd in rows][::-1] for name, rows in yields.items()}
    scale = max((rate for rows in rates.values() for rate in rows), default=0.0) or 1.0
    beliefs = {name: _belief([rate / scale for rate in rows]) for name, rows in rates.items()}
    wins = dict.fromkeys(yields, 0.5)
    for _ in range(DRAWS):
        drawn = {name: rng.gauss(*belief) for name, belief in beliefs.items()}
        wins[max(drawn, key=drawn.__getitem__)] += 1
    return {name: count / (DRAWS + len(wins) / 2) for name, count in wins.items()}


def _cost(usd: float, mean: float) -> float:
    """Return what an assignment cost, relative to the mean; 1 where none has a price."""
    return max(usd / mean, LEAST_COST) if mean > 0 else 1.0


def _belief(rates: list[float]) -> tuple[float, float]:
    """Return mean and sd of what is believed of a model's gain per cost, from rates between 0 and 1, newest first.

    The prior counts as one assignment of middling gain, so that nobody is given up before it was tried.
    """
    weights = [FADE**age for age in range(len(rates))]
    count = 1.0 + sum(weights)
    mean = (0.5 + sum(w * math.sqrt(rate) for w, rate in zip(weights, rates, strict=True))) / count
    return mean, 0.5 / math.sqrt(count)
