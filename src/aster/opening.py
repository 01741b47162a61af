"""From what a person asks for to a campaign's folder and first events."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from aster.archive import traits
from aster.campaign.budget import Budget, check_limits
from aster.campaign.clock import Clock
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate, Mode, Setup
from aster.domain.research import ModelChoice
from aster.domain.trees import pack_tree
from aster.errors import StoreError
from aster.ledger.sqlite import SqliteStore
from aster.minds import choose_researcher
from aster.problems.problem import Problem
from aster.setup import check_steering, make_setup
from aster.surroundings import Tell, look_around, silence

LEDGER = "ledger.db"
MACHINE_CLOCK = Clock()


def create(
    problem: Problem,
    budget: Budget,
    *,
    researcher: str | None = None,
    slots: int | None = None,
    seed: int = 0,
    mode: Mode | None = None,
    campaigns: Path = Path("campaigns"),
    clock: Clock = MACHINE_CLOCK,
    tell: Tell = silence,
    models: Sequence[ModelChoice] = (),
    agents: int | None = None,
    one_shot: bool = False,
    directions: str = "",
) -> Path:
    """Write a new campaign's folder and first events, and return the folder. Nothing runs yet.

    Args:
        researcher: who writes candidates; None: ideas if the problem has some, else the tuner; with models agents, and
            beside them whatever else has something to vary.
        mode: None: ordered if experiments are all that is budgeted and there are no models, else arrival.
        campaigns: the folder that holds campaigns, made if it is missing.
        models: the language models that agents may use.
        agents: how many think side by side; None: twice the slots.
        one_shot: subagents answer once with edits, instead of working with tools.
        directions: what the planner is told from the start.
        tell: is told in a sentence what takes long: building an environment.

    Raises:
        UserError: a researcher, budget, model or number of slots that cannot be, a problem with nothing to vary, or one
            that is not prepared or lacks its data.
        StoreError: the folder cannot be written.
    """
    chosen = choose_researcher(
        problem, researcher, bool(models)
    )  # finds broken ideas and marks before anything is written
    setup = make_setup(problem, budget, chosen, slots, seed, mode, models=models, agents=agents, one_shot=one_shot)
    check_limits(setup)
    start = [ev.SteeringGiven("start", check_steering(setup, directions))] if directions else []
    around = look_around(problem, tell)
    moment = datetime.fromtimestamp(clock.now(), UTC)
    name = f"{problem.spec.problem.name}-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = campaigns / name
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}. Free space or choose --campaigns DIR.") from error
    try:
        _open_ledger(folder, setup, problem, around.fingerprints, clock, start)
    except BaseException:  # whatever it was, it is raised again; half a campaign is of use to nobody
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _open_ledger(
    folder: Path,
    setup: Setup,
    problem: Problem,
    data: dict[str, str],
    clock: Clock,
    start: Sequence[ev.Event],
) -> None:
    files = problem.editable_files
    snapshot, blobs = pack_tree(problem.files)
    tree, more = pack_tree(files)
    baseline = Candidate(tree_id(files), tree, (), "baseline", None, (), "baseline", traits(files, files))
    beside = problem.folder is not None and not problem.built_in
    origin = os.path.relpath(problem.folder.resolve(), folder.resolve()) if problem.folder and beside else ""
    opened = ev.CampaignOpened(folder.name, setup, snapshot, origin, data)
    opening: list[ev.Event] = [opened, ev.CandidateAdded(baseline), *start]
    with closing(SqliteStore(folder / LEDGER, create=True)) as store:
        term = store.begin_term(clock.now())
        store.append(opening, term=term, time=clock.now(), blobs={**blobs, **more})
