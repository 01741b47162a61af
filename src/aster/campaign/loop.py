"""The loop that carries out decisions: facts in, decisions out, both durable before they have effects."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aster.board import Board
from aster.campaign.clock import Clock
from aster.campaign.crew import LAST_S, Crew
from aster.campaign.decide import Minds, conclude, decide, must_end, ready
from aster.campaign.step import Step
from aster.campaign.waiting import Lookout
from aster.domain import events as ev
from aster.domain.records import Cancelled, Experiment, Failed, Invalid, Outcome, Usage
from aster.errors import ExecutorError
from aster.execution.protocol import Arrival, Executor, Job
from aster.ledger.protocol import Store
from aster.ledger.writer import Writer

POLL_S = 0.02
"""How often the executor is asked for outcomes; an experiment ends on average half of this before it is noticed."""

WATCH_S = 0.5
"""How often the ledger is asked for facts that other processes appended, such as a request to stop."""

BEAT_S = 15.0
"""How often a campaign with nothing else to record says that it is alive, so that a crash loses little of its time."""

MOST_LOSSES = 3
"""An experiment counts as failed once so many attempts of it were begun and lost in one term.

What a leave, a crash or another machine cost is not the candidate's doing, and does not count.
"""

LEAVE_S = 3.0
"""How long leaving at once waits for killed attempts."""

Observer = Callable[[Board, Sequence[ev.Event]], None]


class JobMaker(Protocol):
    """Builds what an attempt needs from the ledger."""

    def __call__(self, board: Board, experiment: Experiment, attempt: str) -> Job: ...


class Loop:
    """Runs one term of a campaign. Created and run in one thread; `stop` and `leave` are called in that thread too."""

    def __init__(
        self,
        board: Board,
        store: Store,
        executor: Executor,
        minds: Minds,
        make_job: JobMaker,
        *,
        position: int,
        clock: Clock,
        observers: Sequence[Observer] = (),
        shortage: Callable[[], str | None] = lambda: None,
        crew: Crew | None = None,
    ) -> None:
        """Args:
        board: the fold of everything in `store` up to `position`, the beginning of the current term included.
        position: what other processes append behind it is watched for.
        shortage: tells what the machine is short of, or None. Nothing is started then, and what fails is run again.
        crew: the campaign's agents, of this board; None: it has none.
        """
        self._board, self._store, self._executor, self._minds = board, store, executor, minds
        self._make_job, self._clock, self._crew = make_job, clock, crew
        self._observers = (*([crew.note] if crew is not None else []), *observers)
        self._shortage = shortage
        self._writer = Writer(store, clock.now)
        self._position = position
        self._spent_before = board.spend.wall_s
        self._began = clock.monotonic()
        self._last_beat, self._last_watch = self._began, self._began - WATCH_S
        self._asked: list[ev.StopRequested] = []
        self._adopted = frozenset(board.running)
        self._losses: Counter[str] = Counter()
        self._hopeless: str | None = None
        self._idle = False
        self._leaving = False
        self._cancelled_for_time = False
        self._wake = asyncio.Event()
        self._lookout = Lookout()
        self._halted_at: float | None = None

    @property
    def elapsed(self) -> float:
        """Active wall seconds of the campaign over all its terms."""
        return self._spent_before + self._clock.monotonic() - self._began

    async def run(self) -> None:
        """Work until the campaign has ended, or until `leave`.

        Raises:
            StoreError: the ledger cannot be written; running attempts go on, and a resume takes them in.
            ExecutorError: the machine is short of something, an attempt cannot be started, or those of the unchanged
                solution are lost again and again.
        """
        try:
            self._executor.adopt(list(self._adopted))
            if self._crew is not None:
                self._crew.wake = self._wake.set
                self._crew.begin()
            while self._board.ended is None and not self._leaving:
                await self._turn()
            if self._leaving:
                await self._kill_all()
        finally:
            if self._crew is not None:
                await self._crew.close()
            self._writer.close()

    def stop(self, reason: str) -> None:
        """End cleanly: plan nothing more, keep what is running until it is done."""
        self._asked.append(ev.StopRequested(f"{self._board.term}.{len(self._asked)}", reason))
        self._wake.set()

    def leave(self) -> None:
        """End at once: kill what is running; its experiments run again after a resume."""
        self._leaving = True
        self._wake.set()

    async def _turn(self) -> None:
        arrived = await self._collect() | await self._serve()
        await self._watch()
        await self._beat()
        reason = must_end(self._board, self.elapsed)
        if reason is None:
            await self._start_waiting()
            busy = await self._decide_all() or arrived
        else:
            busy = arrived
            await self._wind_down(reason)
        if self._board.ended is None and not busy:
            await self._pause()

    async def _serve(self) -> bool:
        """Record what agents posted; whether there was any."""
        posted = self._crew.take() if self._crew is not None else []
        if not posted:
            return False
        blobs: dict[str, bytes] = {}
        for each in posted:
            blobs.update(each.blobs)
        await self._record([each.fact for each in posted], blobs)
        for each in posted:
            if not each.done.done():
                each.done.set_result(None)
        await asyncio.sleep(0)  # whoever waited goes on before anything is decided
        return True

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), POLL_S)
        except TimeoutError:
            return
        self._wake.clear()

    # --- the ledger --------------------------------------------------------------------------------------

    async def _append(self, events: Sequence[ev.Event], blobs: Mapping[str, bytes] | None = None) -> list[ev.Entry]:
        """Make events durable; returns the entries that are new."""
        entries = await asyncio.wrap_future(self._writer.submit(events, self._board.term, blobs or {}))
        self._last_beat = self._clock.monotonic()
        if entries and entries[0].position == self._position + 1:
            self._position = entries[-1].position
        return entries

    def _tell(self, events: Sequence[ev.Event]) -> None:
        for observer in self._observers:
            observer(self._board, events)

    async def _record(self, facts: Sequence[ev.Event], blobs: Mapping[str, bytes] | None = None) -> None:
        """Make facts durable, then fold those that are new."""
        entries = await self._append(facts, blobs)
        for entry in entries:
            self._board.apply(entry.event)
        self._tell([entry.event for entry in entries])

    async def _commit(self, step: Step) -> None:
        """Make a decision durable; its events are folded already, and nothing acts on them before this returns."""
        await self._append(step.events, step.blobs)
        self._tell(step.events)

    async def _watch(self) -> None:
        """Fold requests to stop, from this process and from others, and what people tell the planner."""
        if self._asked:
            await self._record(self._asked)
            self._asked.clear()
        now = self._clock.monotonic()
        if now - self._last_watch < WATCH_S:
            return
        self._last_watch = now
        for entry in self._store.read(after=self._position):
            self._position = entry.position
            if isinstance(entry.event, ev.StopRequested | ev.SteeringGiven):
                self._board.apply(entry.event)
                self._tell([entry.event])

    async def _beat(self) -> None:
        """Say that the campaign is alive, and which calls wait: now and then, and soon after that has changed."""
        now = self._clock.monotonic()
        waiting = self._crew.waiting if self._crew is not None and self._lookout.due(now) else None
        if now - self._last_beat >= BEAT_S or (waiting is not None and self._lookout.tells(waiting, now)):
            await self._record([ev.Heartbeat(self._board.term, self.elapsed, self._lookout.told)])

    # --- attempts ----------------------------------------------------------------------------------------

    async def _collect(self) -> bool:
        """Record what has ended; whether anything had."""
        arrivals = [self._settle(arrival) for arrival in self._executor.poll()]
        if not arrivals:
            return False
        blobs: dict[str, bytes] = {}
        for arrival in arrivals:
            blobs.update(arrival.blobs)
        await self._record([arrival.fact for arrival in arrivals], blobs)
        for arrival in arrivals:
            self._executor.acknowledge(_attempt_of(arrival))
        if self._hopeless is not None:
            raise ExecutorError(self._hopeless)
        return True

    def _settle(self, arrival: Arrival) -> Arrival:
        """Turn an attempt that was killed from outside into a lost one, and one loss too many into a failure."""
        lost = self._loss_in(arrival.fact)
        if lost is None:
            return arrival
        if lost.attempt not in self._adopted and not self._leaving:
            self._losses[lost.experiment] += 1
        if self._losses[lost.experiment] < MOST_LOSSES:
            return Arrival(lost)
        why = f"lost {MOST_LOSSES} times, the last time because {lost.reason}"
        if self._board.experiments[lost.experiment].record.purpose == "baseline":
            # Nothing is recorded against the baseline, so that a resume tries it again.
            self._hopeless = f"The unchanged solution cannot be measured: its experiment was {why}."
            return Arrival(lost)
        now, hardware = self._clock.now(), self._executor.hardware
        outcome = Outcome(lost.attempt, lost.experiment, Failed(why), hardware, Usage(), now, now)
        return Arrival(ev.OutcomeRecorded(outcome))

    def _loss_in(self, fact: ev.OutcomeRecorded | ev.AttemptLost) -> ev.AttemptLost | None:
        """Return the loss that a fact is, or None. Only a bar, or the end of the wall time, makes a cancelled attempt
        final."""
        if isinstance(fact, ev.AttemptLost):
            return fact
        outcome = fact.outcome
        match outcome.result:
            case Cancelled(reason=reason, early=False) if not self._cancelled_for_time:
                return ev.AttemptLost(outcome.attempt, outcome.experiment, reason)
        short = self._shortage() if isinstance(outcome.result, Failed | Invalid) else None
        return ev.AttemptLost(outcome.attempt, outcome.experiment, f"it failed where {short}") if short else None

    async def _start_waiting(self) -> None:
        """Start an attempt for planned experiments, as far as there is room."""
        if self._board.waiting and (short := self._shortage()):
            if not self._board.running:
                raise ExecutorError(f"No attempt can be started: {short}.")
            return  # what runs may give it back
        for name in list(self._board.waiting)[: self._executor.free()]:
            state = self._board.experiments[name]
            attempt = f"{name}.{state.attempts + 1}"
            event = ev.AttemptStarted(attempt, name)
            self._board.apply(event)
            await self._append([event])
            self._tell([event])
            self._executor.submit(self._make_job(self._board, state.record, attempt))

    async def _decide_all(self) -> bool:
        """Decide and start as long as there is room; whether any decision did more than wait."""
        acted = False
        while self._board.ended is None and ready(self._board) and not self._leaving and not self._asked:
            if must_end(self._board, self.elapsed) is not None:
                break
            news = self._board.unseen or self._board.research.news
            if self._idle and self._board.setup.mode == "arrival" and not news:
                break  # nothing has come since the last decision, which could only wait
            step = decide(self._board, self._minds, self.elapsed)
            self._idle = step.idle
            await self._commit(step)
            await self._start_waiting()
            acted = acted or not step.idle
            if self._crew is not None and self._crew.posting:
                break  # with a thousand agents there is always something: it is recorded between decisions
        return acted

    async def _wind_down(self, reason: str) -> None:
        """Let what runs finish (a stop) or kill it (no time left); then end."""
        if self._crew is not None and self._halted_at is None:
            self._crew.halt()
            self._halted_at = self._clock.monotonic()
        if self._board.running:
            wall = self._board.setup.limits.wall_s
            if wall is not None and self.elapsed >= wall and not self._cancelled_for_time:
                self._cancelled_for_time = True
                for attempt in self._board.running:
                    self._executor.cancel(attempt, "the campaign's wall time is spent")
            return
        if not await self._rest_crew():
            return
        await self._commit(conclude(self._board, self.elapsed, reason))

    async def _rest_crew(self) -> bool:
        """Keep what calls under way bring, then stop the agents; whether that is done."""
        if self._crew is None or self._halted_at is None:
            return True
        if self._crew.calling and self._clock.monotonic() - self._halted_at < LAST_S:
            return False
        await self._crew.stop()
        await self._serve()
        return True

    async def _kill_all(self) -> None:
        if self._crew is not None:
            await self._crew.stop()
            await self._serve()
        for attempt in list(self._board.running):
            self._executor.cancel(attempt, "the campaign was left at once")
        await self._record([ev.Heartbeat(self._board.term, self.elapsed)])
        deadline = self._clock.monotonic() + LEAVE_S
        while self._board.running and self._clock.monotonic() < deadline:
            if not await self._collect():
                await asyncio.sleep(POLL_S)


def _attempt_of(arrival: Arrival) -> str:
    fact = arrival.fact
    return fact.attempt if isinstance(fact, ev.AttemptLost) else fact.outcome.attempt
