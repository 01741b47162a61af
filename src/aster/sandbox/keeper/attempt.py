"""The keeper of one attempt: leases, stages in order, outcome."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from . import channel, files, links, output, stage, tree
from .bubblewrap import Bubblewrap
from .cgroups import Group
from .disk import Disk, short
from .ended import Ended, early, unreadable
from .landlock import Landlock
from .locks import Leases
from .reading import Reader, TooSlow
from .spec import RawOutcome, Spec, Stage, encode_outcome
from .walls import Plain, Sandbox, Walls

_TICK_S = 1.0
_REST = 10  # times as long as it looked, before it looks again
_LEASE_S = 0.5
_LAST_CHUNKS = 64
"""More than a pipe can hold: what is left in it is read, but not for ever, should a writer have escaped us."""


class Keeper:
    """Runs one attempt in `folder`, which holds `work/` and `outputs/`.

    `trusted`: SHA-256 -> content of the problem's trusted files, held in memory since before any candidate ran.
    Untrusted stages run in `work/`. Each trusted stage runs in a new folder with an unguessable name, laid out
    from memory after the candidate's processes are dead.
    """

    def __init__(self, folder: str, spec: Spec, trusted: Mapping[str, bytes], leases: Leases) -> None:
        self.folder, self.spec, self.trusted, self.leases = folder, spec, trusted, leases
        self.work, self.outputs = f"{folder}/work", f"{folder}/outputs"
        self.pictures = self.library = ""
        self.score = b""
        self.log, self.aside = output.Log(), output.Log()
        self.reader, self.last_line = Reader(spec.reading), ""
        self.bell = tree.Bell()
        self.tree = tree.Tree(self.bell)
        self.sandbox = _sandbox(spec.walls)
        self.disk = Disk(folder)
        self.user = stage.user_of(spec)
        self.sizes: dict[str, int] = {}
        self.links = links.Links()
        self.told_to_stop = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # the server forked us with it blocked

    def run(self) -> RawOutcome:
        """Run the stages and return the outcome, once every process of them is dead."""
        started, begin = time.time(), time.monotonic()
        try:
            self._lease()
            started, begin = time.time(), time.monotonic()
            if path := files.changed(self.work, self.spec.frozen):
                raise Ended("lost", f"{path} was changed before the attempt began")
            self.sizes = files.sizes(self.work, self.spec.frozen)
            for folder in (self.work, self.outputs):
                files.give(folder, self.user)
            for each in self.spec.stages:
                self._stage(each)
            end = Ended("done")
        except Ended as ended:
            end = ended
        except OSError as error:  # of the keeper's own files: the candidate did not fail, the machine did
            self.tree.kill()
            end = Ended("lost", f"its keeper met: {error}")
        if end.status in ("failed", "invalid") and (little := short(self.folder)):
            end = Ended("lost", f"it failed where {little}")
        artifacts, pictures = self._keep()
        return RawOutcome(
            attempt=self.spec.attempt,
            status=end.status,
            reason=end.reason,
            stage=end.stage,
            limit_s=end.limit_s,
            score=self.score.decode(errors="replace"),
            wall_s=time.monotonic() - begin,
            cpu_s=self.tree.cpu_s,
            max_rss_mb=self.tree.max_rss_mb,
            started=started,
            ended=time.time(),
            gpus=list(self.leases.taken),
            artifacts=artifacts,
            pictures=pictures,
            pictures_folder=self.pictures,
            early=end.early,
            said=self.reader.found,
            progress=self.reader.points,
            last_line=self.last_line,
            quick=self.spec.quick,
        )

    def _stop(self, *_: object) -> None:
        self.told_to_stop = True

    def _stopped(self) -> str | None:
        asked = Path(self.folder, "cancel")
        if not self.told_to_stop and not asked.exists():
            return None
        try:
            return output.clean(asked.read_text(errors="replace")) or "cancelled"
        except OSError:
            return "cancelled"

    def _lease(self) -> None:
        """Wait until the devices are held: another campaign may have been faster."""
        while not self.leases.complete and not self.leases.take():
            self.bell.wait([], _LEASE_S)
            if reason := self._stopped():
                raise Ended("cancelled", reason)

    def _stage(self, current: Stage) -> None:
        """Run one stage; return if it ended well."""
        if reason := self._stopped():
            raise Ended("cancelled", reason)
        home = self._home()
        cwd = self._prepare_trusted() if current.trusted else self.work
        code, stopped = self._run(current, stage.Folders(cwd, self.outputs, home, self.pictures))
        if stopped is not None and not (stopped.status == "timed_out" and code == 0):
            raise stopped
        if code:
            reason = f"{current.name}: {output.ending(code)}"
            raise Ended("failed", f"{reason}: {self.log.last_line()}"[: output.REASON].rstrip(": "), current.name)
        if len(self.score) > output.SCORE:
            raise Ended("failed", f"{current.name}: wrote a score of more than {output.SCORE} bytes", current.name)
        if not current.trusted and (path := self._changed()):
            raise Ended("invalid", f"changed frozen file {path}", current.name)

    def _changed(self) -> str | None:
        """Return a frozen file that is not what it was; sizes first: a huge one would take long to read."""
        found = files.sizes(self.work, self.sizes)
        larger = next((path for path in found if found[path] != self.sizes[path]), None)
        return larger or files.changed(self.work, self.spec.frozen)

    def _fresh(self, prefix: str) -> str:
        """Return a new folder for the attempt's user."""
        folder = files.fresh_folder(self.folder, prefix)
        files.give(folder, self.user)
        return folder

    def _home(self) -> str:
        """Return a new home, with the compiled kernels that were made for all attempts."""
        folder = files.fresh_folder(self.folder, "home-")
        if self.spec.compiled is not None:
            made = f"{folder}/{stage.COMPILED}"
            if self.spec.compiled:
                shutil.copytree(self.spec.compiled, made, symlinks=True)
            else:
                os.mkdir(made, 0o700)  # noqa: PTH102
        files.give(folder, self.user)
        return folder

    def _prepare_trusted(self) -> str:
        if os.path.islink(self.outputs) or not os.path.isdir(self.outputs):  # noqa: PTH112, PTH114
            raise Ended("invalid", "removed or replaced its outputs folder")
        try:
            removed = files.remove_links(self.outputs)
        except (OSError, RecursionError) as error:
            raise Ended("invalid", f"made an outputs folder that cannot be read: {error}") from error
        for name in removed:
            self.log.note(f"removed from the outputs, neither a file nor a folder: {output.clean(name)}")
        self.pictures = self.pictures or self._fresh("pictures-")
        cwd = files.fresh_folder(self.folder, "trusted-")
        files.lay_out(cwd, {path: self.trusted[digest] for path, digest in self.spec.trusted_files.items()})
        files.give(cwd, self.user)
        return cwd

    def _run(self, current: Stage, folders: stage.Folders) -> tuple[int | None, Ended | None]:
        """Run a stage's processes until all are dead; return its exit code and what stopped it, if it did not end."""
        streams = output.Streams(current.trusted, bool(current.service))
        group = Group(self.spec.walls.groups, stage.group_name(self.spec.mark))
        try:
            self.log.begin(f"stage {current.name}")
            begin = time.monotonic()
            main = self._start(current, folders, streams, group)
            stopped = self._watch(main, current, begin, streams)
            no_memory = group.out_of_memory()
            left = self.tree.kill()
            stopped = self._take_rest(current, streams) or stopped
            if left and stopped is None and self.sandbox.name != "bubblewrap":  # which has processes of its own
                self.log.note(f"{left} processes left behind by {current.name} were killed")
            if no_memory and stopped is None and self.tree.exit_code(main):
                text = f"{current.name}: used more than {self.spec.memory_mb} MiB of memory"
                self.log.note(text)
                stopped = Ended("failed", text, current.name)
            return self.tree.exit_code(main), stopped
        finally:
            self.tree.kill()  # a service whose stage could not be started is alive
            self.links.take()
            group.remove()
            streams.close()
            if current.service:
                self.log.quote(f"service {current.service}", self.aside)

    def _start(self, current: Stage, folders: stage.Folders, streams: output.Streams, group: Group) -> int:
        """Start the main process, and before it its service, and return its id."""
        self._make(group)
        ends = channel.Ends() if current.service else None
        try:
            if ends and streams.service:
                [service] = [each for each in self.spec.services if each.name == current.service]
                place = stage.Folders(self.work, self.outputs, self._home())
                self._start_one(service, place, streams.service, group, *self._channel(*ends.service))
            passed, channels = self._channel(*ends.caller) if ends else ((), {})
            if streams.score:
                passed = (*passed, streams.score.writer)
                if self.user:
                    os.fchown(streams.score.writer, self.user, self.user)  # it is opened by name
                channels["ASTER_SCORE"] = f"/dev/fd/{streams.score.writer}"
            return self._start_one(current, folders, streams.output, group, passed, channels)
        finally:
            streams.close_writers()
            if ends:
                ends.close()

    def _make(self, group: Group) -> None:
        group.kill()  # what a dead keeper may have left in it
        group.make(self.spec.memory_mb, self.spec.cpus)

    def _channel(self, fds: tuple[int, ...], value: str) -> tuple[tuple[int, ...], dict[str, str]]:
        """Return the descriptors and variables of an end of a channel, with the module that speaks through it."""
        if not self.library:
            self.library = files.fresh_folder(self.folder, "library-")
            files.lay_out(self.library, {"aster_channel.py": Path(channel.__file__).read_bytes()})
            files.give(self.library, self.user)
        return fds, {channel.VARIABLE: value, "PYTHONPATH": self.library}

    def _start_one(
        self,
        current: Stage,
        folders: stage.Folders,
        out: output.Pipe,
        group: Group,
        passed: tuple[int, ...],
        channels: dict[str, str],
    ) -> int:
        self._lay_links(current, folders)
        gpus = list(self.leases.taken)
        argv = stage.command(self.spec, current, self.outputs, self.pictures)
        env = stage.environment(self.spec, gpus, folders.home, channels)
        if not shutil.which(os.path.join(folders.cwd, argv[0]) if "/" in argv[0] else argv[0], path=env["PATH"]):  # noqa: PTH118
            raise Ended(
                "failed", output.clean(f"{current.name}: cannot start {argv[0]}: no such program"), current.name
            )
        command = tree.Command(
            argv=argv,
            env=env,
            view=stage.view(self.spec, current, folders, gpus, self.library),
            output=out.writer,
            keep=passed,
            limits=stage.limits(self.spec, current, bool(gpus)),
            group=group,
            one_group=not current.trusted and not self.spec.walls.groups and self.sandbox.name != "bubblewrap",
        )
        try:
            return self.tree.start(command, self.sandbox)
        except OSError as error:
            if error.filename is None:  # the fork failed: no memory, too many processes; or the walls did
                raise
            text = output.clean(f"{current.name}: cannot start {argv[0]}: {error.strerror}")
            raise Ended("failed", text, current.name) from error

    def _lay_links(self, current: Stage, folders: stage.Folders) -> None:
        """Have a stage find what it is given where its problem says that it is."""
        for each in stage.given(self.spec, current):
            if gone := next((place for place in each.places if not os.path.exists(place)), None):  # noqa: PTH110
                raise Ended("lost", f"{current.name}: {gone}, which is given to it, is not there any more")
            if not self.links.lay(each, folders.cwd, folders.home, self.user):
                raise Ended("invalid", f"put something in the place of its data, {each.link}", current.name)

    def _watch(self, main: int, current: Stage, begin: float, streams: output.Streams) -> Ended | None:
        """Drain and measure until the main process ends, the time or the disk is over, or somebody cancels."""
        deadline = begin + current.timeout_s
        tick, sampled = 0.05, begin
        while True:
            self.tree.reap()
            if self.tree.exit_code(main) is not None:
                return None
            now = time.monotonic()
            if now >= deadline:
                return Ended("timed_out", "", current.name, current.timeout_s)
            if self.told_to_stop or now - sampled >= tick:
                if reason := self._stopped():
                    return Ended("cancelled", reason, current.name)
                if reason := self.disk.trouble():
                    return Ended("failed", f"{current.name}: {reason}", current.name)
                if reason := self.disk.squeezed():
                    return Ended("lost", f"{current.name}: {reason}", current.name)
                self.tree.sample(deadline)
                sampled = time.monotonic()
                tick, now = max(min(2 * tick, _TICK_S), _REST * (sampled - now)), sampled
            pipes = [pipe.reader for pipe in streams.pipes if pipe.open]
            self.bell.wait(pipes, min(deadline - now, sampled + tick - now))
            try:
                self._drain(streams)
            except TooSlow:
                return unreadable(current.name)
            if self.reader.hopeless and not current.trusted:
                return early(self.reader.hopeless, current.name)

    def _take_rest(self, current: Stage, streams: output.Streams) -> Ended | None:
        """Take what a dead stage left in its pipes; return what that, or what was read before, makes of it.

        A broken bar counts however the stage ended: which of the two was faster must not matter.
        """
        try:
            for _ in range(_LAST_CHUNKS):
                if not self._drain(streams):
                    break
            if not current.trusted:
                self.reader.end()
                self.last_line = self.log.last_line()
        except TooSlow:
            return unreadable(current.name)
        return early(self.reader.hopeless, current.name) if self.reader.hopeless and not current.trusted else None

    def _drain(self, streams: output.Streams) -> bool:
        """Take a chunk from each pipe; return whether there was any.

        Raises:
            TooSlow: what was printed cannot be matched in time.
        """
        text = streams.output.read() if streams.output.open else b""
        self.log.add(text)
        if streams.score is None:  # an untrusted stage
            self.reader.add(text)
        number = streams.score.read() if streams.score and streams.score.open else b""
        self.score = (self.score + number)[: output.SCORE + 1]
        said = streams.service.read() if streams.service and streams.service.open else b""
        self.aside.add(said)
        return bool(text or number or said)

    def _keep(self) -> tuple[list[str], list[str]]:
        artifacts, notes = files.keepable(self.outputs, files.MAX_ARTIFACTS, largest=self.spec.output_bytes)
        pictures, more = files.keepable(self.pictures, files.MAX_PICTURES, files.PICTURES)
        for note in notes + more:
            self.log.note(note)
        return artifacts, pictures


def _sandbox(walls: Walls) -> Sandbox:
    match walls.sandbox:
        case "bubblewrap":
            return Bubblewrap(walls.program, walls.sized)
        case "landlock":
            return Landlock()
        case _:
            return Plain()


def keep(folder: str, spec: Spec, trusted: Mapping[str, bytes], leases: Leases) -> None:
    """Run the attempt in `folder` and write its log and its outcome.

    Raises:
        OSError: the outcome could not be written; the attempt will be found lost.
    """
    keeper = Keeper(folder, spec, trusted, leases)
    outcome = encode_outcome(keeper.run())
    log = Path(folder, "log")
    try:
        log.write_bytes(keeper.log.content())
    except OSError:  # a full disk, often by the candidate's own hand: its files make room for what counts
        for scratch in (*Path(folder).glob("home-*"), *Path(folder).glob("trusted-*"), Path(folder, "work")):
            shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # the outcome counts more than its log
            log.write_bytes(keeper.log.content())
    files.write_atomically(f"{spec.spool}/{spec.attempt}.json", outcome)
