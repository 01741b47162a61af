"""Write a packing of 26 circles: ``python solve.py --out circles.json --seed 0``.

The way of the data: layout -> starts -> chains (search, moves, optimize, radii) -> polish -> file.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported: one core, and the same sums in the same order

import argparse
import json
from pathlib import Path

import numpy as np
from chains import run
from geometry import Packing
from polish import finish


def solve(seed: int) -> Packing:
    """The packing for this seed; the same seed gives the same packing."""
    return finish(run(np.random.default_rng(seed)))


def main() -> None:
    """Read the command line, solve, write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    packing = solve(options.seed)
    rows = np.column_stack([packing.centres, packing.radii]).tolist()
    options.out.write_text(json.dumps({"circles": rows}))
    print(f"sum of radii {packing.total:.9f}")


if __name__ == "__main__":
    main()
