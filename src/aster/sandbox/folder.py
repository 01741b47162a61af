"""The folder of an attempt, and what its keeper is told."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from aster.domain.ids import blob_id
from aster.sandbox.keeper.files import lay_out
from aster.sandbox.keeper.locks import held
from aster.sandbox.keeper.spec import Given, Reading, Spec, Stage
from aster.sandbox.keeper.walls import Walls, covers
from aster.sandbox.plan import GivenPlan, RunPlan, StagePlan


class AttemptFolder:
    """`attempts/ATTEMPT` of a campaign folder and what belongs to it.

    work/ holds the solution tree, outputs/ what the stages hand on; the keeper adds alive, log and its own folders.
    """

    def __init__(self, campaign: Path, attempt: str) -> None:
        self.attempt = attempt
        self.path = campaign / "attempts" / attempt
        self.outcome = campaign / "spool" / f"{attempt}.json"

    def build(self, spec: Spec, files: Mapping[str, bytes], inputs: Mapping[str, bytes]) -> None:
        """Write everything that the keeper needs.

        What was written is removed again if this raises.

        Raises:
            OSError: no space, or no permission.
            ValueError: a path leads out of the folder.
        """
        self.remove()
        try:
            self.path.mkdir()
            # The keeper's alone, unless a user of the attempt's own has to get through: nobody else may run a program
            # that a candidate left here with our rights.
            self.path.chmod(0o711 if spec.walls.own_user else 0o700)
            for name, content in (("work", files), ("outputs", inputs)):
                folder = self.path / name
                folder.mkdir()
                lay_out(str(folder), content)
            (self.path / "spec.json").write_bytes(msgspec.json.encode(spec))
        except (OSError, ValueError):
            self.remove()
            raise

    def alive(self) -> bool:
        """Whether its keeper lives."""
        return held(str(self.path / "alive"))

    def keeper(self) -> int | None:
        """Return the process id of its living keeper, or None."""
        with suppress(OSError, ValueError):
            if self.alive():
                return int((self.path / "alive").read_bytes())
        return None

    def remove(self) -> None:
        """Delete the attempt, its outcome included; what cannot be deleted stays."""
        for written in (self.outcome, self.outcome.with_name(f".{self.outcome.name}.tmp")):  # by a keeper cut off
            with suppress(OSError):
                written.unlink()
        remove_tree(self.path)


def make_spec(
    plan: RunPlan,
    campaign: Path,
    attempt: str,
    mark: str,
    seed: int,
    leases: Mapping[str, str],
    walls: Walls,
    confirms: bool = False,
) -> Spec:
    """Return what a keeper needs to run `attempt` of `plan` behind `walls`, with no frozen files named yet.

    `leases`: GPU UUID -> lock file of every device that may be leased. `confirms`: it may see sealed data.
    """
    return Spec(
        attempt=attempt,
        mark=mark,
        spool=str(campaign / "spool"),
        store=str(campaign / "trusted"),
        stages=[stage_of(each) for each in plan.stages],
        services=[stage_of(each) for each in plan.services],
        seed=seed,
        seed_env=plan.seed_env,
        interpreter=plan.interpreter,
        path=_path(walls),
        cpus=plan.cpus,
        memory_mb=plan.memory_mb,
        gpus=plan.gpus,
        leases=dict(leases),
        trusted_files={path: blob_id(data) for path, data in plan.trusted_files.items()},
        walls=walls,
        given=[_given(each, withheld=each.sealed and not confirms) for each in plan.given],
        compiled=plan.compiled,
        reading=Reading(plan.metrics, plan.progress, plan.progress_goal),
        output_bytes=plan.output_bytes,
    )


def _given(plan: GivenPlan, withheld: bool) -> Given:
    return Given(plan.name, [] if withheld else list(plan.places), plan.link, list(plan.stages))


def _path(walls: Walls) -> str:
    """Return our PATH; behind walls, without the folders that cannot be seen there."""
    path = os.environ.get("PATH", os.defpath)
    if walls.sandbox == "plain":
        return path
    seen = [each for each in path.split(os.pathsep) if any(covers(folder, each) for folder in walls.read)]
    return os.pathsep.join(dict.fromkeys(seen)) or os.defpath


def stage_of(plan: StagePlan) -> Stage:
    """Return a stage as a keeper is told of it."""
    return Stage(plan.name, list(plan.command), plan.timeout_s, plan.trusted, plan.service)


def remove_tree(path: Path) -> None:
    """Delete a folder that hostile code may have filled; never follows links. What cannot be deleted stays."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):  # folders without permissions, or thousands deep
        with suppress(OSError):
            _remove_flat(path)


def _remove_flat(root: Path) -> None:
    """Delete a folder by moving each of its subfolders up to it first: no path gets long, and no call deep."""
    ahead, number, secret = [root], 0, secrets.token_hex(8)  # names that nobody can have taken
    while ahead:
        folder = ahead[-1]
        folder.chmod(0o700)
        with os.scandir(folder) as entries:
            inside = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for path, is_folder in inside:
            if is_folder:
                path.chmod(0o700)  # or it may not be moved
                number += 1
                ahead.append(path.rename(root / f".{secret}-{number}"))
            else:
                path.unlink()
        if folder is ahead[-1]:
            folder.rmdir()
            ahead.pop()
