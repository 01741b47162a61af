"""The local executor: attempts as process trees on this machine, each under its own keeper."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from aster.domain.events import AttemptLost, OutcomeRecorded
from aster.domain.ids import blob_id
from aster.errors import ExecutorError, UserError
from aster.execution.arrivals import Judge, outcome_of
from aster.execution.hardware import Gpu, cpu_kind, gpu_kind, list_gpus
from aster.execution.leases import LEASES, LeaseFolder, check_feasible
from aster.execution.protocol import Arrival, Job
from aster.sandbox.client import KeeperClient, Refused
from aster.sandbox.folder import AttemptFolder, make_spec, stage_of
from aster.sandbox.keeper.cgroups import Group
from aster.sandbox.keeper.files import sha256_of, write_atomically
from aster.sandbox.keeper.spec import RawOutcome
from aster.sandbox.keeper.stage import group_name
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.plan import RunPlan
from aster.sandbox.processes import kill_marked

_LIVENESS_S = 1.0


class LocalExecutor:
    """Runs up to `slots` attempts side by side under `folder`, which it shares with earlier and later processes.

    Args:
        folder: the campaign's folder; `attempts/`, `spool/` and `trusted/` in it are the executor's.
        plan: what an attempt is.
        judge: turns what the trusted stages wrote into a result. Must not raise.
        slots: attempts at once; with GPUs, as many as devices can be leased.
        mark: the campaign's id, put into the environment of every process so that leftovers can be found.
        gpus: the machine's devices, asked only if the plan needs some.
        leases: folder of the devices' lock files.
        walls: makes the attempts' walls, given the device nodes of GPUs that may be leased (UUID -> node).

    Raises:
        UserError: the plan needs more GPUs than there are, or there is no slot.
        ExecutorError: the folders cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        plan: RunPlan,
        judge: Judge,
        slots: int,
        mark: str,
        gpus: Callable[[], list[Gpu]] = list_gpus,
        leases: Path = LEASES,
        walls: Callable[[dict[str, str]], Walls] = lambda _: Walls(),
    ) -> None:
        if slots < 1:
            raise UserError(f"Attempts need at least one slot, not {slots}: give --slots 1 or more.")
        self._folder, self._plan, self._judge, self._slots = folder.resolve(), plan, judge, slots
        self._kind, devices = _hardware(plan.gpus, gpus)
        self._leases = LeaseFolder(devices, leases) if devices else None
        self._walls = walls({gpu.uuid: gpu.node for gpu in devices if gpu.node})
        self._running: set[str] = set()
        self._unwanted: set[str] = set()
        self._told: set[str] = set()
        self._experiments: dict[str, str] = {}
        self._looked = 0.0
        try:
            for name in ("attempts", "spool", "trusted"):
                (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(PermissionError):  # somebody else's, who opened it to us
                (self._folder / "attempts").chmod(0o711)  # attempts with their own users get through, and see no names
            self._store_trusted()
            status = self._folder.stat()
        except OSError as error:
            raise ExecutorError(f"attempts cannot be prepared under {folder}: {error}") from error
        # A copy of a campaign's folder has its id, but another inode: neither kills the other's processes.
        self._mark = f"{mark}.{status.st_dev:x}.{status.st_ino:x}"
        self._client = KeeperClient(self._folder)

    @property
    def sandbox(self) -> str:
        """The name of the sandbox that attempts run in."""
        return self._walls.sandbox

    @property
    def hardware(self) -> str:
        """The kind of hardware that attempts run on."""
        return self._kind

    def free(self) -> int:
        """How many more attempts can start now."""
        places = self._slots - len(self._running) - len(self._unwanted)
        if self._leases and places > 0:
            places = min(places, self._leases.free() // self._plan.gpus)
        return max(0, places)

    def submit(self, job: Job) -> None:
        """Start an attempt. See `Executor.submit`; a device that was lost to another campaign is waited for."""
        place = self._place(job.attempt)
        devices = self._leases.files if self._leases else {}
        mark = self._mark_of(job.attempt)
        spec = make_spec(self._plan, self._folder, job.attempt, mark, job.seed, devices, self._walls, job.confirms)
        rescored = job.inputs is not None
        frozen = {} if rescored else {path: blob_id(job.files[path]) for path in self._plan.frozen_solution}
        spec = replace(
            spec,
            stages=[stage_of(each) for each in self._plan.stages_of(check=job.quick, rescored=rescored)],
            frozen=frozen,
            beside=self._slots,
            reading=replace(spec.reading, bars=list(job.bars)),
            quick=job.quick,
        )
        try:
            place.build(spec, {} if rescored else job.files, job.inputs or {})
            self._launch(place)
        except (OSError, ExecutorError) as error:
            self._still_there([job.attempt])
            place.remove()
            raise ExecutorError(
                f"attempt {job.attempt} cannot be started under {self._folder}: {error}. "
                f"Nothing recorded is lost; resume when it is mended."
            ) from error
        self._experiments[job.attempt] = job.experiment
        self._running.add(job.attempt)

    def adopt(self, attempts: Iterable[str]) -> None:
        """Take over attempts of an earlier process; whatever else lies in the folder is killed and removed."""
        self._running.update(attempts)
        self._looked = 0.0
        found = set(self._names("attempts")) | self._finished()
        self._unwanted |= found - self._running - self._told
        for attempt in self._unwanted:
            self.cancel(attempt, "nobody waits for it")
        self._clear(self._unwanted)

    def cancel(self, attempt: str, reason: str) -> None:
        """Ask for an attempt to be killed; an attempt that is over, or unknown, is left as it is."""
        place = self._place(attempt)
        keeper = place.keeper()
        if keeper is None:
            return
        with suppress(OSError):  # with no space for the reason, the signal alone still cancels
            write = place.path / "cancel.tmp"
            write.write_text(reason)
            write.replace(place.path / "cancel")
        with suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGTERM)

    def poll(self) -> list[Arrival]:
        """Return what has ended since the last call.

        Raises:
            ExecutorError: the campaign's folder cannot be read.
        """
        arrivals = self._collect()
        now = time.monotonic()
        if now - self._looked >= _LIVENESS_S:
            self._looked = now
            self._clear(self._unwanted)
            if gone := self._gone(self._running):
                # A keeper writes before it lets go of its lock, so what is not in the spool now will never be.
                arrivals += self._collect()
                gone &= self._running
                arrivals += [self._lost(attempt) for attempt in sorted(gone - self._still_there(gone))]
        return arrivals

    def acknowledge(self, attempt: str) -> None:
        """The attempt's end is durable: its files go."""
        self._forget(attempt)

    def close(self) -> None:
        """Hang up; running attempts go on."""
        self._client.close()

    # ---------------------------------------------------------------------------------------------------------

    def _place(self, attempt: str) -> AttemptFolder:
        return AttemptFolder(self._folder, attempt)

    def _mark_of(self, attempt: str) -> str:
        return f"{self._mark}/{attempt}"

    def _store_trusted(self) -> None:
        for data in self._plan.trusted_files.values():
            path = self._folder / "trusted" / blob_id(data)
            if sha256_of(str(path)) != path.name:
                write_atomically(str(path), data)

    def _launch(self, place: AttemptFolder) -> None:
        try:
            self._client.launch(place.path)
        except Refused:  # perhaps somebody touched the trusted files: write them again, and try once more
            self._store_trusted()
            self._client.launch(place.path)

    def _names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._folder / folder) as entries:
                return [entry.name for entry in entries]
        except OSError as error:
            raise ExecutorError(f"attempts cannot be watched: {error}") from error

    def _finished(self) -> set[str]:
        return {name.removesuffix(".json") for name in self._names("spool") if name.endswith(".json")}

    def _collect(self) -> list[Arrival]:
        arrivals = []
        for attempt in sorted(self._running & self._finished()):
            arrivals.append(self._read(attempt))
            self._running.discard(attempt)
            self._told.add(attempt)
        return arrivals

    def _read(self, attempt: str) -> Arrival:
        place = self._place(attempt)
        try:
            raw = msgspec.json.decode(place.outcome.read_bytes(), type=RawOutcome)
        except (OSError, msgspec.DecodeError) as error:
            return Arrival(AttemptLost(attempt, self._experiment(attempt), f"its outcome cannot be read: {error}"))
        if raw.status == "lost":
            return Arrival(AttemptLost(attempt, self._experiment(attempt), raw.reason))
        outcome, blobs = outcome_of(
            raw, place.path, self._experiment(attempt), self._kind, self._judge, self._plan.output_bytes
        )
        return Arrival(OutcomeRecorded(outcome), blobs)

    def _experiment(self, attempt: str) -> str:
        return self._experiments.get(attempt) or attempt.rpartition(".")[0]

    def _gone(self, attempts: Iterable[str]) -> set[str]:
        return {attempt for attempt in attempts if not self._place(attempt).alive()}

    def _clear(self, unwanted: Iterable[str]) -> None:
        gone = self._gone(unwanted)
        for attempt in gone - self._still_there(gone):
            self._forget(attempt)

    def _still_there(self, attempts: Collection[str]) -> set[str]:
        """Return those of `attempts`, whose keepers are dead, that had processes left; these are killed now."""
        if not attempts:
            return set()
        marks = {self._mark_of(attempt): attempt for attempt in attempts}
        found = {marks[mark] for mark in kill_marked(self._mark, marks)}
        for mark, attempt in marks.items():
            group = Group(self._walls.groups, group_name(mark))
            group.kill()
            if group.members():
                found.add(attempt)
            else:
                group.remove()
        return found

    def _lost(self, attempt: str) -> Arrival:
        self._running.discard(attempt)
        self._told.add(attempt)
        return Arrival(AttemptLost(attempt, self._experiment(attempt), "its keeper died"))

    def _forget(self, attempt: str) -> None:
        self._place(attempt).remove()
        for known in (self._running, self._unwanted, self._told):
            known.discard(attempt)
        self._experiments.pop(attempt, None)


def _hardware(wanted: int, gpus: Callable[[], list[Gpu]]) -> tuple[str, list[Gpu]]:
    """Return the kind that attempts run on and its devices; none where no GPU is wanted."""
    if not wanted:
        return cpu_kind(), []
    found = gpus()
    check_feasible(wanted, found)
    kind, devices = gpu_kind(found)
    check_feasible(wanted, devices)  # of one kind: others' scores would not compare
    return kind, devices
