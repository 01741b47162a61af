"""The only place that names concrete classes and wires them together."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from aster._version import VERSION
from aster.archive import traits
from aster.board import Board
from aster.campaign.budget import Budget, check_limits
from aster.campaign.clock import Clock
from aster.campaign.decide import Minds
from aster.campaign.jobs import job_of
from aster.campaign.loop import Loop, Observer
from aster.campaign.portal import drive
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate, Experiment, Mode, Reference, Setup
from aster.domain.trees import pack_tree, unpack_tree
from aster.errors import BaselineError, CampaignNotFound, ProblemError, StoreError, UserError
from aster.execution.hardware import list_gpus
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Job
from aster.handle import Campaign
from aster.ledger.lock import LOCK_FILE, CampaignLock
from aster.ledger.protocol import Store
from aster.ledger.sqlite import SqliteStore
from aster.planning.bandit import BanditPlanner
from aster.problems.judge import make_judge
from aster.problems.problem import Problem, load_problem, problem_from_files
from aster.proposers.idea_proposer import IdeaProposer
from aster.proposers.ideas import load_ideas
from aster.sandbox.keeper.locks import held
from aster.sandbox.plan import RunPlan, StagePlan

LEDGER = "ledger.db"
MOST_SLOTS = 4096
RESEARCHERS = ("ideas",)
"""Authors of candidates that a campaign can be run with."""

MACHINE_CLOCK = Clock()

Interrupted = Callable[[int], None]
"""Told how often the user has interrupted: 1, the campaign is ending; 2, it is being left at once."""


def create(
    problem: Problem,
    budget: Budget,
    *,
    researcher: str = "ideas",
    slots: int | None = None,
    seed: int = 0,
    mode: Mode | None = None,
    campaigns: Path = Path("campaigns"),
    clock: Clock = MACHINE_CLOCK,
) -> Path:
    """Write a new campaign's folder and first events, and return the folder. Nothing runs yet.

    Args:
        mode: None: ordered if experiments are all that is budgeted, else arrival.
        campaigns: the folder that holds campaigns, made if it is missing.

    Raises:
        UserError: a researcher, budget or number of slots that cannot be, or a problem without ideas.
        StoreError: the folder cannot be written.
    """
    if researcher not in RESEARCHERS:
        raise UserError(f"There is no researcher {researcher!r}; choose one of: {', '.join(RESEARCHERS)}.")
    setup = _setup(problem, budget, slots, seed, mode)
    check_limits(setup)
    _minds(problem)  # finds broken ideas before anything is written
    moment = datetime.fromtimestamp(clock.now(), UTC)
    name = f"{problem.spec.problem.name}-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = campaigns / name
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}. Free space or choose --campaigns DIR.") from error
    snapshot, blobs = pack_tree(problem.files)
    tree, more = pack_tree(problem.editable_files)
    files = problem.editable_files
    baseline = Candidate(tree_id(files), tree, (), "baseline", None, (), "baseline", traits(files, files))
    store = SqliteStore(folder / LEDGER, create=True)
    try:
        term = store.begin_term(clock.now())
        opening: list[ev.Event] = [ev.CampaignOpened(name, setup, snapshot), ev.CandidateAdded(baseline)]
        store.append(opening, term=term, time=clock.now(), blobs={**blobs, **more})
    finally:
        store.close()
    return folder


def _setup(problem: Problem, budget: Budget, slots: int | None, seed: int, mode: Mode | None) -> Setup:
    spec, limits = problem.spec, budget.limits
    if slots is not None and slots < 1:
        raise UserError(f"A campaign needs at least one slot, not {slots}: give --slots 1 or more.")
    if slots is not None and slots > MOST_SLOTS:
        raise UserError(f"{slots} slots are more than one machine can run; give --slots {MOST_SLOTS} or fewer.")
    return Setup(
        problem=spec.problem.name,
        title=spec.problem.title,
        objective=spec.objective,
        limits=limits,
        mode=mode or ("ordered" if limits.wall_s is None else "arrival"),
        slots=slots or default_slots(spec.resources.cpus, spec.resources.gpus),
        seed=seed,
        search_seeds=spec.seeds.search,
        confirm_seeds=spec.seeds.confirm,
        paired=spec.takes_seed,
        descriptors=spec.archive.descriptors,
        references=tuple(
            Reference(r.name, r.value, r.source, r.same, _conditions(r.conditions)) for r in spec.references
        ),
    )


def _conditions(table: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items() if key != "same")


def default_slots(cpus: int, gpus: int) -> int:
    """Return how many attempts this machine runs side by side: by its devices if they need some, else by its cores."""
    if gpus:
        return max(1, len(list_gpus()) // gpus)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, cores // cpus)


def run(
    folder: Path,
    *,
    observers: Sequence[Observer] = (),
    interrupted: Interrupted = lambda _: None,
    clock: Clock = MACHINE_CLOCK,
) -> Campaign:
    """Run a campaign from where its ledger stands until it ends, and write its report.

    An interrupt (Ctrl-C) ends it cleanly; a second one leaves at once, without a report. Either way it can be run
    again. Observers are told of the new term in the caller's thread, of all else in the campaign's.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        CampaignBusy: another process is running it.
        BaselineError: the unchanged solution does not measure.
        StoreError, ExecutorError: the machine failed; what was recorded is safe.
    """
    _check_folder(folder)
    with ExitStack() as stack:
        stack.enter_context(CampaignLock(folder))
        store = SqliteStore(folder / LEDGER)
        stack.callback(store.close)
        board = _read_board(store, folder)
        problem = problem_from_files(unpack_tree(board.snapshot, store.get_blob), board.setup.problem)
        executor = LocalExecutor(
            folder, _run_plan(problem), make_judge(problem.spec), board.setup.slots, mark=board.campaign
        )
        stack.callback(executor.close)
        started = _begin_term(store, board, executor.hardware, clock)
        for observer in observers:
            observer(board, [started])

        def make_job(board: Board, experiment: Experiment, attempt: str) -> Job:
            return job_of(board, experiment, attempt, problem.frozen_solution_files, store.get_blob)

        def make_loop() -> Loop:
            return Loop(board, store, executor, _minds(problem), make_job, clock=clock, observers=observers)

        drive(make_loop, interrupted)
        campaign = Campaign(folder, board, store.get_blob)
        if board.ended is not None:
            campaign.write_report()
        if board.ended is not None and board.ended.startswith("baseline "):
            raise BaselineError(_baseline_help(board, folder))
    return Campaign(folder, board, SqliteStore(folder / LEDGER, read_only=True).get_blob)  # the other store is closed


def _begin_term(store: Store, board: Board, hardware: str, clock: Clock) -> ev.TermStarted:
    term = store.begin_term(clock.now())
    started = ev.TermStarted(term, hardware, socket.gethostname(), os.getpid(), VERSION)
    store.append([started], term=term, time=clock.now())
    board.apply(started)
    return started


def _baseline_help(board: Board, folder: Path) -> str:
    return (
        f"The unchanged solution of {board.setup.problem} did not measure, so there is nothing to compare with: "
        f"{board.ended}. Mend the problem folder (the attempt's log is in {folder / 'report.html'}) and run again."
    )


def _run_plan(problem: Problem) -> RunPlan:
    spec = problem.spec
    return RunPlan(
        stages=tuple(StagePlan(s.name, s.command, s.timeout_s, s.trusted) for s in spec.stages),
        trusted_files=problem.trusted_files,
        frozen_solution=tuple(problem.frozen_solution_files),
        cpus=spec.resources.cpus,
        gpus=spec.resources.gpus,
        memory_mb=spec.resources.memory_mb,
        seed_env=spec.seeds.env,
        interpreter=sys.executable,
    )


def _minds(problem: Problem) -> Minds:
    library = load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    if not library:
        raise ProblemError(
            problem.source, "ideas/", "holds no ideas, and ideas are all that this version can propose; write one"
        )
    proposer = IdeaProposer(library, frozenset(problem.frozen_solution_files))
    return Minds(BanditPlanner(proposer.surfaces()), proposer, problem.editable_files)


def _check_folder(folder: Path) -> None:
    if not (folder / LEDGER).is_file():
        near = ", ".join(sorted(p.parent.name for p in folder.parent.glob(f"*/{LEDGER}"))) or "none"
        raise CampaignNotFound(f"There is no campaign {folder.name} in {folder.parent}; campaigns there: {near}.")


def load_campaign(folder: Path) -> Campaign:
    """Return a campaign as its ledger tells it, for reading; it may be running meanwhile.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        StoreError: its ledger cannot be read.
    """
    _check_folder(folder)
    store = SqliteStore(folder / LEDGER, read_only=True)
    return Campaign(folder, _read_board(store, folder), store.get_blob)


def _read_board(store: Store, folder: Path) -> Board:
    board = Board().fold(store.read())
    if not hasattr(board, "setup"):  # killed between making the ledger and its first commit
        raise CampaignNotFound(f"{folder} is a campaign that was cut off before it was opened; delete the folder.")
    return board


def opened_at(folder: Path) -> float:
    """Return when a campaign was opened, in Unix seconds; 0 if it was cut off before it was.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        StoreError: its ledger cannot be read.
    """
    _check_folder(folder)
    store = SqliteStore(folder / LEDGER, read_only=True)
    try:
        return next((entry.time for entry in store.read(limit=1)), 0.0)
    finally:
        store.close()


def request_stop(folder: Path, reason: str, clock: Clock = MACHINE_CLOCK) -> bool:
    """Ask a running campaign to end cleanly; False if no process is running it.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        StoreError: its ledger cannot be written.
    """
    _check_folder(folder)
    if not is_running(folder):
        return False
    store = SqliteStore(folder / LEDGER)
    try:
        store.append([ev.StopRequested(secrets.token_hex(8), reason)], time=clock.now())
    finally:
        store.close()
    return True


def is_running(folder: Path) -> bool:
    """Whether some process runs the campaign now."""
    return held(str(folder / LOCK_FILE))


def research(
    problem: Problem | str | Path,
    budget: Budget,
    *,
    researcher: str = "ideas",
    slots: int | None = None,
    seed: int = 0,
    mode: Mode | None = None,
    campaigns: str | Path = "campaigns",
    on_event: Observer | None = None,
) -> Campaign:
    """Run a whole campaign and return it. Synchronous, and safe in notebooks.

    Args:
        problem: a problem, or what `load_problem` takes.
        budget: the ceiling over wall time and experiments.
        researcher: who writes candidates.
        slots: attempts side by side; None: as many as the machine has cores or devices for.
        seed: with the same seed and slots, an ordered campaign makes the same experiments.
        mode: None: ordered if only experiments are budgeted, else arrival.
        campaigns: the folder in which the campaign's own folder is made.
        on_event: called with the board and the new events, in the campaign's thread; it must be quick.

    Raises:
        UserError: what was asked for cannot be done; the message says what to change.
        SystemTrouble: the machine failed; what was recorded is safe and the campaign can be resumed.
    """
    chosen = problem if isinstance(problem, Problem) else load_problem(problem)
    folder = create(chosen, budget, researcher=researcher, slots=slots, seed=seed, mode=mode, campaigns=Path(campaigns))
    return run(folder, observers=[on_event] if on_event is not None else [])
