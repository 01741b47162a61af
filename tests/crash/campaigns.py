"""Small real campaigns to be killed, and what makes two of them the same."""

from __future__ import annotations

from pathlib import Path

from tests.campaign.folders import write_problem
from tests.crash.chaos import start

from aster.app import create, load_campaign
from aster.board import Board
from aster.campaign.budget import Budget
from aster.domain.records import Mode
from aster.problems.problem import load_problem

SLEEP_S = 0.25
"""How long an experiment takes."""

WORSE = """+++
name = "lower-{n}"
surface = "a"
title = "A lower still"
predicts = 0.1
+++
Lower is worse, and no two of these merge.

```diff
--- a/solution/a.py
+++ b/solution/a.py
@@ -1 +1 @@
-A = 0
+A = -{n} / 10
```
"""

TUNED = """
[[metric]]
name = "size"
goal = "minimize"
pattern = '^size (\\S+)'

[[constraint]]
metric = "size"
max = 9

[progress]

[seeds]
search = 4
confirm = 3
"""

SPEAKING = """
print("size", A + B + C)
for step in range(1, 5):
    print("aster.progress", step, (A - 3) ** 2 + (B - 2) ** 2 + (C - 4) ** 2 + 1 + noise / step)
"""

MARKED = "# tune: 0..8\n{} = 0.5\n"

Content = tuple[str, int, str, str]


def open_campaign(folder: Path, mode: Mode, experiments: int, sleep: float = SLEEP_S) -> Path:
    """Open a campaign over three constants; its experiments sleep for so many seconds."""
    problem = load_problem(write_problem(folder / "problem", sleep=sleep))
    return create(problem, Budget(experiments=experiments), slots=3, seed=5, mode=mode, campaigns=folder)


def open_determined_campaign(folder: Path) -> Path:
    """Open a campaign whose experiments do not depend on what arrives first: eleven ideas, all worse, none merges."""
    written = write_problem(folder / "problem", sleep=SLEEP_S)
    for path in (written / "ideas").iterdir():
        path.unlink()
    for n in range(1, 12):
        (written / f"ideas/lower-{n}.md").write_text(WORSE.format(n=n))
    problem = load_problem(written)
    return create(problem, Budget(experiments=40), slots=3, seed=5, mode="arrival", campaigns=folder)


def open_tuned_campaign(folder: Path) -> Path:
    """Open an ordered campaign of the tuner: candidates race, and bad ones are infeasible or stopped early."""
    written = write_problem(folder / "problem", sleep=0.05)
    for path in (written / "ideas").iterdir():
        path.unlink()
    for name in "abc":
        (written / f"solution/{name}.py").write_text(MARKED.format(name.upper()))
    toml, solve = written / "problem.toml", written / "solution/solve.py"
    toml.write_text(toml.read_text() + TUNED)
    solve.write_text(solve.read_text() + SPEAKING)
    return create(load_problem(written), Budget(experiments=60), slots=3, seed=5, mode="ordered", campaigns=folder)


def undisturbed(folder: Path) -> Board:
    """Run a campaign without killing anything."""
    process = start(folder)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()
    return load_campaign(folder).board


def contents(board: Board) -> list[Content]:
    """Return what each experiment was and came to, in the order planned, without the number of its decision."""
    return [
        (state.record.candidate, state.record.seed, state.record.purpose, str(state.outcome and state.outcome.result))
        for state in board.experiments.values()
    ]


def check_same(board: Board, calm: Board) -> None:
    assert list(board.experiments) == list(calm.experiments)
    records = [[state.record for state in each.experiments.values()] for each in (board, calm)]
    assert records[0] == records[1]
    assert contents(board) == contents(calm)
    claims = [[(claim.record, claim.decided) for claim in each.claims.values()] for each in (board, calm)]
    assert claims[0] == claims[1]
    assert board.ended == calm.ended
