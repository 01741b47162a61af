"""The nouns of a campaign, as frozen records.

Finished records never change. Times are Unix seconds, durations seconds, memory MiB. Paths are relative
to the problem folder and use "/". A `blob` field holds the content address of bytes in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from aster.domain.constraints import BoundTest, Constraint, Verdict
from aster.domain.research import ModelChoice

Goal = Literal["maximize", "minimize"]
Purpose = Literal["baseline", "search", "confirm", "check", "diagnosis", "repeat"]
"""Diagnosis: of a version that an agent made only to learn something. Repeat: of a version that was measured before, on
a further search seed. Neither ranks anybody."""
Mode = Literal["ordered", "arrival"]
Knob = int | float | str | bool | list[int | float | str | bool]


class Objective(Struct, frozen=True):
    """What is optimised. `resolution`: differences at most this large are ties, in the metric's units.

    `exact`: the metric is deterministic given the artifact, so a claim re-scores the artifact and needs no seeds.
    `self_reported`: it is read from what the candidate's own code printed; whoever shows it says so.
    """

    metric: str
    goal: Goal
    resolution: float = 0.0
    exact: bool = False
    self_reported: bool = False

    @property
    def shown(self) -> str:
        """The metric's name as people are to read it: with a mark if it is self-reported."""
        return f"{self.metric} (self-reported)" if self.self_reported else self.metric

    def gain(self, new: float, old: float) -> float:
        """Return by how much `new` is better than `old` (negative: worse), in the metric's units."""
        return new - old if self.goal == "maximize" else old - new

    def better(self, new: float, old: float) -> bool:
        """Whether `new` beats `old` by more than the resolution."""
        return self.gain(new, old) > self.resolution


class Limits(Struct, frozen=True):
    """The ceiling of a campaign: active wall seconds, experiments, dollars and tokens for models, seconds that GPUs are
    leased. None: no ceiling of that kind."""

    wall_s: float | None = None
    experiments: int | None = None
    usd: float | None = None
    tokens: int | None = None
    gpu_s: float | None = None


class Reference(Struct, frozen=True):
    """A published mark, drawn beside the campaign's own numbers.

    `same`: reached under the same conditions as this campaign's; else it is drawn grey with its `conditions`, and no
    sentence says that it was beaten.
    """

    name: str
    value: float
    source: str
    same: bool = False
    conditions: str = ""

    @property
    def unit(self) -> float:
        """One unit of the last digit that the value was published with: 2.635 may be anything up to 2.636."""
        exponent = Decimal(repr(self.value)).as_tuple().exponent
        return 10.0**exponent if isinstance(exponent, int) else 0.0


class Setup(Struct, frozen=True):
    """All that a campaign's decisions depend on, fixed when it is opened."""

    problem: str
    title: str
    objective: Objective
    limits: Limits
    mode: Mode
    slots: int
    seed: int
    search_seeds: int = 1
    confirm_seeds: int = 10
    paired: bool = True
    """Whether the solution takes a seed, so that two candidates can be compared on the same one."""
    descriptors: tuple[str, ...] = ()
    """Metrics that place a candidate in the archive; empty: the shape of its diff does."""
    references: tuple[Reference, ...] = ()
    racing: bool = False
    """Whether candidates race for search seeds; else each one gets them all."""
    researcher: str = "ideas"
    """Who writes candidates; one of `aster.setup.RESEARCHERS`."""
    constraints: tuple[Constraint, ...] = ()
    progress: Goal | None = None
    """Which way intermediate values improve, where hopeless search experiments are stopped by them; None: none are."""
    models: tuple[ModelChoice, ...] = ()
    """The language models that agents may use; none: no agents."""
    agents: int = 0
    """How many agents think side by side, at most."""
    attempt_gpu_s: float = 0.0
    """The most GPU seconds that one attempt may take, over its devices; 0 where it needs none."""
    checks: bool = False
    """Whether a candidate can be checked by the problem's quick stages, without an experiment."""
    fewest_pairs: int = 3
    """The fewest pairs of a claim, where its power would ask for no more."""
    one_shot: bool = False
    """Whether subagents answer once with edits, instead of working with tools."""
    sealed: bool = False
    """Whether claims are tested on data that the search never sees, so that their levels are not the search's."""

    def infeasible(self, metrics: Mapping[str, float]) -> str | None:
        """Return in words which constraints a measurement breaks and by how much, or None if it keeps them all."""
        broken = [why for each in self.constraints if (why := each.broken_by(metrics)) is not None]
        return "; ".join(broken) or None


COMBINATION = "combination"
"""The surface of directions that combine changes which won apart, in other directions."""


EXHAUSTED = "exhausted: nothing untried is left a step away from any elite"
"""Why a direction is retired when its proposer has nothing more; opened again once the archive has changed.

Also why a campaign ends, when that is so on every surface. Candidates further away were not tried.
"""


class Change(Struct, frozen=True):
    """One idea as a candidate holds it, with the knob values that differ from the idea's own."""

    idea: str
    knobs: dict[str, Knob] = {}


class Direction(Struct, frozen=True):
    """A research direction on one surface.

    Attributes:
        by: who opened it and works in it: "" for proposers, else "agents".
        paths, success, novelty, expected, experiments: as in `aster.domain.research.DirectionDraft`.
    """

    id: str
    surface: str
    rationale: str
    by: str = ""
    paths: tuple[str, ...] = ()
    success: str = ""
    novelty: str = ""
    expected: float | None = None
    experiments: int | None = None


class Hypothesis(Struct, frozen=True):
    """One testable claim inside a direction: `change` applied to `parent` moves the objective by `predicts`.

    `of`: the hypothesis that this one is a version of, where a subagent tries several; "": it was never a draft; None:
    it is a draft, if agents work in its direction. `other`: a candidate whose change is to be brought in too.
    `anew`: it starts from whatever is best when it is begun, and `parent` is what was when it was proposed.
    `by`: the role of whoever wrote it, "planner" or "worker"; "": not known, or nobody's. `advice`: what the critic
    would have whoever carries it out look at.
    """

    id: str
    direction: str
    parent: str
    change: str
    text: str
    predicts: float | None = None
    of: str | None = None
    other: str | None = None
    anew: bool = False
    by: str = ""
    advice: str = ""


class Candidate(Struct, frozen=True):
    """A content-addressed version of the solution tree.

    Attributes:
        tree: blob of a JSON object from path to blob, for every editable file.
        parents: candidate ids; the first is the one that the diff and the hypothesis are about.
        author: the researcher, such as "baseline" or "ideas".
        recipe: the ideas in it, sorted by name; empty for a candidate not made from ideas. A tuned one has its root's.
        label: a short description for people.
        traits: the shape of its diff against the baseline, for the archive.
        root: the candidate whose tree with `settings` this one is, for a tuned candidate; roots have none themselves.
        settings: constants that were set, from "FILE::QUALIFIED.NAME" to the value. Without a root: what a candidate
            made from ideas took over from a tuned parent, set in the tree that its recipe makes.
        diagnosis: it was made only to learn something, and is nobody's parent, elite or champion.
    """

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    hypothesis: str | None
    recipe: tuple[Change, ...] = ()
    label: str = ""
    traits: tuple[float, ...] = ()
    root: str | None = None
    settings: dict[str, Knob] = {}
    diagnosis: bool = False


class Experiment(Struct, frozen=True):
    """One candidate, one seed, one kind of hardware, one purpose.

    `decision` is the number of the decision that planned it. `artifact` names the experiment whose stored
    outputs are re-scored, for exact metrics; None: the candidate's code runs. `bars` are (step, worst intermediate
    value that may go on), by step: the first value at or past a step that is worse ends the attempt. `tree`: what is
    checked, for a check, whose candidate need not be recorded; None: the candidate's.
    """

    id: str
    decision: int
    candidate: str
    seed: int
    purpose: Purpose
    hardware: str
    hypothesis: str | None = None
    claim: str | None = None
    artifact: str | None = None
    bars: tuple[tuple[int, float], ...] = ()
    tree: str | None = None


class Said(Struct, frozen=True):
    """What was read from the output of a candidate's code: the text of each metric found, and its last line."""

    metrics: dict[str, str] = {}
    last_line: str = ""


class Usage(Struct, frozen=True):
    """What an attempt used: wall and CPU seconds, peak resident MiB over its processes, GPU seconds leased."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    max_rss_mb: float = 0.0
    gpu_s: float = 0.0


class Measured(Struct, frozen=True, tag="measured"):
    """The only result with numbers: all finite, the objective among them, all within their valid range.

    One that breaks a constraint of the campaign is infeasible: it keeps its numbers, and they never count.
    """

    metrics: dict[str, float]


class Failed(Struct, frozen=True, tag="failed"):
    """The attempt broke: a crash, a missing output, a failing evaluator."""

    reason: str


class TimedOut(Struct, frozen=True, tag="timed_out"):
    """A stage ran past its limit and its process tree was killed."""

    stage: str
    limit_s: float


class Invalid(Struct, frozen=True, tag="invalid"):
    """The attempt broke a rule, which `rule` names."""

    rule: str


class Cancelled(Struct, frozen=True, tag="cancelled"):
    """The campaign stopped the attempt: its budget ended, or the user asked; `early`: one of its bars did."""

    reason: str
    early: bool = False


Result = Measured | Failed | TimedOut | Invalid | Cancelled


class Outcome(Struct, frozen=True):
    """What one attempt came to.

    Attributes:
        attempt: its id, "EXPERIMENT.NUMBER": the natural key of this fact.
        hardware: the kind it ran on; scores of different kinds are never ranked together.
        log: blob of the bounded tail of its output; None where there was none.
        artifacts: outputs kept, from file name to blob.
        pictures: drawings by the trusted stage, from file name to blob.
        progress: (step, intermediate value) by step, at most 200, as the candidate printed them.
    """

    attempt: str
    experiment: str
    result: Result
    hardware: str
    usage: Usage
    started: float
    ended: float
    log: str | None = None
    artifacts: dict[str, str] = {}
    pictures: dict[str, str] = {}
    progress: tuple[tuple[int, float], ...] = ()


class Claim(Struct, frozen=True):
    """ "`candidate` beats `against` on the objective by more than `least`", and how it will be tested.

    Attributes:
        number: k, counted over the campaign's claims; sets `alpha`.
        alpha: one-sided error rate spent on this claim.
        seen: the gain seen in search that led to the claim, in the metric's units.
        sd: the noise of one measurement that the design used.
        seeds: one fresh seed a pair; their number was fixed before any was run. One dummy seed if exact.
        power: the chance to confirm if the gain expected is real; None for exact metrics.
        expected: what the design expects of the gain seen, less the luck of the best of many; None: all of it. Where a
            model of the candidates chose whom to claim, what that expects.
    """

    id: str
    number: int
    candidate: str
    against: str
    least: float
    alpha: float
    seen: float
    sd: float
    seeds: tuple[int, ...]
    paired: bool
    exact: bool
    power: float | None = None
    expected: float | None = None


class Decided(Struct, frozen=True):
    """The verdict on a claim: mean gain, its interval (at 1 - 2 alpha), and the pairs that it rests on.

    `bounds`: what the claimed candidate's experiments tell of each bound on a mean, where the campaign has any.
    """

    claim: str
    verdict: Verdict
    gain: float | None
    low: float | None
    high: float | None
    pairs: int
    note: str = ""
    bounds: tuple[BoundTest, ...] = ()


class Finding(Struct, frozen=True):
    """What was learnt from one hypothesis. `gain` is against its parent, None if it did not measure."""

    hypothesis: str
    experiment: str
    text: str
    success: bool
    gain: float | None = None
