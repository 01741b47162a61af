"""The subagent: carries out one hypothesis in a workspace of its own, measures it, and says what was learnt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from aster.agents.converse import Misuse, OutOfTurns, Place, Submit, Tool, converse
from aster.agents.grounds import Grounds, Start, opening, starting
from aster.agents.measuring import LOG_MOST, Laboratory
from aster.agents.protocol import Desk
from aster.agents.quoting import bounded, unnumbered
from aster.agents.tools import Nothing, file_tools
from aster.agents.workspace import Workspace
from aster.board import Board
from aster.domain.research import Note
from aster.evidence.backing import Sources, weighed
from aster.problems.problem import Problem

MAX_OUTPUT = 16_384
"""Tokens of one answer: a whole file, and what the model thinks before it writes it."""

SHOWN_AT_FIRST = 16_000
"""Characters of files that the first message holds in full."""

MOST_NOTES = 12

SHOWING = ("read_file", "search_files", "edit_file", "show_diff", "show_change")
"""Tools that show code."""

CONCERNS = (
    "what is doubtful, and what the next one should try; a guess at a number is said to be one directly before it "
    "(perhaps, about, expected)"
)

Again = Literal["measure_again", "another_seed"]
"""How a version is run once more: where the metric is noisy; and where it is exact, but what it scores takes a seed."""

_TOLD = (
    "Tells the number of runs, their mean and spread, and the difference on the seeds that both ran on. Uses up one of "
    "your experiments."
)
AGAIN: dict[Again, str] = {
    "measure_again": f"Measure your version, or its parent, once more, on a further seed. {_TOLD}",
    "another_seed": "Run your version, or its parent, on another search seed: it may write something that scores "
    f"better or worse, and ranks nobody. {_TOLD}",
}
"""What agents are told of each."""


class Experimenting(BaseModel):
    change: str = Field(
        min_length=3, max_length=200, description="what you changed, in a few words: the candidate's name"
    )
    why: str = Field(default="", max_length=2000, description="what this experiment is to show")
    diagnosis: bool = Field(
        default=False,
        description="true: this version is only to learn something (timing code, a part left out or broken on purpose)."
        " It is measured and told to you, and never becomes a parent, a claim or the champion",
    )


class Repeating(BaseModel):
    version: Literal["mine", "parent"] = Field(
        description="mine: your version as it is now, which you have measured; parent: what you started from"
    )


class Looking(BaseModel):
    experiment: str = Field(description="the id of one of your experiments")


class Noting(BaseModel):
    text: str = Field(max_length=600, description="what you want to keep")


class Finishing(BaseModel):
    finding: str = Field(
        min_length=20, max_length=4000, description="what was learnt, and why it is so, in words and measured numbers"
    )
    dead_end: bool = Field(default=False, description="this does not work and should not be tried again as it was")
    evidence: list[str] = Field(default=[], max_length=32, description="ids of the experiments that it rests on")
    concerns: str = Field(default="", max_length=2000, description=CONCERNS)


class _Held(msgspec.Struct, array_like=True, frozen=True):
    """What a finding was held against. `strange`: evidence that does not exist. `wrong`: numbers of the finding that
    nothing gave; `unbacked`, `logged`, `estimates`: those of the finding, its notes and its concerns, as in `Note`."""

    strange: tuple[str, ...]
    wrong: tuple[str, ...]
    unbacked: tuple[str, ...]
    logged: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()


class Subagent:
    """Carries out the assignments of subagents, one tool call at a time.

    Args:
        problem: the campaign's.
        checks: whether it has cheap stages.
    """

    def __init__(self, problem: Problem, *, checks: bool) -> None:
        self._grounds, self._checks = Grounds(problem), checks
        self._again: Again | None = "measure_again"
        if problem.objective.exact:
            self._again = "another_seed" if problem.spec.takes_seed else None

    async def __call__(self, desk: Desk) -> Note:
        """Work until there is a finding; see `AgentRunner`."""
        start = await starting(desk, self._grounds.baseline)
        work = self._grounds.workspace(desk, start)
        laboratory = Laboratory(desk, start.parent, self._grounds.baseline, checks=self._checks, whole=start.whole)
        bench = _Session(desk, work, laboratory, start, self._again, strict=self._grounds.strict)
        allowance = desk.assignment.allowance
        try:
            done = await converse(
                desk,
                desk.assignment.id,
                "subagent",
                desk.instructions,
                f"{desk.brief}\n\n{opening(work, SHOWN_AT_FIRST, start.whole)}",
                [*file_tools(desk, work, start), *bench.tools()],
                Submit("finish", "End your work and hand over what was learnt.", Finishing, bench.check_finding),
                most_turns=max(1, allowance.requests * 5 // 6),  # the rest is for calls that have to be made again
                max_output=MAX_OUTPUT,
                seen=bench.see,
            )
        except OutOfTurns:
            return bench.note_without_finding()
        return bench.note(done)


class _Session:
    """What a subagent does beside working on files: check, experiment, note, finish."""

    def __init__(
        self, desk: Desk, work: Workspace, laboratory: Laboratory, start: Start, again: Again | None, *, strict: bool
    ) -> None:
        self._desk, self._work, self._lab, self._start, self._strict = desk, work, laboratory, start, strict
        self._repeating = again
        self._notes: list[str] = []
        self._asked_back: set[str] = set()
        self._held = _Held((), (), ())
        self._seen: list[str] = []

    def tools(self) -> list[Tool[Any]]:
        """Return the tools."""
        return [
            Tool(
                "check",
                "Check the syntax and run the problem's cheap stages, where it has some, with a run's seed.",
                Nothing,
                self._check,
            ),
            Tool(
                "run_experiment",
                "Measure your version as it is now: score, gain on the parent, the end of the log. Uses up one of your "
                "experiments, unless the same version was measured before. A version that is not meant to be kept is "
                "for diagnosis: say so.",
                Experimenting,
                self._experiment,
            ),
            *([Tool(self._repeating, AGAIN[self._repeating], Repeating, self._again)] if self._repeating else []),
            Tool("read_log", "Read more of the log of one of your experiments.", Looking, self._read_log),
            Tool("note", "Keep a short remark; it is handed over with your finding.", Noting, self._note),
        ]

    async def check_finding(self, args: Finishing, place: Place) -> None:
        """Send a finding back, once for each reason, where its author should look again.

        Raises:
            Misuse: it names experiments that do not exist; or see above.
        """
        evidence = self._evidence(args)
        if any(ran.turn == place.turn for ran in self._lab.ran):
            raise Misuse("You wrote this before you had seen what your experiment came to. Read it, then finish.")
        if not evidence and args.dead_end:
            raise Misuse("A dead end needs an experiment as evidence; without one, finish with dead_end false.")
        if not evidence and not args.concerns and self._lab.left > 0:
            self._ask_back(
                "no experiment", "You have run no experiment. Run one, or say in `concerns` why none is worth it."
            )
        own = {ran.experiment for ran in self._lab.ran}

        async def make() -> str:
            board = self._desk.look()
            strange = tuple(each for each in evidence if each not in own and each not in board.experiments)
            told = (self._desk.instructions, self._desk.brief, self._start.change, self._start.text, *self._lab.told)
            code = (self._work.diff(), *self._code(), *self._seen)
            seen = Sources(told, code, [*self._lab.printed, *self._logs(board, evidence)])
            whole = weighed(board, self._whole(args), evidence, seen, args.concerns)
            late = weighed(board, args.finding, evidence, seen, args.concerns).unbacked
            wrong = tuple(each for each in late if each in whole.unbacked)
            held = _Held(strange, wrong, whole.unbacked, whole.logged, whole.estimates)
            return msgspec.json.encode(held).decode()

        recorded = await self._desk.step(place.agent, place.turn, place.call, make)
        self._held = held = msgspec.json.decode(recorded, type=_Held)
        if held.strange:
            unknown = ", ".join(held.strange)[:300]
            raise Misuse(f"There are no experiments {unknown}. Yours are: {', '.join(own) or 'none'}.")
        if held.wrong:  # what stands in earlier notes cannot be mended any more
            self._ask_back(
                "numbers",
                f"No experiment in evidence gave these numbers, nothing that you were shown has them, no log either: "
                f"{', '.join(held.wrong)}. Correct them, leave them out, or name the experiments that gave them. What "
                "stays unbacked is marked, and others read [unbacked] in its place.",
            )

    def note(self, done: Finishing) -> Note:
        """Return what is handed back."""
        held, whole, evidence = self._held, self._whole(done), self._evidence(done)
        numbers = {"unbacked": held.unbacked, "logged": held.logged, "estimates": held.estimates}
        return Note(whole, evidence, done.dead_end, concerns=done.concerns, **numbers)

    def see(self, tool: str, answer: str) -> None:
        """Keep what a tool showed of files: their constants may be said. What experiments come to is kept apart."""
        if tool in SHOWING:
            self._seen.append(unnumbered(answer))

    def note_without_finding(self) -> Note:
        """Return what is handed back where the model never finished: what was measured."""
        ran = "; ".join(f"{bounded(each.change, 100)}: {each.summary}" for each in self._lab.ran) or "nothing"
        text = "\n".join([f"Ended without a finding. What was measured: {ran}.", *self._notes])
        return Note(text, tuple(each.experiment for each in self._lab.ran), concerns="the subagent did not finish")

    async def _check(self, _args: Nothing, place: Place) -> str:
        self._refuse_broken()
        return await self._lab.check(self._work.files(), place)

    async def _experiment(self, args: Experimenting, place: Place) -> str:
        self._refuse_broken()
        files = self._work.files()
        before = self._lab.before(files, args.diagnosis)
        if before is not None:
            return f"You have measured exactly this before.\n{before.text}"
        return (await self._lab.measure(files, args.change, args.why, place, diagnosis=args.diagnosis)).text

    async def _again(self, args: Repeating, place: Place) -> str:
        files = self._work.files() if args.version == "mine" else None
        return (await self._lab.again(files, place)).text

    async def _read_log(self, args: Looking, _place: Place) -> str:
        return self._lab.log(args.experiment)

    async def _note(self, args: Noting, _place: Place) -> str:
        if len(self._notes) >= MOST_NOTES:
            raise Misuse(f"You have {MOST_NOTES} notes; that is the most.")
        self._notes.append(args.text)
        return "Kept."

    def _refuse_broken(self) -> None:
        troubles = self._work.troubles() if self._strict else []
        if troubles:
            raise Misuse("The syntax is wrong: " + bounded("; ".join(troubles), 1000))

    def _evidence(self, args: Finishing) -> tuple[str, ...]:
        """Return the experiments named, or all of its own where none is."""
        return tuple(dict.fromkeys(args.evidence)) or tuple(each.experiment for each in self._lab.ran)

    def _code(self) -> list[str]:
        """Return the files whose constants may be said, as far as they are texts of a reasonable length."""
        texts = (self._work.shown(path) for path in self._work.files())
        return [text for text in texts if text is not None and len(text) <= SHOWN_AT_FIRST]

    def _logs(self, board: Board, evidence: Sequence[str]) -> Iterator[str]:
        """Yield the ends of the logs of experiments, as far as `read_log` would show them."""
        for name in evidence:
            state = board.experiments.get(name)
            if state is not None and state.outcome is not None:
                yield self._desk.log_of(state.outcome)[-LOG_MOST:]

    def _whole(self, args: Finishing) -> str:
        return "\n".join([args.finding.strip(), *self._notes])

    def _ask_back(self, reason: str, text: str) -> None:
        if reason not in self._asked_back:
            self._asked_back.add(reason)
            raise Misuse(text + " Or call finish again as it is.")
