"""Which change carries a champion's gain: each left out in turn, and each alone.

    python -m aster.cli.pack proteingym leave_one_out CAMPAIGN_FOLDER [--data FOLDER] [--candidate ID]

Changes are the ideas of a champion that was made of ideas, and else the steps of its lineage. A step is taken out by a
three-way merge of the champion with the step's parent, over the step's own candidate; where later steps change what it
wrote, that is said, and it is taken out with the next ones. The step alone is merged into the baseline the same way.

Scores are the benchmark's average over all assays of the search set and of the hidden set, from the folder that
prepare.py wrote; the error of a gain is that between the hidden families, taken as a sample of all there are. The
single simplest change is the one with the fewest changed lines of those that carry at least half of the whole gain
alone, by the search set. Looking at the hidden set is for afterwards: do not choose by it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from evaluate import by_family, judge, read_tables, searched
from gym.metrics import MEASURES
from gym.packed import INPUTS, read_labels
from gym.split import SETS
from numpy.typing import NDArray
from prepare import CACHE

from aster.agents.combining import lineage
from aster.app import load_campaign
from aster.domain.ablation import Files, Part, changed_lines, simplest, take_apart
from aster.domain.records import Candidate, Change
from aster.errors import UserError
from aster.handle import Campaign
from aster.problems.problem import load_problem
from aster.proposers.compose import Composed, compose
from aster.proposers.ideas import load_ideas
from aster.proposers.knobs import KnobError, set_knob
from aster.report.progress import change_of
from aster.report.trees import candidate_files

HERE = Path(__file__).resolve().parent
SPEARMAN = MEASURES.index("Spearman")

Row = tuple[str, Files | None]


class Scores:
    """A version's average over the search set and over the hidden set, and its scores by hidden family."""

    def __init__(self, files: Files, data: Path) -> None:
        means = []
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for name, content in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            for part in SETS:
                command = [sys.executable, "-B", "solution/predict.py", "--out", "scores.bin"]
                subprocess.run([*command, str(data / part / "inputs")], cwd=folder, check=True)
                labelled, sizes = read_labels(data / part / "labels")
                values = judge(labelled, read_tables(folder / "scores.bin", sizes))
                means.append(searched(labelled, values)["spearman"])
        self.search, self.hidden = means
        self.weights, families = by_family(labelled, values)
        self.families = families[:, SPEARMAN]

    def error(self, other: Scores) -> float:
        """The standard error of the gain over another version on the hidden set, between families."""
        return between(self.weights, self.families - other.families)


def between(weights: NDArray[np.float64], gains: NDArray[np.float64]) -> float:
    """The standard error of a weighted mean over families that are a sample, weights adding up to 1; nan for one."""
    if len(weights) < 2:
        return float("nan")
    shared = float((weights**2).sum())
    spread = float((weights * (gains - weights @ gains) ** 2).sum()) / (1.0 - shared)
    return float(np.sqrt(spread * shared))


def of_ideas(candidate: Candidate) -> list[Part]:
    """Each idea of a candidate as a part, after the baseline and all of them."""
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

    whole, nothing = candidate.recipe, tree([])
    parts = [Part(("baseline",), None, nothing, 0)]
    parts += [Part(("all changes",), None, tree(whole), changed_lines(nothing, tree(whole)))]
    for one in whole:
        alone = tree([one])
        rest = tree([change for change in whole if change is not one])
        parts.append(Part((one.idea,), rest, alone, changed_lines(nothing, alone)))
    return parts


def of_steps(campaign: Campaign, candidate: str) -> list[Part]:
    """Each step of a candidate's lineage as a part, after the baseline and all of them."""
    board = campaign.board
    with closing(campaign.open_store()) as store:
        names = reversed(lineage(board, candidate))
        trees = [(change_of(board, name), candidate_files(board, store, name)) for name in names]
    (_, nothing), (_, whole) = trees[0], trees[-1]
    ends = [Part(("baseline",), None, nothing, 0), Part(("all changes",), None, whole, changed_lines(nothing, whole))]
    return [*ends, *take_apart(trees)]


def table(parts: Sequence[Part], scored: Mapping[str, Scores]) -> Iterator[str]:
    """The lines of the table as Markdown; `scored`: by what `versions` names."""
    first = scored["baseline"]
    yield "| candidate | changed lines | search set | hidden set | gain on the hidden set, and its error |"
    yield "|---|---|---|---|---|"
    for told, files, lines in versions(parts):
        if files is None:
            yield f"| {told} | | cannot be separated | | |"
            continue
        found = scored[told]
        gain = f"{found.hidden - first.hidden:+.4f} ± {found.error(first):.4f}" if told != "baseline" else ""
        yield f"| {told} | {lines} | {found.search:.4f} | {found.hidden:.4f} | {gain} |"


def versions(parts: Sequence[Part]) -> Iterator[tuple[str, Files | None, int]]:
    """What is scored, with its files and how many lines it changes: the two ends, then without each, and each alone."""
    nothing = parts[0].alone or {}
    named: list[Row] = [(said(part), part.alone) for part in parts[:2]]
    named += [(f"without {said(part)}", part.without) for part in parts[2:]]
    named += [(f"only {said(part)}", part.alone) for part in parts[2:]]
    for told, files in named:
        yield told, files, 0 if files is None else changed_lines(nothing, files)


def said(part: Part) -> str:
    """Its steps in words."""
    return "; ".join(part.steps).replace("|", "/")


def verdict(parts: Sequence[Part], scored: Mapping[str, Scores]) -> str:
    """The single simplest change that carries most, or that there is none."""
    base, whole = scored["baseline"], scored["all changes"]
    alone = [part for part in parts[2:] if part.alone is not None]
    gains = [(part.lines, scored[f"only {said(part)}"].search - base.search) for part in alone]
    whole_gain, hidden_gain = whole.search - base.search, whole.hidden - base.hidden
    at = simplest(gains, whole_gain) if whole_gain > 0 else None
    if at is None:
        return "No change carries half of the gain alone."
    only = scored[f"only {said(alone[at])}"]
    carried = f"{(only.hidden - base.hidden) / hidden_gain:.0%}" if hidden_gain > 0 else "there is no gain"
    return (
        f"The single simplest change is: {said(alone[at])}. With {alone[at].lines} changed lines it is the shortest "
        f"that carries at least half of the gain alone: {(only.search - base.search) / whole_gain:.0%} of it on the "
        f"search set, {carried} on the hidden one."
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table as Markdown, and the simplest change; 2 with one paragraph on stderr if that cannot be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaign", type=Path)
    parser.add_argument("--candidate", help="by default the champion")
    parser.add_argument("--data", type=Path, default=CACHE)
    try:
        run(parser.parse_args(arguments))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Read the campaign, score, and print."""
    campaign = load_campaign(options.campaign)
    name = options.candidate or campaign.board.champion
    if not name:
        raise UserError("The campaign has no champion: name a candidate with --candidate.")
    if name not in campaign.board.candidates:
        raise UserError(f"The campaign has no candidate {name}; `aster show` lists them.")
    if missing := [part for part in SETS if not (options.data / part / "inputs" / INPUTS).exists()]:
        raise UserError(f"{options.data} has no {' and no '.join(missing)} set: run `aster prepare proteingym` first.")
    candidate = campaign.board.candidates[name]
    parts = of_ideas(candidate) if candidate.recipe else of_steps(campaign, name)
    scored = {told: Scores(files, options.data) for told, files, _ in versions(parts) if files is not None}
    for line in table(parts, scored):
        print(line, flush=True)
    weights = scored["baseline"].weights
    print(f"\nThe {len(weights)} hidden families count for {1.0 / float((weights**2).sum()):.1f} of equal weight.")
    print(verdict(parts, scored))


if __name__ == "__main__":
    sys.exit(main())
