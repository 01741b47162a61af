"""A whole campaign of a script that prints its numbers: measured, stopped early, infeasible, and marked as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from aster.app import create, run
from aster.campaign.budget import Budget
from aster.cli.ending import closing
from aster.domain.records import Measured
from aster.errors import BaselineError
from aster.handle import Campaign
from aster.problems.problem import load_problem

TOML = """\
[problem]
name = "descent"
title = "Descend"
[solution]
root = "solution"
editable = ["**/*.py"]
[[stage]]
name = "train"
command = ["python", "-S", "solution/train.py", "{seed}"]
timeout = "60s"
[[metric]]
name = "val_loss"
goal = "minimize"
pattern = '^val_loss:\\s*(\\S+)'
[[metric]]
name = "memory_gb"
pattern = '^memory_gb: (\\S+)'
[[constraint]]
metric = "memory_gb"
max = MOST
[progress]
pattern = '^step (\\d+): (\\S+)$'
"""
TRAIN = """\
import random
import sys
import time

from rate import RATE
from width import WIDTH

rng = random.Random(f"{sys.argv[1]} {RATE} {WIDTH}")
x = 10.0
for step in range(40):
    print(f"step {step}: {abs(x) + rng.gauss(0, 0.01):.4f}", end="\\r", flush=True)
    x -= RATE * x
    if abs(x) > 20:
        time.sleep(0.05)  # it diverges; whoever waits for it waits
print()
print(f"memory_gb: {10 * WIDTH}")
print(f"val_loss: {abs(x) + 5 / WIDTH + rng.gauss(0, 0.01):.4f}")
"""
BUDGET = Budget(experiments=40)
IDEA = """\
+++
name = "more-{name}"
surface = "{name}"
title = "More {name}"
predicts = 1.0
[[knob]]
name = "solution/{name}.py::{knob}"
values = {values}
+++
Perhaps.

```diff
--- a/solution/{name}.py
+++ b/solution/{name}.py
@@ -1 +1 @@
-{knob} = {old}
+{knob} = {new}
```
"""


def problem(folder: Path, most: float) -> Path:
    """Write a problem: a step of 0.1 is too small, 2.2 diverges; a width over 4 takes more memory than 40."""
    files = {
        "problem.toml": TOML.replace("MOST", str(most)),
        "README.md": "Descend.\n",
        "solution/train.py": TRAIN,
        "solution/rate.py": "RATE = 0.1\n",
        "solution/width.py": "WIDTH = 1\n",
        "ideas/more-rate.md": IDEA.format(name="rate", knob="RATE", old=0.1, new=0.3, values=[0.3, 0.5, 2.2]),
        "ideas/more-width.md": IDEA.format(name="width", knob="WIDTH", old=1, new=4, values=[2, 4, 8]),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


together = pytest.mark.xdist_group("printed")  # its campaign is run once, not once a worker


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    where = tmp_path_factory.mktemp("printed")
    given = load_problem(problem(where / "descent", 40.0))
    folder = create(given, BUDGET, researcher="ideas", slots=2, campaigns=where)
    return run(folder, sandbox="plain")


@together
def test_the_diverging_are_stopped_and_the_large_never_win(ended: Campaign) -> None:
    board = ended.board
    assert board.ended is not None
    labels = {status: set[str]() for status in ("stopped_early", "infeasible")}
    for state in board.experiments.values():
        if state.status in labels:
            labels[state.status].add(board.candidates[state.record.candidate].label)
    assert labels["stopped_early"]
    assert all("RATE=2.2" in label for label in labels["stopped_early"])
    assert labels["infeasible"]
    assert all("WIDTH=8" in label for label in labels["infeasible"])
    assert ended.champion is not None
    assert ended.champion_value is not None
    assert ended.champion_value < 3.0
    assert "WIDTH=8" not in ended.champion.label


@together
def test_what_was_printed_is_kept(ended: Campaign) -> None:
    outcome = ended.board.experiments[ended.board.baselines[0]].outcome
    assert outcome is not None
    assert isinstance(outcome.result, Measured)
    assert outcome.result.metrics["memory_gb"] == 10.0
    assert [step for step, _ in outcome.progress] == list(range(40))


@together
def test_every_place_that_shows_the_metric_says_where_it_comes_from(ended: Campaign) -> None:
    page = (ended.folder / "report.html").read_text()
    assert "self-reported: printed by the candidate" in page
    assert "Confirmed: val_loss (self-reported) " in page
    assert "memory_gb at most 40" in page
    assert "stopped early" in page
    assert "infeasible: memory_gb 80 is 40 over its most, 40" in page
    assert (ended.folder / "results.tsv").read_text().startswith("commit\tval_loss (self-reported)\t")
    assert "Confirmed: val_loss (self-reported) " in closing(ended)[0]
    assert "val_loss (self-reported)" in repr(ended)


def test_a_baseline_that_breaks_a_constraint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster.report.folder.write_report", lambda *args: [])
    folder = create(load_problem(problem(tmp_path / "p", 5.0)), Budget(experiments=10), slots=2, campaigns=tmp_path)
    with pytest.raises(BaselineError, match=r"breaks a constraint: .* memory_gb 10 is 5 over its most, 5"):
        run(folder, sandbox="plain")


@together
def test_ordered_campaigns_with_early_stops_repeat(ended: Campaign, tmp_path: Path) -> None:
    """The same seed gives the same experiments, bars included where measured values are the same."""
    again = load_problem(problem(tmp_path / "p", 40.0))
    folder = create(again, BUDGET, researcher="ideas", slots=2, campaigns=tmp_path)
    board = run(folder, sandbox="plain").board
    first, second = (
        [(s.record, s.status, s.outcome.result if s.outcome else None) for s in of.experiments.values()]
        for of in (ended.board, board)
    )
    assert first == second
