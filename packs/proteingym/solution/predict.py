"""Score every change of every protein: ``python predict.py --out scores.bin INPUTS [HIDDEN_INPUTS]``. Frozen.

The way of the data: combine -> scoring -> priors -> positions -> neighbours -> file. The file holds the tables of all
proteins one after the other, length times 20 doubles each; a mutant with several changes scores their sum.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import argparse
from pathlib import Path

import numpy as np
from combine import combined
from neighbours import smoothed
from positions import weighted
from priors import prior
from protein import Array, Protein, read
from scoring import scored


def predict(protein: Protein) -> Array:
    """The score of each residue at each position, shape (length, 20); higher is fitter."""
    logp = combined(protein)
    table = scored(logp, protein) + prior(protein)
    return smoothed(weighted(table, logp, protein), protein)


def main() -> None:
    """Score the last folder that is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="for candidates that draw")
    parser.add_argument("inputs", type=Path, nargs="+")
    options = parser.parse_args()
    np.random.seed(options.seed)
    folder = [each for each in options.inputs if each.exists()][-1]
    with options.out.open("wb") as file, np.errstate(all="ignore"):
        for protein in read(folder):
            table = np.asarray(predict(protein), dtype="<f8")
            if table.shape != (len(protein.wild), 20):
                raise SystemExit(f"a table has the shape {table.shape}, not {(len(protein.wild), 20)}")
            file.write(table.tobytes())


if __name__ == "__main__":
    main()
