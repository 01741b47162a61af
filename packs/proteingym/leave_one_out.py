"""Which change carries a champion's gain: each left out in turn, and each alone.

    python -m aster.cli.pack proteingym leave_one_out CAMPAIGN_FOLDER [--data FOLDER] [--candidate ID]

Scores are the benchmark's average over all assays of the search set and of the hidden set, from the folder that
prepare.py wrote. Looking at the hidden set is for afterwards: do not choose by it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from evaluate import judge, read_tables, searched
from gym.packed import INPUTS, read_labels
from gym.split import SETS
from prepare import CACHE

from aster.app import load_campaign
from aster.domain.records import Candidate, Change
from aster.errors import UserError
from aster.problems.problem import load_problem
from aster.proposers.compose import Composed, compose
from aster.proposers.ideas import load_ideas
from aster.proposers.knobs import KnobError, set_knob

HERE = Path(__file__).resolve().parent


def trees(candidate: Candidate) -> dict[str, dict[str, bytes]]:
    """The solution with all changes, without each, and with each alone; by what is told of it."""
    problem = load_problem(str(HERE))
    library = load_ideas(problem.idea_files, problem.solution_files, problem.editable)

    def tree(changes: Sequence[Change]) -> dict[str, bytes]:
        made = compose(library, list(changes))
        if not isinstance(made, Composed):
            raise UserError(f"The changes cannot be put together: {made}.")
        files = dict(made.files)
        for place, value in candidate.settings.items():
            name, _, constant = place.partition("::")
            try:
                files[name] = set_knob(files[name].decode(), constant, value).encode()
            except (KeyError, KnobError):
                continue  # a constant of the change that is left out
        return files

    whole = candidate.recipe
    found = {"baseline": tree([]), "all changes": tree(whole)}
    for left in whole:
        found[f"without {left.idea}"] = tree([change for change in whole if change is not left])
    for alone in whole:
        found[f"only {alone.idea}"] = tree([alone])
    return found


def averages(files: dict[str, bytes], data: Path) -> list[float]:
    """The average over the search set and over the hidden one."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        for part in SETS:
            command = [sys.executable, "-B", "solution/predict.py", "--out", "scores.bin", str(data / part / "inputs")]
            subprocess.run(command, cwd=folder, check=True)
            labelled, sizes = read_labels(data / part / "labels")
            found.append(searched(labelled, judge(labelled, read_tables(folder / "scores.bin", sizes)))["spearman"])
    return found


def main() -> int:
    """Print the table as Markdown; 2 with one paragraph on stderr if something that was given is wrong."""
    try:
        return run(_parser().parse_args())
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaign", type=Path)
    parser.add_argument("--candidate", help="by default the champion")
    parser.add_argument("--data", type=Path, default=CACHE)
    return parser


def run(options: argparse.Namespace) -> int:
    """Read the campaign and score."""
    campaign = load_campaign(options.campaign)
    name = options.candidate or campaign.board.champion
    if not name:
        raise UserError("The campaign has no champion: name a candidate with --candidate.")
    if name not in campaign.board.candidates:
        raise UserError(f"The campaign has no candidate {name}; `aster show` lists them.")
    if missing := [part for part in SETS if not (options.data / part / "inputs" / INPUTS).exists()]:
        raise UserError(f"{options.data} has no {' and no '.join(missing)} set: run `aster prepare proteingym` first.")
    print("| candidate | search set | hidden set |\n|---|---|---|", flush=True)
    for told, files in trees(campaign.board.candidates[name]).items():
        search, hidden = averages(files, options.data)
        print(f"| {told} | {search:.4f} | {hidden:.4f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
