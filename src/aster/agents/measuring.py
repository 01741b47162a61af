"""A subagent's experiments and checks: asked for, waited for, and told in words with what they are worth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from aster.agents.converse import Misuse, Place
from aster.agents.protocol import Desk, Granted, Spent
from aster.agents.quoting import bounded, flat, in_line, plain, quoted
from aster.agents.similar import trees_like
from aster.agents.tellings import candidate_line
from aster.archive import traits
from aster.board import Board
from aster.domain.ids import tree_id
from aster.domain.records import Cancelled, Candidate, Measured, Outcome
from aster.domain.research import Ask
from aster.domain.trees import pack_tree
from aster.evidence.findings import against_noise, least_told, noise_seen, tie, trouble
from aster.evidence.repeats import TOLD, repeated

LOG_FINE, LOG_WHOLE, LOG_MOST = 1_500, 4_000, 16_000
"""Characters of the log that are shown of a measured experiment if it is longer than what is shown whole, and of one
that went wrong; and to whoever asks."""

LUCK = " It is a real difference of these two results; whether the change or the seed made it, one run cannot tell."
"""What is said of the difference of two exact scores on one seed, where a run takes one."""

ANOTHER = (
    "It ran on another search seed, and ranks nobody: a version ranks, and is claimed, by what it wrote on the "
    "seeds that all share. All its runs together tell how much is luck."
)

_NOT_KEPT = re.compile(r"^\[aster\] not kept: .*\n?", re.MULTILINE)
"""What people are told of outputs that were scored and then left; it says nothing of the change."""

MOST_CHECKS = 24
"""Checks that an assignment may ask for."""


NEAR = 1_000
"""Added to a call's number: the key of its look at what is nearly the same, beside that of its result."""


class Ran(NamedTuple):
    """An experiment that has run.

    Attributes:
        change: what was changed. `summary`: what came of it, in a line. `text`: all that the agent is told.
        turn: when it was asked for.
        diagnosis: it was only to learn something.
    """

    experiment: str
    candidate: str
    change: str
    summary: str
    text: str
    turn: int
    diagnosis: bool = False


class Report(Struct, frozen=True):
    """What the board says of an experiment: a line, and all of it."""

    summary: str
    text: str


class Laboratory:
    """Asks for experiments on versions of the parent.

    Args:
        parent: what versions are compared with.
        baseline: the problem's own editable files, for the shape of diffs.
        checks: whether the problem has cheap stages.
        whole: as `Start` has it.

    Attributes:
        ran: the experiments that have run, oldest first.
        told, printed: what was said of outcomes; and what candidates printed, as far as it was shown or can be.
    """

    def __init__(
        self, desk: Desk, parent: Candidate, baseline: Mapping[str, bytes], *, checks: bool, whole: bool = True
    ) -> None:
        self._desk, self._parent, self._baseline, self._checks, self._whole = desk, parent, baseline, checks, whole
        self._used = self._checked = 0
        self._check_texts: dict[str, str] = {}
        self._warned: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}
        self.ran: list[Ran] = []
        self.told: list[str] = []
        self.printed: list[str] = []

    @property
    def left(self) -> int:
        """How many experiments the assignment has left."""
        return self._desk.assignment.allowance.experiments - self._used

    def before(self, files: Mapping[str, bytes], diagnosis: bool = False) -> Ran | None:
        """Return the experiment that has run on these files and tells what is asked, or None: what was only for
        diagnosis tells nothing of a version that is to stand. Not for experiments side by side: which of them has run
        is a matter of time."""
        candidate = tree_id(files)
        fits = (ran for ran in self.ran if ran.candidate == candidate and (diagnosis or not ran.diagnosis))
        return next(fits, None)

    async def measure(
        self, files: Mapping[str, bytes], change: str, why: str, place: Place, *, diagnosis: bool = False
    ) -> Ran:
        """Run an experiment on editable files. Several may be asked for side by side.

        Args:
            diagnosis: it is only to learn something: the version is nobody's parent, and is never claimed.

        Raises:
            Misuse: nothing differs from the parent, there are no experiments left, or it was refused.
        """
        candidate, change = self._changed(files), flat(change)
        if self.left <= 0:
            raise Misuse("You have no experiments left.")
        if not diagnosis:
            await self._warn(files, candidate, place)
        self._used += 1  # before it is waited for: others may be asked for beside it
        ask = self._made(files, candidate, change, why, place)
        granted = await self._ask(replace(ask, diagnosis=diagnosis), files)
        if granted.experiment is None or granted.known:
            self._used -= 1
        experiment, outcome = _granted(granted)
        self._outcomes[experiment] = outcome
        report = await self._tell(experiment, outcome, candidate, place)
        head = "It had been run before, by somebody else, and cost you nothing.\n" if granted.known else ""
        text = f"{head}{report.text}{self._log(outcome)}"
        self.ran.append(Ran(experiment, candidate, change, report.summary, text, place.turn, diagnosis))
        return self.ran[-1]

    async def again(self, files: Mapping[str, bytes] | None, place: Place) -> Ran:
        """Measure a version once more, on a further search seed: `files`, as they were measured here; None: the parent.

        Raises:
            Misuse: these files were not measured here, there are no experiments left, or it was refused.
        """
        candidate = self._parent.id if files is None else tree_id(files)
        known = next((ran for ran in self.ran if ran.candidate == candidate), None)
        if known is None and candidate != self._parent.id:
            raise Misuse("You have not measured your version as it is now: use run_experiment first.")
        if self.left <= 0:
            raise Misuse("You have no experiments left.")
        self._used += 1
        change = "the parent again" if known is None else f"{known.change}, again"
        ask = self._made(files if files is not None else self._desk.files(self._parent), candidate, change, "", place)
        granted = await self._ask(replace(ask, tree=self._parent.tree if known is None else ask.tree, again=True), {})
        if granted.experiment is None:
            self._used -= 1
        experiment, outcome = _granted(granted)
        self._outcomes[experiment] = outcome
        report = await self._tell(experiment, outcome, candidate, place)
        text = f"{report.text}{self._log(outcome)}"
        # What was learnt stands beside the version's first run, which is told when it is asked for again.
        self.ran.append(Ran(experiment, candidate, change, report.summary, text, place.turn, diagnosis=True))
        return self.ran[-1]

    async def _warn(self, files: Mapping[str, bytes], candidate: str, place: Place) -> None:
        """Say once of a version that nearly the same was measured before, by somebody else.

        Raises:
            Misuse: it was.
        """
        if candidate in self._warned:
            return
        own = [ran.candidate for ran in self.ran]

        async def make() -> str:
            board, before = self._desk.look(), self._desk.files(self._parent)
            if board.experiments_of.get(candidate):
                return ""  # exactly this was measured, and is told for nothing
            near = trees_like(board, files, before, self._baseline, self._desk.files, own)
            return "\n".join(f"- {candidate_line(board, each.candidate)}" for each in near[:3])

        known = await self._desk.step(place.agent, place.turn, NEAR + place.call, make)
        if known:
            self._warned.add(candidate)
            raise Misuse(
                f"Nearly the same change was made before:\n{known}\nA constant or two is no other hypothesis: they "
                "are tuned by a machine. Change more, or finish; or ask again, to measure it all the same."
            )

    async def check(self, files: Mapping[str, bytes], place: Place) -> str:
        """Run the cheap stages on editable files and return what they came to, in words.

        Raises:
            Misuse: nothing differs from the parent, too many were asked for, or it was refused.
        """
        if not self._checks:
            return "The syntax is fine. This problem has no cheap stages, so only an experiment tells more."
        candidate = self._changed(files)
        if candidate in self._check_texts:
            return self._check_texts[candidate]
        if self._checked >= MOST_CHECKS:
            raise Misuse(f"You have asked for {MOST_CHECKS} checks; that is the most.")
        self._checked += 1
        ask = self._made(files, candidate, "check", "", place)
        _, outcome = _granted(await self._ask(replace(ask, quick=True), files))
        if isinstance(outcome.result, Measured):
            text = f"The check passed in {outcome.usage.wall_s:.1f} s. It gives no score."
        else:
            text = f"The check did not pass: {in_line(trouble_of(outcome, None), 600)}"
        self._keep(outcome, text)
        self._check_texts[candidate] = text + self._log(outcome)
        return self._check_texts[candidate]

    def log(self, experiment: str) -> str:
        """Return what is kept of the log of an experiment that has run here.

        Raises:
            Misuse: none of that id has.
        """
        if experiment not in self._outcomes:
            raise Misuse(
                f"You have run no experiment {experiment[:40]!r}. Yours: {', '.join(self._outcomes) or 'none'}."
            )
        return self._log(self._outcomes[experiment], LOG_MOST).lstrip() or "Its log is empty."

    def _changed(self, files: Mapping[str, bytes]) -> str:
        candidate = tree_id(files)
        if candidate == self._parent.id:
            raise Misuse("Nothing differs from the parent yet: change something first.")
        return candidate

    def _made(self, files: Mapping[str, bytes], candidate: str, change: str, why: str, place: Place) -> Ask:
        return Ask(
            # By its place, not by a count: experiments that are asked for side by side come in any order.
            id=f"{self._desk.assignment.id}.{100 * place.turn + place.call}",
            assignment=self._desk.assignment.id,
            candidate=candidate,
            tree=pack_tree(files)[0],
            parent=self._parent.id,
            change=change,
            text=why,
            traits=traits(self._baseline, files),
        )

    async def _ask(self, ask: Ask, files: Mapping[str, bytes]) -> Granted:
        try:
            return await self._desk.experiment(ask, pack_tree(files)[1] if files else {})
        except Spent as spent:
            return Granted(reason=str(spent))

    async def _tell(self, experiment: str, outcome: Outcome, candidate: str, place: Place) -> Report:
        async def make() -> str:
            told = tell(self._desk.look(), experiment, outcome, candidate, self._parent.id)
            return f"{told.summary}\n{told.text}\n{_left(self.left, self._desk.search_left())}"

        summary, _, text = (await self._desk.step(place.agent, place.turn, place.call, make)).partition("\n")
        self._keep(outcome, text)
        return Report(summary, text)

    def _keep(self, outcome: Outcome, text: str) -> None:
        """Keep what was told of an outcome: its numbers may be said. The reason of a failure is a candidate's words."""
        (self.told if isinstance(outcome.result, Measured) else self.printed).append(text)
        self.printed.append(self._desk.log_of(outcome)[-LOG_MOST:])

    def _log(self, outcome: Outcome, most: int | None = None) -> str:
        measured = isinstance(outcome.result, Measured)
        log = self._desk.log_of(outcome).rstrip()
        log = _NOT_KEPT.sub("", log).rstrip() if measured and self._whole else log
        most = most or (LOG_FINE if measured and len(log) > LOG_WHOLE else LOG_WHOLE)
        label = "Its log" if len(plain(log)) <= most else "The end of its log"
        return "\n" + quoted(log, label, most, from_end=True) if log.strip() else ""


def _left(own: int, campaign: int | None) -> str:
    """Return what an agent may still ask for, in words: no more than the campaign has."""
    if campaign is None:
        return f"Experiments left: {own}."
    text = f"Experiments left: {min(own, campaign)}."
    if campaign == 0:
        return f"{text} Search is over: finish with what you learnt, or nothing will come of it."
    return f"{text} For search the campaign has about {campaign}, for all who are at work, beyond what they asked for."


def _granted(granted: Granted) -> tuple[str, Outcome]:
    """Return an experiment and its outcome.

    Raises:
        Misuse: it was refused.
    """
    if granted.experiment is None or granted.outcome is None:
        raise Misuse(f"It was not run: {bounded(granted.reason, 300) or 'no reason was given'}.")
    return granted.experiment, granted.outcome


def tell(board: Board, experiment: str, outcome: Outcome, candidate: str, parent: str) -> Report:
    """Return what an experiment came to, held against its parent and the noise."""
    head = f"Experiment {experiment} of candidate {candidate}"
    infeasible = isinstance(outcome.result, Measured) and board.setup.infeasible(outcome.result.metrics)
    if not isinstance(outcome.result, Measured) or infeasible:
        why = in_line(trouble_of(outcome, board), 800)
        return Report(f"no score: {why}", f"{head} has no score: {why}")
    objective, metrics = board.setup.objective, outcome.result.metrics
    value = metrics[objective.metric]
    again = repeated(board, candidate, parent)
    if again and _is_again(board, experiment):
        compared, word = "It was measured again; all its runs together tell more than each.", "measured again"
        if board.setup.objective.exact:
            compared, word = ANOTHER, "on another seed"
    else:
        compared, word = _compared(board, candidate, parent, value)
    others = ", ".join(f"{name} {number:.7g}" for name, number in metrics.items() if name != objective.metric)
    lines = [
        f"{head}: {objective.metric} {value:.10g}.",
        compared,
        *again,
        *([f"Beside it: {bounded(others, 600)}."] if others else []),
        f"It took {outcome.usage.wall_s:.1f} s, all stages together.",
    ]
    if board.candidates[candidate].diagnosis:
        lines.append(
            "It is for diagnosis: nothing starts from this version, and it is never claimed to be better. To keep it "
            "after all, run the same files with `diagnosis` false, which uses up another experiment."
        )
    if _same_output(board, outcome, parent):
        lines.insert(2, "What it wrote is, byte for byte, what its parent wrote: the change made no difference.")
    return Report(f"{objective.metric} {value:.10g}, {word}", "\n".join(lines))


def _is_again(board: Board, experiment: str) -> bool:
    """Whether it is not its version's first run that agents are told."""
    record = board.experiments[experiment].record
    told = (x for x in board.experiments_of[record.candidate] if board.experiments[x].record.purpose in TOLD)
    return next(told, experiment) != experiment


def _same_output(board: Board, outcome: Outcome, parent: str) -> bool:
    """Whether an experiment left exactly the files that its parent's did, on the same seed."""
    seed = board.experiments[outcome.experiment].record.seed
    for name in board.experiments_of.get(parent, ()):
        state = board.experiments[name]
        if state.record.seed == seed and state.outcome is not None and state.outcome.artifacts:
            return state.outcome.artifacts == outcome.artifacts
    return False


def _compared(board: Board, candidate: str, parent: str, value: float) -> tuple[str, str]:
    """Return how a score compares with the parent's, in sentences and in a few words."""
    objective, score = board.setup.objective, board.score(parent)
    if score is None:
        return f"The parent {parent} has no score to compare it with.", "not compared"
    gain, seeds = board.gain(candidate, parent) or (objective.gain(value, score.mean), 1)
    head, told = f"The parent {parent} has {score.mean:.10g}:", tie(objective, gain)
    if told is not None:
        return f"{head} {told}.", f"{told} with its parent"
    if objective.exact:
        doubt = LUCK if board.setup.paired and gain and seeds == 1 else ""
        return f"{head} {_signed(gain)} against it.{doubt}", f"{_signed(gain)} against its parent"
    least, word = least_told(board, seeds), against_noise(board, gain, seeds)
    bound = f" Differences up to {least:.3g} tell nothing." if least > 0 else ""
    known = noise_seen(board)
    if known is not None and known[0] == 0 and gain:
        bound += " That holds for what search is scored on; a claim's fresh seeds may bring other things."
    return f"{head} {_signed(gain)} against it, {word}.{bound}", f"{_signed(gain)} against its parent, {word}"


def _signed(gain: float) -> str:
    return f"a gain of {gain:.3g}" if gain > 0 else f"a loss of {-gain:.3g}" if gain < 0 else "no difference"


def trouble_of(outcome: Outcome, board: Board | None) -> str:
    """Return in words why an outcome has no score. The words may be the candidate's own."""
    if isinstance(outcome.result, Cancelled):
        return plain(outcome.result.reason)
    return plain(trouble(outcome.result, board.setup if board is not None else None))
