"""Score tours: `python evaluate.py tours.json SEED`. Trusted: what the candidate wrote is read as hostile data."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, "solution")  # here only its frozen files

from cities import COUNT, MAPS, make_maps

MAX_BYTES = 50_000


class Broken(Exception):
    """The output breaks a rule; the message says which."""


def read_tours(path: Path) -> list[list[int]]:
    """Return the orders in the file, one for each map, checked: every city once.

    Raises:
        Broken: it is anything else.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
        wrote = json.loads(data)
    except (OSError, ValueError, RecursionError):
        raise Broken("The output is not a small JSON file.") from None
    tours = wrote.get("tours") if isinstance(wrote, dict) else None
    if not isinstance(tours, list) or len(tours) != MAPS:
        raise Broken(f'The output must be {{"tours": [...]}} with a tour for each of {MAPS} maps.')
    for tour in tours:
        whole = isinstance(tour, list) and all(type(city) is int for city in tour)  # a bool is no city
        if not whole or sorted(tour) != list(range(COUNT)):
            raise Broken(f"A tour must visit each of the cities 0 to {COUNT - 1} exactly once.")
    return tours


def length(cities: list[tuple[float, float]], tour: list[int]) -> float:
    """Return the length of the round trip, in sides of the square."""
    legs = zip(tour, [*tour[1:], tour[0]], strict=True)
    return math.fsum(math.dist(cities[here], cities[there]) for here, there in legs)


def score(path: Path, seed: int) -> dict[str, object]:
    """Return what to report about the output file."""
    try:
        tours = read_tours(path)
    except Broken as broken:
        return {"invalid": str(broken)}
    return {"length": math.fsum(map(length, make_maps(seed), tours)) / MAPS}


if __name__ == "__main__":
    with open(os.environ["ASTER_SCORE"], "w") as channel:  # only trusted stages have it
        json.dump(score(Path(sys.argv[1]), int(sys.argv[2])), channel)
