"""A small problem with an evaluator that can be made as careless as a test wants."""

from __future__ import annotations

from pathlib import Path

PROBLEM = """\
[problem]
name = "rods"
title = "Lay four rods on a shelf"
[solution]
root = "solution"
editable = ["*.py"]
[[stage]]
name = "lay"
command = ["python", "solution/lay.py", "{outputs}/rods.json", "--seed", "{seed}"]
timeout = "30s"
[[stage]]
name = "score"
command = ["python", "evaluate.py", "{outputs}/rods.json"]
trusted = true
timeout = "30s"
[[metric]]
name = "length"
goal = "maximize"
exact = true
"""

LAY = """\
import json, sys
json.dump({"rods": [[k / 4 + 0.01, 0.2] for k in range(4)]}, open(sys.argv[1], "w"))
"""

STRICT = """\
import json, math, os, sys


def refuse(why):
    json.dump({"invalid": why}, open(os.environ["ASTER_SCORE"], "w"))
    sys.exit()


def unique(pairs):
    return dict(pairs) if len(dict(pairs)) == len(pairs) else refuse("a key twice")


try:
    data = open(sys.argv[1], "rb").read(10000)
    document = json.loads(data, object_pairs_hook=unique)
except (OSError, ValueError, RecursionError) as error:
    refuse("not JSON: " + type(error).__name__)
if not isinstance(document, dict) or set(document) != {"rods"} or not isinstance(document["rods"], list):
    refuse("not an object with rods")
rods = document["rods"]
for rod in rods:
    if not isinstance(rod, list) or len(rod) != 2:
        refuse("not a rod")
    if not all(type(x) in (int, float) and -1e6 < x < 1e6 and math.isfinite(x) for x in rod):
        refuse("not numbers")
if len(rods) != 4:
    refuse("not four rods")
end = 0.0
for x, long in sorted(rods):
    if long < 0 or x < end or x + long > 1:
        refuse("does not fit")
    end = x + long
json.dump({"length": sum(long for _, long in rods)}, open(os.environ["ASTER_SCORE"], "w"))
"""

LOOSE = """\
import json, os, sys
rods = json.load(open(sys.argv[1]))["rods"]
while not rods:
    pass
end = 0.0
for x, long in sorted(rods):
    if x < end or long < 0 or x + long > 1:
        json.dump({"invalid": "does not fit"}, open(os.environ["ASTER_SCORE"], "w"))
        sys.exit()
    end = x + long
json.dump({"length": sum(long for _, long in rods)}, open(os.environ["ASTER_SCORE"], "w"))
"""
"""Compares with NaN, counts no rods, and waits for ever where there are none."""


def rods_problem(folder: Path, evaluate: str = STRICT, **files: str) -> Path:
    """Write the problem into `folder` and return it. `files`: texts by path, over the others, "__" for "/"."""
    texts = {
        "README.md": "Long rods are better.\n",
        "problem.toml": PROBLEM,
        "evaluate.py": evaluate,
        "solution/lay.py": LAY,
        **{path.replace("__", "/").replace("_py", ".py").replace("_toml", ".toml"): t for path, t in files.items()},
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
