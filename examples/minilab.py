"""Aster in one file: an autonomous research system in miniature. Read it from top to bottom.

    problem -> directions -> hypotheses -> candidates -> experiments -> outcomes
                                               -> ledger -> board -> archive, claims -> report

Run `python examples/minilab.py`; kill it at any moment, run it again, and it goes on. Three ideas carry it:

1. What happened lives only in the ledger. The board is its fold; `decide` is a pure function of the board.
2. A better score is a hint. The champion changes only by a claim: fresh seeds, pairs, an interval.
3. An experiment is a process with a deadline. When it fails, its outcome says so and holds no number.

Left out: language models (edits come from a list), walls around hostile code (a process that leaves its
session gets away), a keeper that ends experiments when this process is killed. POSIX, standard library.
"""

# ruff: noqa: UP014 (the records are a table)
# fmt: off
import argparse
import contextlib
import hashlib
import json
import math
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, combinations
from pathlib import Path
from statistics import fmean, stdev
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import NamedTuple

# The problem: nine points in the unit square, as far apart as can be. The best is known, 0.5: a 3 by 3 grid.
# Only the solution may be edited. It runs elsewhere; what it prints is read here as data, and scored.
SOLUTION = """\
import itertools, math, random, sys
STEP = 0.3
COOL = 1.0
chance = random.Random(sys.argv[1])
wall = lambda v: v % 1.0
pick = lambda: range(9)
gap = lambda points: min(math.dist(p, q) for p, q in itertools.combinations(points, 2))
points = [(chance.random(), chance.random()) for _ in range(9)]
for turn in range(500):
    trial = list(points)
    for i in pick():
        trial[i] = tuple(wall(v + chance.gauss(0, STEP)) for v in points[i])
    points = max(trial, points, key=gap)
    STEP *= COOL
print(*(v for p in points for v in p))
"""
DIRECTIONS = {  # each is one surface, so that its experiments compare: lines that may replace each other
    "step size": ["STEP = 0.3", "STEP = 0.1", "STEP = 0.03", "STEP = 0.01"],
    "cooling": ["COOL = 1.0", "COOL = 0.997", "COOL = 0.99", "COOL = 0.9"],
    "walls": ["wall = lambda v: v % 1.0", "wall = lambda v: min(1.0, max(0.0, v))", "wall = lambda v: v"],
    "moves": ["pick = lambda: range(9)", "pick = lambda: [chance.randrange(9)]"],
}
RESOLUTION, TIMEOUT = 0.005, 10  # scores closer than the resolution are ties; seconds for one attempt
BASELINES, PAIRS, ALPHA = 8, 12, 0.05  # runs to learn the noise; pairs to test a claim; risk over all claims

def score(answer: str) -> float:
    """The least distance between two points. ValueError when a rule is broken, however good it looks."""
    values = [float(word) for word in answer.split()]
    if len(values) != 18 or not all(0 <= value <= 1 for value in values):
        raise ValueError("not nine points in the unit square")
    return min(math.dist(p, q) for p, q in combinations(zip(values[::2], values[1::2], strict=True), 2))

# The records. They are frozen: what is learnt later is another record. An id is a hash; an experiment has the
# number of the decision that made it; a purpose is baseline, search or confirm; only "measured" has a score.
Campaign = NamedTuple("Campaign", [("problem", str), ("seed", int), ("experiments", int), ("slots", int)])
Hypothesis = NamedTuple("Hypothesis", [("direction", str), ("old", str), ("new", str), ("predicts", float)])
Candidate = NamedTuple("Candidate", [("id", str), ("parent", str), ("text", str)])
Experiment = NamedTuple("Experiment", [("number", int), ("candidate", str), ("seed", int), ("purpose", str),
    ("direction", str)])
Outcome = NamedTuple("Outcome", [("number", int), ("status", str), ("score", float | None), ("note", str)])
Claim = NamedTuple("Claim", [("number", int), ("candidate", str), ("champion", str), ("first", int),
    ("alpha", float), ("verdict", str), ("low", float | None), ("high", float | None)])
Event = Campaign | Hypothesis | Candidate | Experiment | Outcome | Claim
KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__args__}

def digest(*parts: object) -> str:
    """Ids and fresh seeds are hashes of what they stand for: no clock, no counter, no luck."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:8]

class Ledger:
    """The append-only record. A fact may come twice and counts once; decision n, from one decider."""

    def __init__(self, path: Path) -> None:
        self._lock, self._db = threading.Lock(), sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS ledger (kind, key, events, PRIMARY KEY (kind, key))")

    def append(self, kind: str, key: int, *events: Event) -> None:
        verb = "INSERT" if kind == "decision" else "INSERT OR IGNORE"
        body = json.dumps([[type(event).__name__, *event] for event in events])
        with self._lock, self._db:
            self._db.execute(f"{verb} INTO ledger VALUES (?, ?, ?)", (kind, key, body))

    def read(self) -> list[tuple[str, list[Event]]]:
        rows = self._db.execute("SELECT kind, events FROM ledger ORDER BY rowid")
        return [(kind, [KINDS[name](*rest) for name, *rest in json.loads(body)]) for kind, body in rows]

class Board:
    """What everyone reads: the fold of the ledger, kept in place, one event at a time."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign, self.decisions, self.champion = campaign, 0, ""
        self.candidates: dict[str, Candidate] = {}
        self.experiments: list[Experiment] = []
        self.landed: dict[int, Outcome] = {}  # in the ledger, not yet to be seen
        self.outcomes: list[Outcome] = []  # seen, in the order of their experiments
        self.hints: dict[str, list[float]] = {}  # candidate -> scores in search: the best are partly luck
        self.trials: dict[str, list[float]] = {}  # candidate -> other scores, which no selection has touched
        self.dead: set[str] = set()  # candidates that came to no score
        self.gains = {name: deque([0.0], maxlen=8) for name in DIRECTIONS}  # of latest edits; 0: the prior
        self.archive: dict[str, str] = {}  # direction -> its elite, worth branching from
        self.claims: list[Claim] = []

    def apply(self, kind: str, *events: Event) -> None:
        """Fold one row. Decision n sees experiments 0 ... n - slots, in order, whatever finished first."""
        for event in events:
            match event:
                case Candidate(name):
                    self.candidates[name] = event
                    self.champion = self.champion or name  # the baseline, until a claim is confirmed
                case Experiment():
                    self.experiments.append(event)
                case Outcome(number):
                    self.landed[number] = event
                case Claim(number, candidate):
                    self.claims[number - 1 :] = [event]
                    self.champion = candidate if event.verdict == "confirmed" else self.champion
        self.decisions += kind == "decision"
        while (due := len(self.outcomes)) in self.landed and due <= self.decisions - self.campaign.slots:
            self._see(self.experiments[due], self.landed.pop(due))

    def _see(self, experiment: Experiment, outcome: Outcome) -> None:
        name, direction, search = experiment.candidate, experiment.direction, experiment.purpose == "search"
        self.outcomes.append(outcome)
        if outcome.score is None:
            self.dead.add(name)
        else:
            (self.hints if search else self.trials).setdefault(name, []).append(outcome.score)
        if search:
            self.gains[direction].append(max(0.0, self.gain(name) - self.gain(self.candidates[name].parent)))
        if search and name not in self.dead:
            self.archive[direction] = max(self.archive.get(direction, name), name, key=self.gain)

    def gain(self, name: str) -> float:
        """How far a candidate's hints lie above the champion's trials; without a score nothing is gained."""
        hints, trials = self.hints.get(name), self.trials.get(self.champion)
        return fmean(hints) - fmean(trials) if hints and trials else 0.0

    def noise(self) -> float:
        """The champion's standard deviation over seeds: the ruler for every gain."""
        trials = self.trials.get(self.champion, [])
        return max(stdev(trials), RESOLUTION) if len(trials) > 1 else 1.0

def quantile(p: float, df: int) -> float:
    """Student's t for p > 0.5. If T = sqrt(df) tan(angle), the density of the angle goes as cos^(df - 1)."""
    angles = [math.pi / 2 * (i + 0.5) / 50_000 for i in range(50_000)]
    mass = list(accumulate(math.cos(angle) ** (df - 1) for angle in angles))
    return math.sqrt(df) * math.tan(angles[sum(m < (2 * p - 1) * mass[-1] for m in mass)])

def judge(claim: Claim, scores: list[float | None]) -> Claim:
    """Candidate and champion took turns on the same seeds: where does the interval of the mean gain lie?"""
    found = [score for score in scores if score is not None]
    if len(found) < len(scores):
        return claim._replace(verdict="undecided")  # a pair without a number: no interval
    gains = [candidate - champion for candidate, champion in zip(found[::2], found[1::2], strict=True)]
    half = quantile(1 - claim.alpha / 2, len(gains) - 1) * stdev(gains) / math.sqrt(len(gains))
    low, high = fmean(gains) - half, fmean(gains) + half
    verdict = "confirmed" if low > RESOLUTION else "refuted" if high < RESOLUTION else "undecided"
    return claim._replace(verdict=verdict, low=low, high=high)

def weigh(board: Board) -> list[Claim]:
    """Close the open claim once all its pairs are seen, or open one for an elite outside the noise."""
    n, k, claims = board.decisions, len(board.claims) + 1, board.claims
    if claims and claims[-1].verdict == "open":
        scores = [outcome.score for outcome in board.outcomes[claims[-1].first :][: 2 * PAIRS]]
        return [judge(claims[-1], scores)] if len(scores) == 2 * PAIRS else []
    untested = set(board.archive.values()) - {claim.candidate for claim in claims}
    elite = max(sorted(untested), key=board.gain, default="")
    if board.gain(elite) <= board.noise() or n + 2 * PAIRS > board.campaign.experiments:
        return []
    alpha = ALPHA * 6 / (math.pi * k) ** 2  # over all k this adds up to ALPHA
    return [Claim(k, elite, board.champion, n, alpha, "open", None, None)]

def decide(board: Board) -> list[Event]:
    """Pure: the board in, the next events out. Its only chance is drawn from H(seed, decision number)."""
    n, seed, claims = board.decisions, board.campaign.seed, weigh(board)
    chance = random.Random(f"{seed}/{n}")
    if n >= board.campaign.experiments:
        return [*claims]  # all is spent: only wait and see
    for claim in (board.claims + claims)[-1:]:  # the latest, if there is one
        if (turn := n - claim.first) < 2 * PAIRS:
            name, fresh = (claim.candidate, claim.champion)[turn % 2], digest(seed, claim.number, turn // 2)
            return [*claims, Experiment(n, name, int(fresh, 16), "confirm", "")]
    if n < BASELINES:
        baseline = Candidate(digest(SOLUTION), "", SOLUTION)
        return [baseline, Experiment(n, baseline.id, chance.getrandbits(32), "baseline", "")]
    return [*claims, *search(board, chance)]

def search(board: Board, chance: random.Random) -> list[Event]:
    """The planner funds the direction with the best draw (Thompson sampling); the proposer makes an edit."""
    draws = ((chance.gauss(fmean(g), board.noise() / math.sqrt(len(g))), d) for d, g in board.gains.items())
    predicts, direction = max(draws)
    parent = chance.choice([board.champion, *board.archive.values()])
    text, lines = board.candidates[parent].text, DIRECTIONS[direction]
    old = next(line for line in lines if line + "\n" in text)
    texts = {new: text.replace(old + "\n", new + "\n") for new in lines if new != old}
    new = chance.choice([new for new in texts if digest(texts[new]) not in board.dead] or list(texts))
    candidate = Candidate(digest(texts[new]), parent, texts[new])
    experiment = Experiment(board.decisions, candidate.id, chance.getrandbits(32), "search", direction)
    return [Hypothesis(direction, old, new, predicts), candidate, experiment]

def attempt(experiment: Experiment, text: str) -> Outcome:
    """Run one experiment in its own session and a bare environment. At its end or deadline all of it dies."""
    number, line = experiment.number, [sys.executable, "-I", "-S", "-c", text, str(experiment.seed)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as room, tempfile.TemporaryFile() as out:
        process = Popen(line, cwd=room, env={}, stdin=DEVNULL, stdout=out, stderr=out, start_new_session=True)
        try:
            code = process.wait(TIMEOUT)
        except TimeoutExpired:
            return Outcome(number, "timed out", None, f"after {TIMEOUT} s")
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        answer = os.pread(out.fileno(), 4000, 0).decode(errors="replace")
    if code != 0:
        return Outcome(number, "failed", None, answer.strip().rpartition("\n")[2])
    try:
        return Outcome(number, "measured", score(answer), "")
    except ValueError as error:
        return Outcome(number, "invalid", None, str(error))

def research(campaign: Campaign, ledger: Ledger) -> Board:
    """Fold what is known, run what is unfinished, then decide until all is spent and seen."""
    ledger.append("campaign", 0, campaign)
    board = Board(campaign)
    for kind, events in ledger.read():
        if kind == "campaign" and events != [campaign]:
            raise SystemExit(f"this ledger belongs to {events[0]}")
        board.apply(kind, *events)

    def run(experiment: Experiment) -> Outcome:
        outcome = attempt(experiment, board.candidates[experiment.candidate].text)
        ledger.append("outcome", experiment.number, outcome)
        return outcome

    with ThreadPoolExecutor(campaign.slots) as pool:
        unseen = board.experiments[len(board.outcomes) :]
        running = {e.number: pool.submit(run, e) for e in unseen if e.number not in board.landed}
        for n in range(board.decisions, campaign.experiments + campaign.slots):
            if (due := n - campaign.slots) in running:
                board.apply("outcome", running.pop(due).result())
            events = decide(board)
            ledger.append("decision", n, *events)
            board.apply("decision", *events)
            running |= {e.number: pool.submit(run, e) for e in events if isinstance(e, Experiment)}
    return board

def chart(board: Board, width: int = 72, height: int = 10) -> str:
    """Scores over time: b baseline, s search, c confirm."""
    top = max((outcome.score or 0.0 for outcome in board.outcomes), default=0.0) or 1.0
    rows = [[" "] * width for _ in range(height)]
    for experiment, outcome in zip(board.experiments, board.outcomes, strict=True):
        if outcome.score is not None:
            row = min(height - 1, int(height * (1 - outcome.score / top)))
            rows[row][experiment.number * width // len(board.experiments)] = experiment.purpose[0]
    return "\n".join(f"{top * (1 - i / height):6.2f} |{''.join(row)}" for i, row in enumerate(rows))

def report(board: Board) -> str:
    lines = [f"{board.campaign}: {dict(Counter(outcome.status for outcome in board.outcomes))}", chart(board)]
    for k, candidate, champion, _, alpha, verdict, low, high in board.claims:
        gain = "a pair has no score" if low is None else f"gain {low:.3f} to {high:.3f}"
        lines.append(f"claim {k}: {candidate} beats {champion}: {verdict}, {gain} ({1 - alpha:.1%} interval)")
    before, after = SOLUTION.splitlines(), board.candidates[board.champion].text.splitlines()
    lines += [f"champion: {old}  ->  {new}" for old, new in zip(before, after, strict=True) if old != new]
    return "\n".join(lines)

def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A whole research campaign in miniature.")
    parser.add_argument("--ledger", type=Path, default=Path("campaigns/minilab/ledger.db"))
    for name, default in (("--seed", 0), ("--experiments", 200), ("--slots", 2)):
        parser.add_argument(name, type=int, default=default)
    options = parser.parse_args(argv)
    options.ledger.parent.mkdir(parents=True, exist_ok=True)
    campaign = Campaign(digest(SOLUTION), options.seed, options.experiments, options.slots)
    print(report(research(campaign, Ledger(options.ledger))))

if __name__ == "__main__":
    main()
