"""A campaign of many agents whose providers misbehave in every way, and what its ledger says of the money.

python -m aster.testing.trouble FOLDER TIMEOUT  # runs a term of a campaign that was begun; it may be killed
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field

from aster.agents.briefing import CampaignBriefing
from aster.agents.crew import Agents
from aster.archive import traits
from aster.board import Board
from aster.campaign.clock import Clock
from aster.campaign.crew import Crew
from aster.campaign.decide import Minds
from aster.campaign.jobs import job_of
from aster.campaign.loop import Loop
from aster.domain import events as ev
from aster.domain.ids import seeded, short_id, tree_id
from aster.domain.records import (
    Candidate,
    Direction,
    Experiment,
    Hypothesis,
    Limits,
    Measured,
    Objective,
    Result,
    Setup,
)
from aster.domain.research import Call, ModelChoice, Price
from aster.domain.trees import pack_tree, unpack_tree
from aster.execution.protocol import Job
from aster.ledger.sqlite import SqliteStore
from aster.llm.chain import read_link
from aster.llm.limits import Gate
from aster.llm.protocol import ModelError, Prompt, Reply, Returned, Said
from aster.llm.retry import pause_s
from aster.planning.bandit import BanditPlanner
from aster.problems.problem import Problem, problem_from_files
from aster.proposers.several import Several
from aster.testing.clients import calls, says
from aster.testing.fakes import FakeExecutor
from aster.testing.model_server import Fault, gateway_page, refusing

LEDGER = "ledger.db"
TIMEOUT_S = 1.5
"""How long the client waits for a reply, unless it is told otherwise."""

SURFACES = "abcdefgh"

TOML = b"""
[problem]
name = "toy"
title = "A toy"
[solution]
root = "solution"
editable = ["*.py"]
[[stage]]
name = "run"
command = ["python", "solution/a.py"]
timeout = "10s"
[[stage]]
name = "score"
command = ["python", "evaluate.py"]
trusted = true
timeout = "10s"
[[metric]]
name = "loss"
goal = "minimize"
"""
SOLUTION = {f"solution/{name}.py": f"{name.upper()} = 0\n".encode() for name in SURFACES}


def toy(solution: Mapping[str, bytes] = SOLUTION) -> Problem:
    """Return a problem whose solution is these files: by default a constant to raise on each surface."""
    files = {"problem.toml": TOML, "README.md": b"Make the loss small.", "evaluate.py": b"", **solution}
    return problem_from_files(files, "toy")


# --- the campaign --------------------------------------------------------------------------------------------


def begin(folder: Path, agents: int, usd: float, price: Price, steady_url: str, liar_url: str) -> None:
    """Open a campaign in which subagents find more hypotheses than they can pay for waiting for them.

    Args:
        steady_url, liar_url: where the two models' servers are.
    """
    setup = Setup(
        problem="toy",
        title="A toy",
        objective=Objective("loss", "minimize", 1e-6, exact=True),
        limits=Limits(None, 4 * agents, usd),
        mode="arrival",
        slots=max(2, agents // 2),
        seed=0,
        confirm_seeds=2,
        models=(
            ModelChoice("openai:steady", price, weight=9.0, base_url=steady_url),
            ModelChoice("openai:liar", price, base_url=liar_url),
        ),
        agents=agents,
        researcher="agents",
    )
    tree, blobs = pack_tree(SOLUTION)
    baseline = Candidate(tree_id(SOLUTION), tree, (), "baseline", None, (), "", traits(SOLUTION, SOLUTION))
    events: list[ev.Event] = [ev.CampaignOpened("trouble", setup, tree), ev.CandidateAdded(baseline)]
    for number in range(3 * agents):
        surface = SURFACES[number % len(SURFACES)]
        name, path = f"d-{surface}", f"solution/{surface}.py"
        if number < len(SURFACES):
            events.append(ev.DirectionOpened(Direction(name, surface, "It is 0.", "agents", (path,))))
        hypothesis = short_id("h", name, number)
        events.append(ev.HypothesisProposed(
            Hypothesis(hypothesis, name, baseline.id, f"{surface} as {number}", "It is too small.", None)
        ))  # fmt: skip
    store = SqliteStore(folder / LEDGER, create=True)
    store.append(events, time=0.0, blobs=blobs)
    store.close()


def loss(job: Job) -> Result:
    """Return what an attempt measures: the less the higher the constants are."""
    found = [int(number) for data in job.files.values() for number in re.findall(r"= (\d+)", data.decode())]
    return Measured({"loss": 1e6 - sum(found)})


async def run_term(folder: Path, timeout_s: float = TIMEOUT_S) -> Board:
    """Run a term with the parts that campaigns have; only the executor is a fake.

    Args:
        timeout_s: how long the client waits for a reply.
    """
    from aster.llm.client import PydanticClient  # imported late: it loads pydantic-ai

    clock, store = Clock(), SqliteStore(folder / LEDGER)
    executor = FakeExecutor(loss, 10**6)
    term = store.begin_term(clock.now())
    store.append([ev.TermStarted(term, executor.hardware, "h", 1, "0")], term=term, time=clock.now())
    board, problem = Board().fold(store.read()), toy()

    def files_of(candidate: Candidate) -> dict[str, bytes]:
        return unpack_tree(candidate.tree, store.get_blob)

    briefing = CampaignBriefing(problem, files_of)
    minds = Minds(BanditPlanner({}), Several([]), SOLUTION, briefing=briefing)

    def make_job(board: Board, experiment: Experiment, attempt: str) -> Job:
        return job_of(board, experiment, attempt, problem.frozen_solution_files, store.get_blob)

    def pause(error: ModelError, tries: int, draw: float) -> float:
        return 0.1 * pause_s(error, tries, draw)

    crew = Crew(
        board,
        Agents(problem),
        PydanticClient(timeout_s=timeout_s),
        pause=pause,
        get_blob=store.get_blob,
        files_of=files_of,
        clock=clock,
        gate=Gate(),
    )
    try:
        await Loop(
            board, store, executor, minds, make_job, position=store.last_position(), clock=clock, crew=crew
        ).run()
    finally:
        store.close()
    return board


# --- the providers -------------------------------------------------------------------------------------------


class Faults:
    """What goes wrong with a steady provider's answers, by chance: `share` of them, in every way but lies.

    Attributes:
        made: how often each came.
    """

    def __init__(self, share: float = 0.35, seed: int = 0, timeout_s: float = TIMEOUT_S) -> None:
        self._share, self._rng = share, random.Random(seed)
        self._faults = (*_FAULTS, ("no answer in time", Fault(wait_s=2 * timeout_s)))
        self.made: Counter[str] = Counter()

    def __call__(self, _: int, __: Prompt) -> Fault | None:
        """Return what goes wrong with a request, if anything."""
        if self._rng.random() >= self._share:
            return None
        kind, fault = self._rng.choice(self._faults)
        self.made[kind] += 1
        return fault


_COUNTS = {"prompt_tokens": -5, "completion_tokens": -1, "total_tokens": -6}
_FAULTS: tuple[tuple[str, Fault], ...] = (
    ("429 with Retry-After", refusing(429, "slow down", 0.05)),
    ("500 with words", refusing(500, "overloaded")),
    ("502 of a gateway", gateway_page()),
    ("cut in the middle", Fault(cut=120)),
    ("truncated JSON", Fault(truncate=200)),
    ("usage below 0", Fault(usage=_COUNTS)),
    ("usage as words", Fault(usage={"prompt_tokens": "many", "completion_tokens": "12", "total_tokens": None})),
    ("no usage", Fault(usage=None)),
    ("usage that is a list", Fault(usage=[1, 2])),
)


class Lies:
    """A provider that reports far more than a call can use, from its third answer on."""

    def __call__(self, number: int, _: Prompt) -> Fault | None:
        """Return the report."""
        huge = {"prompt_tokens": 10**9, "completion_tokens": 10**15, "total_tokens": 10**15}
        return Fault(usage=huge) if number > 2 else None


class Script:
    """What the models say: every role does its work, and now and then calls a tool as it must not.

    Attributes:
        malformed: how many such calls there were.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(seed)
        self.malformed = 0

    def __call__(self, prompt: Prompt) -> Reply:
        """Return a reply."""
        tools = {tool.name for tool in prompt.tools}
        if self._rng.random() < 0.12:
            self.malformed += 1
            return self._malformed(prompt)
        if "finish" in tools:
            return _subagent(prompt)
        if "submit_reviews" in tools:
            count = prompt.messages[0].text.count("## Hypothesis ")
            reviews = [{"number": number + 1, "verdict": "accept", "reason": "why not"} for number in range(count)]
            return calls(prompt, ("submit_reviews", {"reviews": reviews}))
        if "submit_handoff" in tools:
            return calls(prompt, ("submit_handoff", {"done": "some", "learnt": "little", "concerns": "none"}))
        return calls(prompt, ("submit_plan", {"note": "wait"}))

    def _malformed(self, prompt: Prompt) -> Reply:
        name = prompt.tools[-1].name
        return self._rng.choice(
            (
                calls(prompt, (name, '{"finding": "cut o')),
                calls(prompt, (name, "[1, 2]")),
                calls(prompt, (name, {"nonsense": {"deep": [None] * 20}})),
                calls(prompt, ("no_such_tool", {})),
                calls(prompt, *[("no_such_tool", "not json")] * 20),
                says(prompt, "Let me think about it."),
            )
        )


def _subagent(prompt: Prompt) -> Reply:
    """Raise the constant, measure it, and finish."""
    done = [message for message in prompt.messages if isinstance(message, Returned) and "Error" not in message.text]
    tools = [message.tool for message in done]
    brief = prompt.messages[0]
    assert not isinstance(brief, Said)
    if "write_file" not in tools:
        found = re.search(r"solution/([a-h])\.py", brief.text)
        surface = found[1] if found else "a"
        value = seeded(brief.text).randrange(10**5)
        return calls(prompt, ("write_file", {"path": f"solution/{surface}.py", "content": f"A = {value}\n"}))
    if "run_experiment" not in tools:
        return calls(prompt, ("run_experiment", {"change": "a higher constant"}))
    return calls(prompt, ("finish", {"finding": "A higher constant lowers the loss as it should."}))


# --- the books -----------------------------------------------------------------------------------------------


class Books(Struct):
    """What a ledger says of the money.

    Attributes:
        most: the most that was settled and reserved together at any position. `settled`: in the end.
        in_flight: the most calls that were reserved at the same time.
        statuses: how many calls came to what. `over_usd`: reported beyond what was reserved. `cut_off`: models.
        open: calls that are not settled. `written_off`: those that an earlier term left open.
        unpaid: calls whose charge is not what their end calls for.
        lost: answers that were paid for and cannot be read. `faults`: errors of agents' own code.
    """

    most: float = 0.0
    settled: float = 0.0
    in_flight: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    over_usd: float = 0.0
    cut_off: dict[str, str] = {}
    open: int = 0
    written_off: int = 0
    unpaid: list[str] = []
    lost: list[str] = []
    faults: list[str] = []
    notes: int = 0
    ended: str = ""


def audit(folder: Path) -> Books:
    """Return what a campaign's ledger says, looked at after every entry."""
    store = SqliteStore(folder / LEDGER, read_only=True)
    books, board = Books(), Board()
    before: set[str] = set()
    for entry in store.read():
        event = entry.event
        open_calls = dict(board.research.calls)
        board.apply(event)
        if isinstance(event, ev.TermStarted):
            before = set(open_calls)
        if isinstance(event, ev.CallSettled):
            _settled(books, event, open_calls, before, store)
        if isinstance(event, ev.AssignmentEnded):
            books.endings[event.ending] += 1
            if event.reason.startswith("a fault"):
                books.faults.append(event.reason)
        bill = board.research.bill
        books.most = max(books.most, bill.usd + bill.reserved_usd)
        books.in_flight = max(books.in_flight, len(board.research.calls))
    books.settled, books.over_usd = board.research.bill.usd, board.research.bill.over_usd
    books.cut_off = {name: state.cut_off for name, state in board.research.models.items() if state.cut_off}
    books.open, books.notes, books.ended = len(board.research.calls), len(board.research.notes), board.ended or ""
    store.close()
    return books


def _settled(
    books: Books, event: ev.CallSettled, reserved: dict[str, Call], before: Iterable[str], store: SqliteStore
) -> None:
    settled = event.settled
    call = reserved[settled.call]
    books.statuses[settled.status] += 1
    if settled.call in before:
        books.written_off += 1
        if settled.status != "unknown":
            books.unpaid.append(f"{settled.call} was left open by an earlier term, and is {settled.status}")
    fair = {"answered": settled.usd <= call.usd, "refused": settled.usd == 0.0, "unknown": settled.usd == call.usd}
    if not fair[settled.status]:
        books.unpaid.append(f"{settled.call} is {settled.status} at {settled.usd} of {call.usd}")
    if settled.status == "answered" and not (
        settled.response and isinstance(read_link(settled.response, store.get_blob).message, Said)
    ):
        books.lost.append(settled.call)


if __name__ == "__main__":
    asyncio.run(run_term(Path(sys.argv[1]), float(sys.argv[2])))
