"""Campaigns told by hand, event by event, for the tests of the report."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec

from aster.board import Board
from aster.domain import events as ev
from aster.domain.constraints import Verdict
from aster.domain.ids import blob_id, search_seed, tree_id
from aster.domain.records import (
    Candidate,
    Change,
    Claim,
    Decided,
    Direction,
    Experiment,
    Failed,
    Finding,
    Goal,
    Hypothesis,
    Invalid,
    Limits,
    Measured,
    Objective,
    Outcome,
    Purpose,
    Reference,
    Result,
    Setup,
    TimedOut,
    Usage,
)
from aster.errors import StoreError
from aster.evidence.verdict import decide_claim

CPU = "cpu: Test 1000"
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3"/></svg>'


class Story:
    """Builds a board by events; every experiment takes `seconds` and they end one after another."""

    def __init__(self, setup: Setup, problem_files: Mapping[str, bytes] | None = None) -> None:
        self.board, self.clock = Board(), 1_000.0
        self._blobs: dict[str, bytes] = {}
        self.n = 0
        files = dict(problem_files or {"problem.toml": b'[solution]\nroot = "solution"\n'})
        files.setdefault("solution/solve.py", b"print(1)\n")
        self.say(ev.CampaignOpened("k-1", setup, self.put_tree(files)))
        self.say(ev.TermStarted(1, CPU, "here", 1, "0.1.0"))
        self.baseline = self.candidate({"solution/solve.py": files["solution/solve.py"]}, author="baseline")

    def say(self, *events: ev.Event) -> None:
        for event in events:
            self.board.apply(ev.decode(ev.encode(event)))

    def put(self, data: bytes) -> str:
        self._blobs[blob_id(data)] = data
        return blob_id(data)

    def put_tree(self, files: Mapping[str, bytes]) -> str:
        return self.put(msgspec.json.encode({path: self.put(data) for path, data in files.items()}))

    def get_blob(self, id: str) -> bytes:
        if id not in self._blobs:
            raise StoreError(f"no blob {id}")
        return self._blobs[id]

    def direction(self, surface: str, rationale: str = "it may matter") -> str:
        self.say(ev.DirectionOpened(Direction(f"d-{surface}", surface, rationale)))
        return f"d-{surface}"

    def candidate(
        self,
        files: Mapping[str, bytes],
        change: str = "",
        parent: str | None = None,
        direction: str | None = None,
        author: str = "ideas",
        recipe: tuple[Change, ...] = (),
        label: str = "",
        text: str = "It should help.",
    ) -> str:
        """Add a candidate, with the hypothesis behind it where a direction is named."""
        hypothesis, key = None, tree_id(files)
        if direction is not None:
            assert parent is not None
            hypothesis = f"h-{len(self.board.hypotheses)}"
            self.say(ev.HypothesisProposed(Hypothesis(hypothesis, direction, parent, change, text)))
        parents = (parent,) if parent else ()
        self.say(ev.CandidateAdded(Candidate(key, self.put_tree(files), parents, author, hypothesis, recipe, label)))
        return key

    def plan(
        self, candidate: str, seed: int = 0, purpose: Purpose = "search", claim: str | None = None,
        artifact: str | None = None,
    ) -> str:  # fmt: skip
        """Plan an experiment and start its attempt; returns the experiment's id."""
        self.n += 1
        key = f"x-{self.n}"
        hypothesis = self.board.candidates[candidate].hypothesis if purpose == "search" else None
        record = Experiment(key, self.n, candidate, seed, purpose, CPU, hypothesis, claim, artifact)
        self.say(ev.ExperimentPlanned(record), ev.AttemptStarted(f"{key}.1", key))
        return key

    def end(
        self,
        experiment: str,
        result: Result | float,
        seconds: float = 10.0,
        hardware: str = CPU,
        see: bool = True,
        **more: Any,
    ) -> str:
        """Record the outcome of an experiment's attempt; `see` lets decisions use it."""
        if not isinstance(result, float | int):
            counted: Result = result
        else:
            counted = Measured({self.board.setup.objective.metric: float(result)})
        usage = Usage(seconds, seconds, 512.0)
        self.clock += seconds
        outcome = Outcome(
            f"{experiment}.1", experiment, counted, hardware, usage, self.clock - seconds, self.clock, **more
        )
        self.say(ev.OutcomeRecorded(outcome))
        if see:
            self.say(ev.DecisionTaken(self.n + 1, None, self.clock - 1_000.0))
        return experiment

    def run(self, candidate: str, result: Result | float, seed: int = 0, **more: Any) -> str:
        """Plan and end a search experiment on search seed number `seed`; for the baseline, one of its own runs."""
        purpose: Purpose = "baseline" if candidate == self.baseline else "search"
        number = search_seed(self.board.setup.seed, seed)
        return self.end(self.plan(candidate, number, purpose), result, **more)

    def learn(self, experiment: str, gain: float | None, text: str = "") -> None:
        hypothesis = self.board.experiments[experiment].record.hypothesis
        assert hypothesis is not None
        success = gain is not None and gain > 0
        self.say(ev.FindingRecorded(Finding(hypothesis, experiment, text or f"gain {gain}", success, gain)))

    def claim(self, candidate: str, against: str, seeds: tuple[int, ...], alpha: float = 0.03, **more: Any) -> str:
        exact = self.board.setup.objective.exact
        number = len(self.board.claims) + 1
        fields: dict[str, Any] = {"least": 0.0, "seen": 0.1, "sd": 0.0, "power": None if exact else 0.8} | more
        record = Claim(
            f"m-{number}", number, candidate, against, alpha=alpha, seeds=seeds, paired=not exact, exact=exact, **fields
        )
        self.say(ev.ClaimOpened(record))
        return record.id

    def test(self, claim: str, new: list[Result | float], old: list[Result | float]) -> None:
        """Run the pairs of a claim, interleaved."""
        record, board = self.board.claims[claim].record, self.board
        for seed, a, b in zip(record.seeds, new, old, strict=True):
            for candidate, value in ((record.candidate, a), (record.against, b)):
                artifact = None
                if record.exact:
                    artifact = board.experiments_of[candidate][0]
                self.end(self.plan(candidate, seed, "confirm", claim, artifact), value)

    def decide(
        self, claim: str, verdict: Verdict, gain: float | None, low: float | None, high: float | None,
        note: str = "",
    ) -> None:  # fmt: skip
        pairs = len(self.board.claims[claim].record.seeds)
        self.say(ev.ClaimDecided(Decided(claim, verdict, gain, low, high, pairs, note)))


def exact_setup(goal: Goal = "maximize", **more: Any) -> Setup:
    """A campaign on an exact metric with two references, one under the same conditions."""
    fields: dict[str, Any] = {
        "problem": "circle-packing",
        "title": "Pack 26 circles in the unit square",
        "objective": Objective("sum_of_radii", goal, resolution=1e-9, exact=True),
        "limits": Limits(wall_s=7200.0, experiments=400),
        "mode": "ordered",
        "slots": 2,
        "seed": 1,
        "references": (
            Reference("AlphaEvolve", 2.635, "arXiv:2506.13131", same=True),
            Reference("best known", 2.6359, "Packomania", same=False, conditions="any method, any budget"),
        ),
    }
    return Setup(**(fields | more))


def noisy_setup(goal: Goal = "minimize", **more: Any) -> Setup:
    """A campaign on a noisy metric."""
    fields: dict[str, Any] = {
        "problem": "tiny-lm",
        "title": "A small language model in 60 seconds",
        "objective": Objective("val_bpb", goal),
        "limits": Limits(experiments=100),
        "mode": "arrival",
        "slots": 4,
        "seed": 7,
        "references": (Reference("autoresearch", 1.19, "its log", conditions="one H100, 300 s"),),
    }
    return Setup(**(fields | more))


def packing_story(size: int = 60, records: int = 9, seed: int = 3, **setup: Any) -> Story:
    """An exact campaign that climbs fast and then by ever smaller steps, as packings do, up to a confirmed claim."""
    rng, story = random.Random(seed), Story(exact_setup(**setup))
    surfaces = ["layout", "optimizer", "restarts", "polish"]
    directions = [story.direction(s, f"The {s} decides much of the sum.") for s in surfaces]
    story.run(story.baseline, 0.959764, seconds=4.0)
    names = ["hex-layout", "slsqp", "restarts", "polish", "symmetry", "jitter", "swap", "grow-smallest", "boundary"]
    at = {int((i + 1) / (records + 1) * size * (0.3 + 0.7 * i / records)) for i in range(records)}
    at |= set(range(2, 2 + records - len(at)))
    best, parent, k = 0.959764, story.baseline, 0
    for i in range(1, size):
        where, name = directions[i % 4], names[i % len(names)]
        files = {"solution/solve.py": f"n = {i}\n".encode()}
        improves = i in at
        base = parent if improves or rng.random() < 0.5 else story.baseline
        change = f"+ {name}" if i % 3 else f"{name} STEPS={100 * i}"
        recipe = (*story.board.candidates[base].recipe, Change(name, {} if i % 3 else {"STEPS": 100 * i}))
        key = story.candidate(files, change, base, where, recipe=recipe, label=f"{name} on {base[:6]}")
        if not improves and rng.random() < 0.12:
            story.learn(story.run(key, _trouble(rng), seconds=rng.uniform(1, 60)), None)
            continue
        k += improves
        value = 2.6358627 - 1.6 * 10 ** (-4.5 * k / records) if improves else best - abs(rng.gauss(0.02, 0.15))
        done = story.run(key, value, seconds=rng.uniform(5, 40), pictures={"packing.svg": story.put(PICTURE)},
                         artifacts={"circles.json": story.put(b"[[0.5, 0.5, 0.5]]")})  # fmt: skip
        story.learn(done, value - best)
        if improves:
            best, parent = value, key
    claim = story.claim(parent, story.baseline, (0,), least=1e-9, seen=best - 0.959764)
    story.test(claim, [best], [0.959764])
    story.decide(claim, "confirmed", best - 0.959764, best - 0.959764, best - 0.959764, "exact: scored again")
    return story


def _trouble(rng: random.Random) -> Result:
    kinds: list[Result] = [Failed("exit 1"), TimedOut("solve", 60.0), Invalid("circles 3 and 7 overlap by 2e-7")]
    return rng.choice(kinds)


def noisy_story(size: int = 40, verdict: bool = True, seed: int = 5, **setup: Any) -> Story:
    """A noisy campaign that goes down in steps, with five baseline runs, up to a claim on six pairs."""
    rng, story = random.Random(seed), Story(noisy_setup(**setup))
    where = story.direction("embeddings")
    for s in range(5):
        story.run(story.baseline, rng.gauss(1.2185, 0.0012), seed=s, seconds=62.0)
    best, parent = 1.2185, story.baseline
    for i in range(size):
        key = story.candidate({"solution/solve.py": f"n = {i}\n".encode()}, f"+ idea-{i}", parent, where)
        mean = best - 0.008 * rng.random() if i % 6 == 2 else best + abs(rng.gauss(0.002, 0.01))
        done = [
            story.run(key, rng.gauss(mean, 0.0012), seed=s, seconds=rng.uniform(60, 64))
            for s in range(story.board.setup.search_seeds)
        ]
        story.learn(done[-1], best - mean)
        if mean < best:
            best, parent = mean, key
    claim = story.claim(parent, story.baseline, tuple(range(100, 106)), seen=0.03, sd=0.0012)
    if verdict:
        new = [rng.gauss(best, 0.0012) for _ in range(6)]
        old = [rng.gauss(1.2185, 0.0012) for _ in range(6)]
        story.test(claim, list(new), list(old))
        story.say(ev.ClaimDecided(decide_claim(story.board, story.board.claims[claim])))
    return story
