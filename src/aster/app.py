"""The only place that names concrete classes and wires them together."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from aster._version import VERSION
from aster.attempts import open_executor
from aster.board import Board
from aster.campaign.budget import Budget
from aster.campaign.clock import Clock
from aster.campaign.jobs import job_of
from aster.campaign.loop import Loop, Observer
from aster.campaign.portal import drive
from aster.choosing import chosen_models
from aster.domain import events as ev
from aster.domain.records import Experiment, Mode
from aster.domain.research import ModelChoice
from aster.domain.trees import unpack_tree
from aster.errors import BaselineError, CampaignNotFound
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Job
from aster.handle import Campaign
from aster.hiring import check_models, hire, seldom_collecting
from aster.ledger.lock import LOCK_FILE, CampaignLock
from aster.ledger.protocol import Store
from aster.ledger.sqlite import SqliteStore
from aster.minds import make_minds
from aster.opening import LEDGER as LEDGER
from aster.opening import MACHINE_CLOCK
from aster.opening import create as create
from aster.overview import Overview, overview_of, recall, remember
from aster.problems.problem import Problem, builtin_folder, load_problem, problem_from_files
from aster.sandbox.keeper.disk import short
from aster.sandbox.keeper.locks import held
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.layers import SandboxName, check_no_weaker, choose_walls
from aster.setup import check_kind, check_steering
from aster.surroundings import Surroundings, Tell, check_same, look_around, silence
from aster.ticker import observing

Interrupted = Callable[[int], None]
"""Told how often the user has interrupted: 1, the campaign is ending; 2, it is being left at once."""


def check_sandbox(problem: Problem, sandbox: SandboxName, required: bool, tell: Tell = silence) -> None:
    """Refuse, before anything is made, to run where the sandbox that is asked for or needed does not work.

    Raises:
        UserError: it does not work here, or the problem lacks what it needs of this machine.
        ExecutorError: the trial of the sandboxes cannot be run.
    """
    needs = look_around(problem, tell).needs
    choose_walls(sandbox, Path(), {}, required=required, service=bool(problem.spec.services), needs=needs)


def run(
    folder: Path,
    *,
    observers: Sequence[Observer] = (),
    interrupted: Interrupted = lambda _: None,
    clock: Clock = MACHINE_CLOCK,
    sandbox: SandboxName = "auto",
    require_sandbox: bool = False,
    tell: Tell = silence,
) -> Campaign:
    """Run a campaign from where its ledger stands until it ends, and write its report.

    An interrupt (Ctrl-C) ends it cleanly; a second one leaves at once, without a report. Either way it can be run
    again. Observers are told of the new term in the caller's thread, of all else in the campaign's.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        CampaignBusy: another process is running it.
        UserError: the sandbox that is asked for, or needed, does not work here; or the problem's data has changed,
            or something else that it needs of this machine is missing.
        BaselineError: the unchanged solution does not measure.
        StoreError, ExecutorError: the machine failed; what was recorded is safe.
    """
    with closing(_open_to_read(folder)) as look:
        before = look.last_position()  # whoever asks for a stop from here on means the term that begins below
    with ExitStack() as stack:
        stack.enter_context(CampaignLock(folder))
        store = stack.enter_context(closing(SqliteStore(folder / LEDGER)))
        board, read = _read_board(store, folder)
        problem = problem_of(folder, board, store)
        around = look_around(problem, tell, begun=True)
        check_same(_opened(store).data, around.fingerprints, problem)
        walls = partial(_walls, folder, board, problem, around, sandbox, require_sandbox)
        executor = stack.enter_context(closing(open_executor(folder, board, problem, around, walls, tell)))
        _begin_term(store, executor, before, clock)
        began = list(store.read(after=read))
        board.fold(began)
        for observer in observers:
            observer(board, [entry.event for entry in began])

        def make_job(board: Board, experiment: Experiment, attempt: str) -> Job:
            return job_of(board, experiment, attempt, problem.frozen_solution_files, store.get_blob)

        def make_loop() -> Loop:
            minds = make_minds(problem, board.setup.researcher, store.get_blob)
            parts = (board, store, executor, minds, make_job)
            position, shortage = began[-1].position, partial(_shortage, folder)
            crew = hire(board, problem, store.get_blob, clock) if board.setup.models else None
            return Loop(*parts, position=position, clock=clock, observers=observers, shortage=shortage, crew=crew)

        # BLAS has small matrices here: more threads only wait for each other, busily.
        with threadpool_limits(1, "blas"), seldom_collecting(board.setup.agents):
            drive(make_loop, interrupted)
        campaign = _held(folder, board)
        if board.ended is not None:
            campaign.write_report()
        if board.ended is not None and board.ended.startswith("baseline "):
            raise BaselineError(_baseline_help(board, folder))
    return campaign


def _opened(store: Store) -> ev.CampaignOpened:
    [first] = store.read(limit=1)
    assert isinstance(first.event, ev.CampaignOpened)  # a ledger is opened with it
    return first.event


def problem_of(folder: Path, board: Board, store: Store) -> Problem:
    """Return a campaign's problem as its snapshot has it, and where its data lies now."""
    name, origin = board.setup.problem, _opened(store).origin
    place = Path(os.path.normpath(folder.resolve() / origin)) if origin else builtin_folder(name)
    return problem_from_files(unpack_tree(board.snapshot, store.get_blob), name, place, built_in=not origin)


def _walls(
    folder: Path,
    board: Board,
    problem: Problem,
    around: Surroundings,
    sandbox: SandboxName,
    required: bool,
    nodes: dict[str, str],
) -> Walls:
    services = bool(problem.spec.services)
    found = choose_walls(sandbox, folder, nodes, required=required, service=services, needs=around.needs)
    if sandbox == "auto":
        check_no_weaker(found.sandbox, board.sandboxes)
    return found


def _begin_term(store: Store, executor: LocalExecutor, before: int, clock: Clock) -> None:
    """Begin a term. It forgets earlier requests to stop, so those behind position `before` are made again for it."""
    term = store.begin_term(clock.now())
    host = socket.gethostname()
    started = ev.TermStarted(term, executor.hardware, host, os.getpid(), VERSION, executor.sandbox)
    [start] = store.append([started], term=term, time=clock.now())
    asked = [e.event for e in store.read(before, start.position - before) if isinstance(e.event, ev.StopRequested)]
    store.append([ev.StopRequested(f"{each.request}.{term}", each.reason) for each in asked], time=clock.now())


def _shortage(folder: Path) -> str | None:
    """Return what the disk is short of: an attempt might fail for want of it, and its candidate be blamed."""
    little = short(str(folder))
    return little and f"in {folder} {little}"


def _baseline_help(board: Board, folder: Path) -> str:
    if board.ended is not None and board.ended.startswith("baseline infeasible"):
        return (
            f"The unchanged solution of {board.setup.problem} breaks a constraint: {board.ended}. Loosen the "
            "[[constraint]], or begin with a solution that keeps it, and run again."
        )
    return (
        f"The unchanged solution of {board.setup.problem} did not measure, so there is nothing to compare with: "
        f"{board.ended}. Mend the problem folder (the attempt's log is in {folder / 'report.html'}) and run again."
    )


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
    with closing(_open_to_read(folder)) as store:
        board, _ = _read_board(store, folder)
    return _held(folder, board)


def _held(folder: Path, board: Board) -> Campaign:
    return Campaign(folder, board, partial(_open_to_read, folder), partial(run, folder))


def _open_to_read(folder: Path) -> SqliteStore:
    _check_folder(folder)
    return SqliteStore(folder / LEDGER, read_only=True)


def _read_board(store: Store, folder: Path) -> tuple[Board, int]:
    """Return the fold of a ledger, and the position of the last entry in it."""
    board, position = Board(), 0
    for entry in store.read():
        board.apply(entry.event)
        position = entry.position
    if not position:  # killed between making the ledger and its first commit
        raise CampaignNotFound(f"{folder} is a campaign that was cut off before it was opened; delete the folder.")
    return board, position


def opened_at(folder: Path) -> float:
    """Return when a campaign was opened, in Unix seconds; 0 if it was cut off before it was.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        StoreError: its ledger cannot be read.
    """
    with closing(_open_to_read(folder)) as store:
        return next((entry.time for entry in store.read(limit=1)), 0.0)


def overview(folder: Path) -> Overview:
    """Return a campaign in a few numbers. Its ledger is folded only if it has grown since the last time.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        StoreError: its ledger cannot be read.
    """
    with closing(_open_to_read(folder)) as store:
        last = next(store.read(max(0, store.last_position() - 1), limit=1), None)
        mark = (last.position, last.time) if last is not None else (0, 0.0)
        known = recall(folder, mark)
        if known is None:
            opened = next((entry.time for entry in store.read(limit=1)), 0.0)
            known = overview_of(_read_board(store, folder)[0], opened, mark)
            remember(folder, known)
        return known


def request_stop(folder: Path, reason: str, clock: Clock = MACHINE_CLOCK) -> bool:
    """Ask a running campaign to end cleanly; False if no process is running it.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        StoreError: its ledger cannot be written.
    """
    _check_folder(folder)
    if not is_running(folder):
        return False
    with closing(SqliteStore(folder / LEDGER)) as store:
        store.append([ev.StopRequested(secrets.token_hex(8), reason)], time=clock.now())
    return True


def steer(folder: Path, text: str, clock: Clock = MACHINE_CLOCK) -> bool:
    """Tell a campaign's planner something; whether some process runs the campaign now, else it is read at a resume.

    Raises:
        CampaignNotFound: the folder holds no campaign.
        UserError: the campaign has no planner to tell, or the text is empty or too long.
        StoreError: its ledger cannot be written.
    """
    said = check_steering(load_campaign(folder).board.setup, text)
    with closing(SqliteStore(folder / LEDGER)) as store:
        store.append([ev.SteeringGiven(secrets.token_hex(8), said)], time=clock.now())
    return is_running(folder)


def is_running(folder: Path) -> bool:
    """Whether some process runs the campaign now."""
    return held(str(folder / LOCK_FILE))


def research(
    problem: Problem | str | Path,
    budget: Budget,
    *,
    researcher: str | None = None,
    slots: int | None = None,
    seed: int = 0,
    mode: Mode | None = None,
    campaigns: str | Path = "campaigns",
    models: Sequence[str | ModelChoice] = (),
    agents: int | None = None,
    one_shot: bool = False,
    directions: str = "",
    sandbox: SandboxName = "auto",
    require_sandbox: bool = False,
    on_event: Observer | None = None,
    progress: bool = False,
) -> Campaign:
    """Run a whole campaign and return it. Synchronous, and safe in notebooks.

    Args:
        problem: a problem, or what `load_problem` takes.
        budget: the ceiling over wall time, experiments, and what language models and GPUs cost.
        researcher: who writes candidates: "ideas", "ideas+tuner", "agents+tuner", ...; None: as `create` has it.
        slots: attempts side by side; None: as many as the machine has cores or devices for.
        seed: with the same seed and slots, an ordered campaign makes the same experiments.
        mode: None: ordered if only experiments are budgeted and there are no models, else arrival.
        campaigns: the folder in which the campaign's own folder is made.
        models: for agents, as `ModelChoice`s or as `--model` takes them: "[ROLE[,ROLE]=]PROVIDER:NAME[*WEIGHT]".
        agents, one_shot, directions: as `create` has them.
        sandbox: what candidate code runs in; "auto" takes the strongest that works here (`aster doctor`).
        require_sandbox: refuse to run where only plain processes would hold it.
        on_event: called with the board and the new events, in the campaign's thread; it must be quick.
        progress: show one line on stderr, drawn again as the campaign goes on.

    Raises:
        UserError: what was asked for cannot be done; the message says what to change.
        SystemTrouble: the machine failed; what was recorded is safe and the campaign can be resumed.
    """
    check_kind("problem", problem, Problem | str | Path, "a problem, its folder or its name")
    check_kind("budget", budget, Budget, 'a Budget, such as Budget(wall="2h")')
    check_kind("campaigns", campaigns, str | Path, "a folder")
    chosen = problem if isinstance(problem, Problem) else load_problem(problem)
    check_sandbox(chosen, sandbox, require_sandbox)
    place, pool = Path(campaigns), chosen_models(models)
    check_models(pool)
    folder = create(
        chosen, budget, researcher=researcher, slots=slots, seed=seed, mode=mode, campaigns=place,
        models=pool, agents=agents, one_shot=one_shot, directions=directions,
    )  # fmt: skip
    with observing(on_event, progress) as observers:
        return run(folder, observers=observers, sandbox=sandbox, require_sandbox=require_sandbox)
