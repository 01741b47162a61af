"""The agents of a campaign at work: a coroutine each, and what they post to the ledger.

Agents never touch the ledger. They post facts, which the loop records in its turn with everything else that came, in
one commit, and then they go on. So the board is folded in the ledger's order, whoever posts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from aster.agents.protocol import AgentRunner, Spent, Unanswered, fault_of
from aster.board import Board
from aster.campaign.asking import Asking, CutOff, Parted, Pause
from aster.campaign.clock import Clock
from aster.campaign.desk import CampaignDesk
from aster.domain import events as ev
from aster.domain.records import Candidate
from aster.domain.research import Assignment, Ending, Result, Settled, Tokens, Waiting
from aster.llm.limits import Gate
from aster.llm.protocol import Client

LAST_S = 60.0
"""How long calls that are under way when a campaign ends are waited for: they are paid for."""

GetBlob = Callable[[str], bytes]


class Posted(Struct):
    """A fact on its way to the ledger, and who waits for it."""

    fact: ev.Event
    blobs: dict[str, bytes]
    done: asyncio.Future[None]


class Crew:
    """Starts agents as they are given work, and keeps what they wait for. Used in the loop's thread alone."""

    def __init__(
        self,
        board: Board,
        runner: AgentRunner,
        client: Client,
        *,
        pause: Pause,
        get_blob: GetBlob,
        files_of: Callable[[Candidate], Mapping[str, bytes]],
        clock: Clock,
        gate: Gate | None = None,
    ) -> None:
        self.board = board
        self.get_blob, self.files_of = get_blob, files_of
        self.wake: Callable[[], None] = lambda: None
        """Called when there is something to record."""
        self.asking = Asking(self, client, pause, clock, gate or Gate())
        self._runner = runner
        self._posted: list[Posted] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._answers: dict[str, asyncio.Event] = {}
        self._outcomes: dict[str, list[asyncio.Event]] = {}
        self._arrived = list(board.unseen)
        self.halted = False
        self._stopping = False

    # --- the loop's side ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Go on with whatever was under way. Calls that an earlier term left open are charged in full."""
        self._write_off("the campaign was cut off before it was answered")
        for name in self.board.research.live:
            self._start(self.board.research.assignments[name].record)

    def take(self) -> list[Posted]:
        """Return what was posted since the last call."""
        posted, self._posted = self._posted, []
        return posted

    def note(self, _: Board, events: Sequence[ev.Event]) -> None:
        """Start and wake agents by events that are durable and folded."""
        for event in events:
            match event:
                case ev.AssignmentGiven(assignment=assignment):
                    self._start(assignment)
                case ev.AssignmentCutOff(assignment=name):
                    self._cut(name)
                case ev.AskAnswered(ask=ask) if ask in self._answers:
                    self._answers.pop(ask).set()
                case ev.OutcomeRecorded(outcome=outcome):
                    self._arrived.append(outcome.experiment)
                case ev.CallReserved() | ev.CallSettled() | ev.AssignmentEnded():
                    self.asking.note(event)
                case ev.DecisionTaken():
                    self._wake_seen()

    def _wake_seen(self) -> None:
        """Wake those whose experiment's outcome decisions have seen by now."""
        unseen = [name for name in self._arrived if not self.board.experiments[name].seen]
        for name in self._arrived:
            if self.board.experiments[name].seen:
                for waiting in self._outcomes.pop(name, ()):
                    waiting.set()
        self._arrived = unseen

    @property
    def posting(self) -> bool:
        """Whether there is something to record."""
        return bool(self._posted)

    @property
    def calling(self) -> bool:
        """Whether model calls are under way, or something is posted."""
        return bool(self._posted or self.asking.under_way)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Whose calls wait, for what and how long; nobody once the campaign is ending."""
        return () if self.halted else self.asking.waiting()

    def halt(self) -> None:
        """Let nobody begin another call. Calls that are under way go on, and what they bring is kept."""
        self.halted = True

    async def stop(self) -> None:
        """Stop every agent where it is; all that it had recorded is there when it is run again.

        Calls that are under way are given up, and charged in full: what was posted is to be recorded after this.
        """
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Calls that were to be reserved were not made, and now nobody will make them.
        self._posted = [each for each in self._posted if not isinstance(each.fact, ev.CallReserved)]
        self._write_off("the campaign ended before it was answered")

    async def close(self) -> None:
        """Stop, and let go of connections."""
        await self.stop()
        await self.asking.close()

    def _write_off(self, why: str) -> None:
        for call in self.board.research.calls.values():
            self._put(ev.CallSettled(Settled(call.id, "unknown", call.usd, Tokens(), 0.0, None, why)))

    # --- the agents' side --------------------------------------------------------------------------------

    async def post(self, fact: ev.Event, blobs: Mapping[str, bytes] = {}) -> None:
        """Return once a fact is durable and folded."""
        await asyncio.shield(self._put(fact, blobs))

    def _put(self, fact: ev.Event, blobs: Mapping[str, bytes] = {}) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._posted.append(Posted(fact, dict(blobs), done))
        self.wake()
        return done

    async def answered(self, ask: str) -> None:
        """Wait until a request for an experiment is answered."""
        if not self.board.research.asks[ask].answered:
            await self._answers.setdefault(ask, asyncio.Event()).wait()

    async def seen(self, experiment: str) -> None:
        """Wait until decisions have seen an experiment's outcome."""
        if not self.board.experiments[experiment].seen:
            waiting = asyncio.Event()
            self._outcomes.setdefault(experiment, []).append(waiting)
            await waiting.wait()

    def check_cut(self, assignment: str) -> None:
        """Stop whoever is cut off.

        Raises:
            CutOff: the assignment is.
        """
        reason = self.board.research.assignments[assignment].cut_off
        if reason:
            raise CutOff(reason)

    def _cut(self, assignment: str) -> None:
        """Stop an agent where it is; calls that are to be paid for come to their end first."""

        def stop() -> None:
            task = self._tasks.get(assignment)
            if task is not None and not self.asking.paying[assignment]:
                task.cancel()

        asyncio.get_running_loop().call_soon(stop)  # a task that has not begun yet would end without a word

    def _start(self, assignment: Assignment) -> None:
        if assignment.id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._carry_out(assignment), name=assignment.id)
            self._tasks[assignment.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(assignment.id, None))

    async def _carry_out(self, assignment: Assignment) -> None:
        """Run an agent to its end, and post what it came to."""
        ending: Ending = "done"
        result: Result | None = None
        reason = ""
        try:
            self.check_cut(assignment.id)
            result = await self._runner(CampaignDesk(self, assignment))
        except Spent as error:
            ending, reason = "spent", str(error)
        except Unanswered as error:
            ending, reason = "failed", str(error)
        except (Parted, CutOff) as error:
            ending, reason = "cancelled", str(error)
        except asyncio.CancelledError:
            if self._stopping:
                raise
            ending, reason = "failed", "it was cancelled from outside"  # by a library; the campaign would wait for it
            if cut := self.board.research.assignments[assignment.id].cut_off:
                ending, reason = "cancelled", cut
        except Exception as error:  # noqa: BLE001 - a fault in one agent must not end a thousand others; it is shown
            ending, reason = "failed", fault_of(error)
        await self.post(ev.AssignmentEnded(assignment.id, ending, result, reason))
