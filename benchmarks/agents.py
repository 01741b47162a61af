"""A thousand subagents in one process: how near they come to waiting for their model alone, and what a call costs.

    python benchmarks/agents.py [--agents 1000] [--calls 3] [--latency 10] [--profile 25] [--markdown FILE]

Every subagent makes `calls` model calls, one after the other, each of which takes `latency` seconds on a server on
this machine that speaks as OpenAI-compatible ones do. They read, edit and compare files of `circle-packing` by tool
calls, and finish; no experiment is run. Ideal is calls * latency: everything else is ours. Three ways, each in a
process of its own:

- `campaign`: the campaign's own loop, desk and ledger; calls reserved and settled durably, over HTTP.
- `no network`: the same, but the model is a function that waits in the same process.
- `client alone`: the same requests by the client, without agents, campaign and ledger.

CPU is of the process under test with all its threads, from the first request to the last answer, without imports; the
server has a process of its own, on the same cores. Memory is the highest resident size of the process, all told.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

try:
    from benchmarks.machine import provenance
except ImportError:  # run as a script, beside it
    from machine import provenance  # type: ignore[import-not-found,no-redef]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aster.agents.protocol import AgentRunner, Desk
    from aster.board import Board
    from aster.domain import events as ev
    from aster.domain.research import ModelChoice, Result
    from aster.llm.protocol import Client, Prompt, Reply, ToolSpec
    from aster.problems.problem import Problem

WAYS = ("campaign", "no network", "client alone")
GOALS = {"share": 0.8, "mib": 1024.0, "cpu_ms": 3.0}
PROBLEM = "circle-packing"
PATH = "solution/search.py"
DIRECTIONS = 4


class Load(NamedTuple):
    """What is asked of the machine."""

    agents: int
    calls: int
    latency: float


# --- the model -----------------------------------------------------------------------------------------------


def script(calls: int, prompt: Prompt) -> Reply:
    """Answer as a subagent's model would: look around, edit and compare, finish with the last call."""
    from aster.domain.research import Tokens
    from aster.llm.protocol import Said
    from aster.testing.clients import calls as calling

    turn = sum(isinstance(message, Said) for message in prompt.messages) + 1
    used = Tokens(4000 + 500 * turn, 200, 3500)
    if turn >= calls:
        finding = {"finding": "The walk is as long as it was; nothing was measured.", "concerns": "It was not run."}
        return calling(prompt, ("finish", finding), text="I am done.", tokens=used)
    if turn % 2:
        reading = ("read_file", {"path": PATH}), ("search_files", {"pattern": r"HOPS"})
        return calling(prompt, *reading, text="I look at what decides it first.", tokens=used)
    edit = {"path": PATH, "find": "best = current = packing", "replace": f"best = current = packing  # {turn}"}
    undo = {"path": PATH, "find": f"  # {turn}", "replace": ""}
    return calling(prompt, ("edit_file", edit), ("diff", {}), ("edit_file", undo), tokens=used)


async def serve(load: Load) -> None:
    """Serve the model until standard input is closed."""
    from aster.testing.model_server import ModelServer

    async with ModelServer(lambda prompt: script(load.calls, prompt), delay_s=load.latency, keep=False) as server:
        print(server.base_url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print(json.dumps({"most": server.most_in_flight, "answered": server.answered, "cpu": cpu_s()}), flush=True)


@contextmanager
def server_of(load: Load) -> Iterator[tuple[str, dict[str, float]]]:
    """Run the server in a process of its own; gives its address, and at the end what it saw."""
    seen: dict[str, float] = {}
    with subprocess.Popen(
        [*command(load), "--way", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip(), seen
        process.stdin.close()
        seen.update(json.loads(process.stdout.readline()))


# --- the campaign --------------------------------------------------------------------------------------------


class Opened(NamedTuple):
    """A campaign of which every subagent is about to begin."""

    events: list[ev.Event]
    blobs: dict[str, bytes]


def opened(problem: Problem, model: ModelChoice, load: Load) -> Opened:
    """Return a campaign's events up to the assignments of its subagents."""
    from aster.agents.briefing import CampaignBriefing
    from aster.archive import traits
    from aster.board import Board
    from aster.domain import events as ev
    from aster.domain.ids import blob_id, tree_id
    from aster.domain.records import Candidate, Direction, Hypothesis, Limits, Setup
    from aster.domain.research import Allowance, Assignment
    from aster.domain.trees import pack_tree

    files = problem.editable_files
    tree, blobs = pack_tree(files)
    limits = Limits(None, 1_000_000, 1e9)
    setup = Setup(
        problem.spec.problem.name, problem.spec.problem.title, problem.objective, limits, "arrival", 2, 0,
        researcher="agents", models=(model,), agents=load.agents,
    )  # fmt: skip
    baseline = Candidate(tree_id(files), tree, (), "baseline", None, traits=traits(files, files))
    board, events = Board(), list[ev.Event]()

    def say(event: ev.Event) -> None:
        board.apply(event)
        events.append(event)

    say(ev.CampaignOpened("agents", setup, tree))
    say(ev.CandidateAdded(baseline))
    for number in range(DIRECTIONS):
        say(ev.DirectionOpened(Direction(f"d-{number}", f"search {number}", "It walks too short.", "agents", (PATH,))))
    briefing = CampaignBriefing(problem, lambda _: files)
    instructions = briefing.instructions(board, "subagent").encode()
    blobs[blob_id(instructions)] = instructions
    for number in range(load.agents):
        direction, name = f"d-{number % DIRECTIONS}", f"h-{number}"
        text = f"Walk {number} hops more, and spend them where the packing is loose."
        say(ev.HypothesisProposed(Hypothesis(name, direction, baseline.id, f"{number} more hops", text)))
        allowance = Allowance(2 * load.calls + 6, 10_000_000, 3)
        assignment = Assignment(
            f"a-{number}", "subagent", model.name, allowance, blob_id(instructions), "", direction, name, baseline.id
        )
        brief = briefing.brief(board, assignment).encode()
        blobs[blob_id(brief)] = brief
        fields = {each: getattr(assignment, each) for each in assignment.__struct_fields__}
        say(ev.AssignmentGiven(Assignment(**{**fields, "brief": blob_id(brief)})))
    return Opened(events, blobs)


def runner_of(problem: Problem) -> AgentRunner:
    """Return what carries out assignments: real subagents; planner and workers have nothing to say."""
    from aster.agents.subagent import Subagent
    from aster.domain.research import Handoff, Plan

    subagent = Subagent(problem, checks=False)

    async def run(desk: Desk) -> Result:
        match desk.assignment.role:
            case "subagent":
                return await subagent(desk)
            case "planner":
                return Plan()
            case _:
                return Handoff("", "", "")

    return run


async def run_campaign(folder: Path, client: Client, model: ModelChoice, load: Load) -> dict[str, float]:
    """Run the campaign's loop until every subagent has ended, and return the figures."""
    from aster.board import Board
    from aster.campaign.clock import Clock
    from aster.campaign.crew import Crew
    from aster.campaign.decide import Minds
    from aster.campaign.jobs import job_of
    from aster.campaign.loop import Loop
    from aster.domain import events as ev
    from aster.domain.records import Measured
    from aster.hiring import files_reader
    from aster.ledger.sqlite import SqliteStore
    from aster.llm.limits import Gate
    from aster.planning.bandit import BanditPlanner
    from aster.problems.problem import load_problem
    from aster.proposers.several import Several
    from aster.testing.fakes import FakeExecutor

    problem, store = load_problem(PROBLEM), SqliteStore(folder / "ledger.db", create=True)
    begun = opened(problem, model, load)
    store.append(begun.events, time=0.0, blobs=begun.blobs)
    term = store.begin_term(0.0)
    store.append([ev.TermStarted(term, "fake", "h", 1, "0")], term=term, time=0.0)
    board = Board().fold(store.read())
    mine = {event.assignment.id for event in begun.events if isinstance(event, ev.AssignmentGiven)}
    ended: dict[str, ev.AssignmentEnded] = {}
    crew = Crew(
        board, runner_of(problem), client, pause=lambda *_: 1.0, gate=Gate({}), get_blob=store.get_blob,
        files_of=files_reader(store.get_blob), clock=Clock(),
    )  # fmt: skip
    minds = Minds(BanditPlanner({}), Several([]), problem.editable_files)
    executor = FakeExecutor(lambda _: Measured({problem.objective.metric: 2.0}), 2)

    def watch(_: Board, events: Sequence[ev.Event]) -> None:
        for event in events:
            if isinstance(event, ev.AssignmentEnded) and event.assignment in mine:
                ended[event.assignment] = event
        if len(ended) == len(mine):
            loop.leave()

    loop = Loop(
        board, store, executor, minds, lambda board, each, attempt: job_of(board, each, attempt, {}, store.get_blob),
        position=store.last_position(), clock=Clock(), observers=[watch], crew=crew,
    )  # fmt: skip
    figures = await measured(loop.run(), load)
    wrong = [f"{each.assignment}: {each.ending}, {each.reason}" for each in ended.values() if each.ending != "done"]
    state = board.research.model(model.name)
    store.close()
    if wrong or state.answered != load.agents * load.calls:
        sys.exit(f"{len(wrong)} subagents did not finish, {state.answered} calls were answered: {wrong[:3]}")
    return figures


async def run_client(client: Client, model: ModelChoice, load: Load) -> dict[str, float]:
    """Make the calls of a campaign's subagents without a campaign, and return the figures."""
    from aster.domain.events import AssignmentGiven
    from aster.llm.chain import Chain
    from aster.llm.protocol import Returned, Told
    from aster.problems.problem import load_problem

    problem = load_problem(PROBLEM)
    begun, tools = opened(problem, model, load), tool_specs()
    given = [event.assignment for event in begun.events if isinstance(event, AssignmentGiven)]

    async def talk(instructions: str, brief: str) -> None:
        chain = Chain(instructions, tools)
        chain.add(Told(brief))
        for _ in range(load.calls):
            reply = await client.ask(model, chain.prompt(16_384))
            chain.add(reply.said, *(Returned(call.id, call.name, "1: one line\n" * 20) for call in reply.said.calls))

    async def everybody() -> None:
        async with asyncio.TaskGroup() as group:
            for each in given:
                group.create_task(talk(begun.blobs[each.instructions].decode(), begun.blobs[each.brief].decode()))

    figures = await measured(everybody(), load)
    await client.close()
    return figures


def tool_specs() -> tuple[ToolSpec, ...]:
    """Return the tools of a subagent, as its model sees them."""
    from aster.agents.converse import spec_of
    from aster.agents.tools import file_tools

    return tuple(spec_of(each) for each in file_tools(None, None))  # type: ignore[arg-type]  # none of them is used


# --- measuring -----------------------------------------------------------------------------------------------


async def measured(work: Any, load: Load) -> dict[str, float]:
    """Await `work` and return what it took. `late_s`: the longest that the event loop kept a timer waiting."""
    late = 0.0

    async def watch() -> None:
        nonlocal late
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.05)
            late = max(late, time.monotonic() - began - 0.05)

    watching = asyncio.get_running_loop().create_task(watch())
    wall, cpu = time.monotonic(), cpu_s()
    await work
    wall, cpu = time.monotonic() - wall, cpu_s() - cpu
    watching.cancel()
    return {
        "wall_s": wall,
        "share": load.calls * load.latency / wall,
        "cpu_ms": 1e3 * cpu / (load.agents * load.calls),
        "late_s": late,
        "mib": peak_mib(),
    }


def cpu_s() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mib() -> float:
    """Return the highest resident size of this process so far. The kernel's own figure would hold our parent's too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(text for text in status.read_text().splitlines() if text.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_way(way: str, load: Load, base_url: str) -> dict[str, float]:
    """Run one way in this process."""
    from aster.domain.research import ModelChoice, Price
    from aster.llm.client import PydanticClient
    from aster.testing.clients import ScriptedClient

    model = ModelChoice("openai:scripted", Price(1.0, 10.0, 0.1), base_url=base_url)
    client: Client
    if way == "no network":
        client = ScriptedClient(lambda prompt: script(load.calls, prompt), delay_s=load.latency)
    else:
        client = PydanticClient()
    if way == "client alone":
        return asyncio.run(run_client(client, model, load))
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run_campaign(Path(folder), client, model, load))


def command(load: Load) -> list[str]:
    """Return the command line of a process of this benchmark's own."""
    numbers = ["--agents", str(load.agents), "--calls", str(load.calls), "--latency", str(load.latency)]
    return [sys.executable, __file__, *numbers]


def measure(way: str, load: Load, profile: int) -> dict[str, float]:
    """Run one way in a process of its own, with the server in another."""
    with server_of(load) as (base_url, seen):
        asked = [*command(load), "--way", way, "--base-url", base_url, "--profile", str(profile)]
        done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"{way}: exit code {done.returncode}")
    if profile:
        print(f"{way}:", *done.stdout.splitlines()[:-1], sep="\n", file=sys.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "most": seen["most"], "server_ms": 1e3 * seen["cpu"] / seen["answered"] if seen["most"] else 0.0}


def own_process(given: argparse.Namespace, load: Load) -> None:
    """Do what this process was started for, and print the figures as JSON."""
    from aster.hiring import seldom_collecting
    from aster.llm.wire import room_for

    room_for(2 * load.agents)
    with seldom_collecting(load.agents):
        if given.way == "serve":
            asyncio.run(serve(load))
            return
        if not given.profile:
            print(json.dumps(run_way(given.way, load, given.base_url)))
            return
        profile = cProfile.Profile(time.thread_time)  # CPU seconds of the event loop's thread
        figures = profile.runcall(run_way, given.way, load, given.base_url)
    stats = pstats.Stats(profile, stream=sys.stdout)
    stats.sort_stats("tottime").print_stats(given.profile)
    print(json.dumps(figures))


def report(found: dict[str, dict[str, float]], load: Load) -> str:
    """Return the table."""
    ideal = load.calls * load.latency
    goals = f"< {ideal / GOALS['share']:.1f} | > {GOALS['share']:.0%} | < {GOALS['cpu_ms']:g} | < {GOALS['mib']:g}"
    lines = [
        f"{load.agents} subagents, {load.calls} calls each at {load.latency:g} s: ideal {ideal:g} s. "
        f"Load average at the end: {os.getloadavg()[0]:.1f}.",
        "",
        "| way | wall s | share of the ideal | CPU ms a call | peak MiB | longest hold-up s | in flight, most |",
        "|---|---|---|---|---|---|---|",
        f"| goal | {goals} | | |",
    ]
    for way, row in found.items():
        most = f"{row['most']:.0f}" if row["most"] else ""
        lines.append(
            f"| {way} | {row['wall_s']:.2f} | {row['share']:.1%} | {row['cpu_ms']:.2f} | {row['mib']:.0f} | "
            f"{row['late_s']:.2f} | {most} |"
        )
    served = max(row["server_ms"] for row in found.values())
    lines += ["", f"The server took {served:.2f} ms of CPU a call, on the same cores and in none of these figures."]
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument("--latency", type=float, default=10.0, help="seconds")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--profile", type=int, default=0, help="print so many functions by their own time; slows all")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--base-url", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    load = Load(given.agents, given.calls, given.latency)
    if given.way:
        own_process(given, load)
        return
    found: dict[str, dict[str, float]] = {}
    for way in given.ways:
        found[way] = measure(way, load, given.profile)
        print(way, {name: round(value, 3) for name, value in found[way].items()}, file=sys.stderr, flush=True)
    text = report(found, load)
    print(text)
    if given.markdown:
        given.markdown.write_text(f"# {(__doc__ or '').splitlines()[0]}\n\n{provenance()}\n\n{text}\n")


if __name__ == "__main__":
    main()
