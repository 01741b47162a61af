"""A short round trip: simulated annealing that reverses stretches of a tour. Candidates edit this file."""

from __future__ import annotations

import math
from random import Random

City = tuple[float, float]

HOT = 0.5  # temperature at the first move, in sides of the square
COLD = 0.03  # temperature at the last move


def find_tour(cities: list[City], rng: Random, moves: int) -> list[int]:
    """Return the order in which to visit all cities; try at most `moves` changes."""
    tour = first_tour(cities, rng)
    for move in range(moves):
        temperature = HOT * (COLD / HOT) ** (move / moves)
        first, last = sorted(rng.sample(range(len(tour)), 2))
        longer = added_length(cities, tour, first, last)
        if longer <= 0 or rng.random() < math.exp(-longer / temperature):
            tour[first : last + 1] = tour[first : last + 1][::-1]
    return tour


def first_tour(cities: list[City], rng: Random) -> list[int]:
    """Return the tour to begin with: any."""
    return rng.sample(range(len(cities)), len(cities))


def added_length(cities: list[City], tour: list[int], first: int, last: int) -> float:
    """Return by how much the round trip gets longer if the stretch from `first` to `last` is reversed."""
    before, after = cities[tour[first - 1]], cities[tour[(last + 1) % len(tour)]]
    head, tail = cities[tour[first]], cities[tour[last]]
    if last - first >= len(tour) - 2:  # reversed as a whole, or but for one: the same round trip
        return 0.0
    return math.dist(before, tail) + math.dist(head, after) - math.dist(before, head) - math.dist(tail, after)
