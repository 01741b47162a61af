"""The benchmark's tables and pictures for models and scoring functions, over all assays of a folder.

    python -m aster.cli.pack proteingym tables --data DIR --models A,B --out DIR
        [--scorings log-p,calibrated] [--singles]

Every model is scored by every scoring function, over the assays that all of the models cover. `--out` gets the files of
a submission (see gym/submission.py) and the pictures bars.svg, scatter.svg, flip.svg and heat.svg. What is printed is
the summary's average. With --singles an assay whose variants with several changes lie in assays_multi/ is read from
assays/.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from gym.aggregate import average, average_error, rounded, summary
from gym.data import Gym
from gym.errors import GymError
from gym.mutants import encode
from gym.pictures import bars, flip, heat_map, scatter, two_positions
from gym.scores import SCORINGS, calibrated, sum_mutants
from gym.split import common_models, usable
from gym.submission import Scored, Tables, write


def main(arguments: list[str] | None = None) -> int:
    """Write it all; 2 with one paragraph on stderr if something that was given is wrong."""
    options = _parser().parse_args(arguments)
    try:
        gym = Gym(options.data)
        models = options.models.split(",") if options.models else common_models(gym)
        scorings = options.scorings.split(",")
        if len({*models}) < len(models) or len({*scorings}) < len(scorings):
            raise GymError("A model, or a scoring, is named twice. Name each once.")
        if unknown := [name for name in scorings if name not in SCORINGS]:
            raise GymError(f"There is no scoring {', '.join(unknown)}; choose from {', '.join(SCORINGS)}.")
        scored = score_all(gym, models, scorings, options.singles)
        write_all(options, gym, models, scorings, scored)
    except GymError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written to
        print(f"Error: {error.filename or options.out} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    return 0


def write_all(
    options: argparse.Namespace, gym: Gym, models: list[str], scorings: list[str], scored: list[Scored]
) -> None:
    """Write the tables and the pictures, and print the averages."""
    names = [f"{model} {scoring}" for model in models for scoring in scorings]
    tell_unscored(names, scored)
    tables = write(options.out, names, [options.kind] * len(names), scored)
    draw(options.out, names, scored, tables)
    draw_protein(options.out, gym, models[0], scored[0])
    values = rounded(summary([each.assay for each in scored], tables.values["Spearman"])["Average"])
    for name, value in sorted(zip(names, values, strict=True), key=lambda row: -row[1]):
        print(f"{value:.3f}  {name}")


def tell_unscored(names: list[str], scored: list[Scored]) -> None:
    """Say which assays a model does not score as a whole, and so not at all.

    Raises:
        GymError: it scores none.
    """
    missing = np.array([np.isnan(each.scores).any(axis=0) for each in scored])
    for name, column in zip(names, missing.T, strict=True):
        if column.all():
            raise GymError(f"{name} leaves variants without a score in every assay: nothing of it can be compared.")
        if column.any():
            print(
                f"{name}: {int(column.sum())} of {len(scored)} assays are not scored as a whole; their cells are empty"
            )


def score_all(gym: Gym, models: list[str], scorings: list[str], singles: bool = False) -> list[Scored]:
    """All assays that the models cover, scored in the order of models, then scorings."""
    found = []
    for assay in usable(gym, models):
        measured, wild = gym.measured(assay, singles), encode(assay.sequence)
        columns = [
            sum_mutants(SCORINGS[scoring](gym.distributions(model, assay), wild), measured.mutants)
            for model in models
            for scoring in scorings
        ]
        found.append(Scored(assay, measured, np.stack(columns, axis=1)))
    if not found:
        raise GymError(f"No assay of {gym.folder} is covered by {', '.join(models)}.")
    return found


def draw(folder: Path, names: list[str], scored: list[Scored], tables: Tables) -> None:
    """Bars of all averages with intervals, and the first scoring against the last of the first model."""
    assays, values = [each.assay for each in scored], tables.values["Spearman"]
    errors = average_error(assays, values)
    averages = dict(zip(names, average(assays, values).tolist(), strict=True))
    bars(folder / "bars.svg", averages, dict(zip(names, errors.tolist(), strict=True)))
    last = max(at for at, name in enumerate(names) if name.split(" ")[0] == names[0].split(" ")[0])
    before, after = values[np.isfinite(values[:, [0, last]]).all(axis=1)][:, [0, last]].T
    scatter(folder / "scatter.svg", before, after, (names[0], names[last]))


def draw_protein(folder: Path, gym: Gym, model: str, scored: Scored) -> None:
    """Of one assay's protein: two positions where the ranking flips, and all scores."""
    logp = gym.distributions(model, scored.assay)
    if (changes := flip(logp, encode(scored.assay.sequence))) is not None:
        two_positions(folder / "flip.svg", logp, scored.assay.sequence, changes)
    heat_map(folder / "heat.svg", calibrated(logp, encode(scored.assay.sequence)), scored.assay.sequence)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of the layout in gym/data.py")
    parser.add_argument("--models", help="separated by commas; by default those that cover the most assays")
    parser.add_argument("--scorings", default="log-p,log-odds,calibrated")
    parser.add_argument("--singles", action="store_true", help="only variants with one change, where there is a choice")
    parser.add_argument("--kind", default="Structure", help='the tables\' "Model type"')
    parser.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
