"""A small problem whose ideas move three constants, for simulated campaigns."""

from __future__ import annotations

import re
from collections.abc import Callable

from aster.campaign.decide import Minds
from aster.domain.ids import seeded
from aster.domain.records import Candidate, Experiment, Limits, Measured, Mode, Objective, Result, Setup
from aster.minds import Trees
from aster.planning.bandit import BanditPlanner
from aster.proposers.idea_proposer import IdeaProposer
from aster.proposers.ideas import load_ideas
from aster.proposers.several import Several
from aster.proposers.surfaces import NEW_CODE, SurfaceMap
from aster.proposers.tuner import Tuner

SOLUTION = {f"solution/{name}.py": f"{name.upper()} = 0\n".encode() for name in "abc"}


def idea(name: str) -> str:
    """Return the Markdown of an idea that offers values of one constant on a surface of its own."""
    upper = name.upper()
    return f"""+++
name = "more-{name}"
surface = "{name}"
title = "More of {upper}"
predicts = 1.0
[[knob]]
name = "solution/{name}.py::{upper}"
values = [1, 2, 3, 4, 5, 6]
+++
{upper} is too small.

```diff
--- a/solution/{name}.py
+++ b/solution/{name}.py
@@ -1 +1 @@
-{upper} = 0
+{upper} = 1
```
"""


def minds() -> Minds:
    """Return the policies of a campaign over the three ideas."""
    library = load_ideas({f"ideas/more-{n}.md": idea(n) for n in "abc"}, SOLUTION, frozenset(SOLUTION))
    proposer = IdeaProposer(library, frozenset())
    return Minds(BanditPlanner(proposer.surfaces()), proposer, SOLUTION)


def setup(
    experiments: int | None = 60,
    *,
    wall_s: float | None = None,
    mode: Mode = "ordered",
    slots: int = 3,
    seed: int = 0,
    exact: bool = False,
    search_seeds: int = 1,
    paired: bool = True,
) -> Setup:
    """Return the setup of a campaign that minimises `loss`."""
    objective = Objective("loss", "minimize", 1e-6, exact)
    limits = Limits(wall_s, experiments)
    return Setup("toy", "A toy", objective, limits, mode, slots, seed, search_seeds, 10, paired)


def values(candidate: Candidate) -> dict[str, int]:
    """Return what a candidate sets A, B and C to, read from its label."""
    found = dict.fromkeys("abc", 0)
    for name in found:
        if f"more-{name}" in candidate.label:
            knob = re.search(rf"more-{name}\({name.upper()}=(\d)\)", candidate.label)
            found[name] = int(knob[1]) if knob else 1
    return found


def bowl(noise: float) -> Callable[[Candidate, Experiment], Result]:
    """Return measurements of (a-3)^2 + (b-2)^2 + (c-4)^2 + 1 with normal noise, fixed by seed and candidate."""

    def measure(candidate: Candidate, experiment: Experiment) -> Result:
        v = values(candidate)
        loss = (v["a"] - 3) ** 2 + (v["b"] - 2) ** 2 + (v["c"] - 4) ** 2 + 1.0
        return Measured({"loss": loss + seeded("noise", candidate.id, experiment.seed).gauss(0.0, noise)})

    return measure


def flat(noise: float, campaign: int) -> Callable[[Candidate, Experiment], Result]:
    """Return measurements of pure noise: no candidate is better than another."""

    def measure(candidate: Candidate, experiment: Experiment) -> Result:
        return Measured({"loss": 10.0 + seeded("flat", campaign, candidate.id, experiment.seed).gauss(0.0, noise)})

    return measure


def both_minds() -> Minds:
    """Return the policies of a campaign in which the tuner works beside the ideas, on the values that they list."""
    library = load_ideas({f"ideas/more-{n}.md": idea(n) for n in "abc"}, SOLUTION, frozenset(SOLUTION))
    trees = Trees(SOLUTION, library, frozenset(), SOLUTION.__getitem__)
    surfaces = SurfaceMap("solution", {"tuned a": ["solution/a.py"], "tuned b": ["solution/b.py"]})
    tuner = Tuner(trees.of, surfaces, {"tuned a": None, "tuned b": None, NEW_CODE: None}, trees.knobs_of)
    proposer = Several([IdeaProposer(library, frozenset()), tuner])
    return Minds(BanditPlanner(proposer.surfaces()), proposer, SOLUTION)
