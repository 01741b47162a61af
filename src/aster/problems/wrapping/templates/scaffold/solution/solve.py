"""Run the candidate on the maps of a seed: `python solve.py tours.json SEED`. Frozen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

from cities import make_maps
from tour import find_tour

MOVES = 20_000

if __name__ == "__main__":
    seed = int(sys.argv[2])
    rng = Random(seed)
    tours = [find_tour(cities, rng, MOVES) for cities in make_maps(seed)]
    Path(sys.argv[1]).write_text(json.dumps({"tours": tours}))
