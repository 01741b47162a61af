"""Small problems that a campaign can really run: two ideas, a few milliseconds an experiment."""

from __future__ import annotations

from pathlib import Path

SOLVE = """\
import json, pathlib, random, sys, time
from a import A
from b import B
gate = {gate!r}
while gate and not pathlib.Path(gate).exists():
    time.sleep(0.01)
random.seed(int(sys.argv[2]))
loss = (A - 3) ** 2 + (B - 2) ** 2 + 1 + random.gauss(0, {sd!r})
json.dump(loss, open(sys.argv[1], "w"))
"""

EVALUATE = """\
import json, os, sys
json.dump({"loss": json.load(open(sys.argv[1]))}, open(os.environ["ASTER_SCORE"], "w"))
"""

PROBLEM = """\
[problem]
name = "toy"
title = "A toy with [bold]marks[/bold]"
[solution]
root = "solution"
editable = ["**/*.py"]
[[stage]]
name = "solve"
command = ["python", "solution/solve.py", "{{outputs}}/x.json", "{{seed}}"]
timeout = "60s"
[[stage]]
name = "score"
command = ["python", "evaluate.py", "{{outputs}}/x.json"]
trusted = true
timeout = "60s"
[[metric]]
name = "loss"
goal = "minimize"
valid = [0, 100]
resolution = 0.001
exact = {exact}
"""

IDEA = """\
+++
name = "more-{name}"
surface = "{name}"
title = "More of {name}"
predicts = 1.0
[[knob]]
name = "solution/{name}.py::{knob}"
values = [1.0, 2.0, 3.0]
+++
{knob} is too small.

```diff
--- a/solution/{name}.py
+++ b/solution/{name}.py
@@ -1 +1 @@
-{knob} = 0.0
+{knob} = 1.0
```
"""


def toy_problem(
    folder: Path, *, exact: bool = False, gate: Path | None = None, files: dict[str, str] | None = None
) -> Path:
    """Write a problem into `folder` and return it: minimise (A - 3)^2 + (B - 2)^2 + 1 from A = B = 0.

    Args:
        exact: no noise, and a metric that is scored again instead of repeated; else noise of sd 0.1.
        gate: experiments wait until this file exists.
        files: path -> text, over what is written otherwise.
    """
    texts = {
        "README.md": "Make the loss small.\n",
        "problem.toml": PROBLEM.format(exact=str(exact).lower()),
        "evaluate.py": EVALUATE,
        "solution/solve.py": SOLVE.format(gate=str(gate) if gate else "", sd=0.0 if exact else 0.1),
        "solution/a.py": "A = 0.0\n",
        "solution/b.py": "B = 0.0\n",
        "ideas/more-a.md": IDEA.format(name="a", knob="A"),
        "ideas/more-b.md": IDEA.format(name="b", knob="B"),
        **(files or {}),
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
