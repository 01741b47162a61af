"""Compiled kernels for all attempts of a campaign: made once by the unchanged solution, without data, then frozen."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from aster.domain.events import AttemptLost
from aster.domain.records import Measured, Outcome, Said
from aster.errors import ExecutorError, UserError
from aster.execution.arrivals import Judge
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Arrival, Job
from aster.sandbox.folder import remove_tree
from aster.sandbox.keeper.files import remove_links
from aster.sandbox.keeper.stage import COMPILED
from aster.sandbox.plan import RunPlan, StagePlan

LEAST_S = 600.0
"""Seconds that warming may always take; where a stage may take longer, warming may too."""
_POLL_S = 0.05
_MOST_SAID = 2_000
_STAGE = "warm"

Make = Callable[[RunPlan, Judge], LocalExecutor]


def compiled_kernels(
    folder: Path,
    plan: RunPlan,
    command: tuple[str, ...],
    files: Mapping[str, bytes],
    make: Make,
    tell: Callable[[str], None],
) -> Path:
    """Return the folder of what `command` compiles on this kind of hardware, filled now if it is not there yet.

    Args:
        folder: the campaign's; it keeps them.
        plan: what its attempts are.
        files: the unchanged solution, path -> content.
        make: makes an executor for a plan and a judge.
        tell: is told that it takes a while.

    Raises:
        UserError: the command does not end well.
        ExecutorError: it cannot be run, or what it made cannot be kept.
    """
    given = tuple(replace(each, stages=(_STAGE,)) for each in plan.given if not each.name)
    limit_s = max(LEAST_S, *(stage.timeout_s for stage in plan.stages))
    warm = replace(
        plan, stages=(StagePlan(_STAGE, command, limit_s),), services=(), trusted_files={}, given=given, compiled=""
    )
    executor, attempt = make(warm, _judge), f"{_STAGE}.{secrets.token_hex(4)}"
    try:
        about = json.dumps([executor.hardware, plan.interpreter, command])
        place = folder / COMPILED / hashlib.sha256(about.encode()).hexdigest()[:20]
        if not place.is_dir():
            tell(f"Filling the compile caches once: `{' '.join(command)}`.")
            executor.submit(Job(attempt, _STAGE, 0, dict(files)))
            _check(_wait(executor))
            _freeze(folder / "attempts" / attempt, place)
            executor.acknowledge(attempt)
        return place
    finally:
        executor.cancel(attempt, "nobody waits for it")
        executor.close()


def _judge(_: str, __: Said) -> Measured:
    """Nothing is scored: that all ended well is enough."""
    return Measured({})


def _wait(executor: LocalExecutor) -> Arrival:
    while not (arrivals := executor.poll()):
        time.sleep(_POLL_S)
    return arrivals[0]


def _check(arrival: Arrival) -> None:
    if isinstance(arrival.fact, AttemptLost):
        raise ExecutorError(f"The compile caches cannot be filled: the attempt was lost, {arrival.fact.reason}.")
    outcome: Outcome = arrival.fact.outcome
    if not isinstance(outcome.result, Measured):
        said = arrival.blobs.get(outcome.log or "", b"").decode(errors="replace")[-_MOST_SAID:]
        raise UserError(f"The command `warm` under [environment] does not end well ({outcome.result}):\n{said}")


def _freeze(attempt: Path, place: Path) -> None:
    """Keep what the only stage of an attempt compiled: a copy without links, in one step."""
    draft = place.with_name(f".{place.name}.tmp")
    try:
        [made] = attempt.glob(f"home-*/{COMPILED}")
        remove_links(str(made))
        remove_tree(draft)
        place.parent.mkdir(exist_ok=True)
        shutil.copytree(made, draft, symlinks=True)
        draft.rename(place)
    except (OSError, ValueError) as error:
        raise ExecutorError(f"What was compiled cannot be kept in {place}: {error}") from error
