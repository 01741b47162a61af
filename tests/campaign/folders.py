"""A tiny real problem folder for campaigns that run processes."""

from __future__ import annotations

from pathlib import Path

from .simulated import SOLUTION, idea

TOML = """
[problem]
name = "toy"
title = "Make the loss small"

[solution]
root = "solution"
editable = ["**/*.py"]

[[stage]]
name = "solve"
command = ["python", "-S", "solution/solve.py", "{outputs}/loss.txt", "{seed}"]
timeout = "20s"

[[stage]]
name = "score"
command = ["python", "-S", "evaluate.py", "{outputs}/loss.txt"]
trusted = true
timeout = "20s"

[[metric]]
name = "loss"
goal = "minimize"
valid = [-100, 100]
resolution = 1e-6

[resources]
memory = "512MiB"
"""

SOLVE = """
import random, sys, time
from a import A
from b import B
from c import C

noise = random.Random(f"{sys.argv[2]} {A} {B} {C}").gauss(0, 0.1)
time.sleep(SLEEP)
with open(sys.argv[1], "w") as out:
    out.write(str((A - 3) ** 2 + (B - 2) ** 2 + (C - 4) ** 2 + 1 + noise))
"""

EVALUATE = """
import os, sys
loss = float(open(sys.argv[1]).read())
open(os.environ["ASTER_SCORE"], "w").write('{"loss": %r}' % loss)
"""


def write_problem(folder: Path, *, sleep: float = 0.0) -> Path:
    """Write the bowl of `simulated` as a problem whose experiments take `sleep` seconds, and return its folder."""
    files = {
        "problem.toml": TOML,
        "README.md": "Make the loss small.\n",
        "evaluate.py": EVALUATE,
        "solution/solve.py": SOLVE.replace("SLEEP", str(sleep)),
        **{path: data.decode() for path, data in SOLUTION.items()},
        **{f"ideas/more-{name}.md": idea(name) for name in "abc"},
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder
