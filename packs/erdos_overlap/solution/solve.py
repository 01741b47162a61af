"""Write a step function on [0, 2]: ``python solve.py --out heights.json --seed 0``.

The way of the data: start -> restarts -> levels (search, moves, optimize, symmetry) -> polish -> file.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported: one core, and the same sums in the same order

import argparse
import json
from pathlib import Path

import numpy as np
from levels import run
from polish import finish
from steps import Array, bound


def solve(seed: int) -> Array:
    """The heights for this seed; the same seed gives the same heights."""
    return finish(run(np.random.default_rng(seed)))


def main() -> None:
    """Read the command line, solve, write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    heights = solve(options.seed)
    options.out.write_text(json.dumps({"heights": heights.tolist()}))
    print(f"bound {bound(heights):.9f} with {heights.size} steps")


if __name__ == "__main__":
    main()
