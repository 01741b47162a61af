"""From what a keeper wrote to what the ledger records: the score judged, the files read as data."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from aster.domain.ids import blob_id
from aster.domain.records import Cancelled, Failed, Invalid, Outcome, Result, Said, TimedOut, Usage
from aster.problems.judge import judge_check
from aster.sandbox.keeper.files import MAX_BYTES
from aster.sandbox.keeper.spec import RawOutcome

Judge = Callable[[str, Said], Result]
"""Turns the raw score text of an attempt whose stages all ended well, and what was read from the candidate's output,
into a result. Must not raise."""


def outcome_of(
    raw: RawOutcome, folder: Path, experiment: str, hardware: str, judge: Judge, largest: int = MAX_BYTES
) -> tuple[Outcome, dict[str, bytes]]:
    """Return the outcome and the bytes of the blobs that it names.

    Files that vanished are left out, and those of more than `largest` bytes.
    """
    blobs: dict[str, bytes] = {}

    def stored(path: Path) -> str | None:
        data = read_plain(path, largest)
        if data is None:
            return None
        blobs[blob_id(data)] = data
        return blob_id(data)

    def stored_all(parent: Path, names: list[str]) -> dict[str, str]:
        found = {name: stored(parent / name) for name in names if not parent.is_symlink()}
        return {name: blob for name, blob in found.items() if blob is not None}

    outcome = Outcome(
        attempt=raw.attempt,
        experiment=experiment,
        result=result_of(raw, judge),
        hardware=hardware,
        usage=Usage(raw.wall_s, raw.cpu_s, raw.max_rss_mb, raw.wall_s * len(raw.gpus)),
        started=raw.started,
        ended=raw.ended,
        log=stored(folder / "log"),
        artifacts=stored_all(folder / "outputs", raw.artifacts),
        pictures=stored_all(Path(raw.pictures_folder), raw.pictures) if raw.pictures else {},
        progress=tuple((int(step), float(value)) for step, value in raw.progress),
    )
    return outcome, blobs


def result_of(raw: RawOutcome, judge: Judge) -> Result:
    """Return the result that the keeper's status, or else the judge, gives; a check is not asked for a score."""
    match raw.status:
        case "done" if raw.quick:
            return judge_check(raw.score)
        case "done":
            return judge(raw.score, Said(raw.said, raw.last_line))
        case "timed_out":
            return TimedOut(raw.stage, raw.limit_s)
        case "invalid":
            return Invalid(raw.reason)
        case "cancelled":
            return Cancelled(raw.reason, raw.early)
        case _:
            return Failed(raw.reason)


def read_plain(path: Path, most: int = MAX_BYTES) -> bytes | None:
    """Return the content of a regular file of at most `most` bytes, or None; links and pipes are not followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(most + 1) if stat.S_ISREG(status.st_mode) else None
    except OSError:
        return None
    return data if data is not None and len(data) <= most else None
