"""The results folder: the report, the figure, the table, and the best solution as files and as a patch.

Everything in it is derived from the ledger and can be written again at any time, while the campaign runs too. Each
file, and each folder of files, is replaced at once, so that a reader sees the old one or the new one.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from aster.board import Board
from aster.errors import StoreError
from aster.report.canvas import png, svg
from aster.report.document import render
from aster.report.figures import progress
from aster.report.page import Solution, gather
from aster.report.progress import progress_view
from aster.report.results import results_tsv
from aster.report.trees import Blobs

_DRAFT = re.compile(r"\.(?:best|report|progress|results).*\.(\d+)-[0-9a-f]{8}")
"""The names that `_beside` gives; the number is the writer's process id."""


def write_report(board: Board, blobs: Blobs, folder: Path) -> list[Path]:
    """Write the results of a campaign into `folder` and return what was written.

    report.html, progress.svg, progress.png and results.tsv always. With a champion: best/, best.patch and
    best-artifacts/; with only a better mean: the same named best-unconfirmed. What belongs to an earlier state of the
    campaign is removed.

    Args:
        board: the campaign so far; it needs at least its CampaignOpened event.
        blobs: where its blobs are.
        folder: made if it is missing.

    Raises:
        StoreError: a blob is missing or damaged, or the folder cannot be written.
    """
    page = gather(board, blobs)
    view = progress_view(board)
    figure = progress(view)
    drawn = svg(figure)
    files = {
        "progress.svg": drawn,
        "progress.png": png(figure),
        "results.tsv": results_tsv(board, view),
        "report.html": render(page, drawn).encode("utf-8", "replace"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        written = _write_solution(folder, page.solution)
        return written + [_replace_file(folder / name, data) for name, data in files.items()]
    except OSError as trouble:
        raise StoreError(f"the report cannot be written to {folder}: {trouble.strerror or trouble}") from trouble


def _write_solution(folder: Path, solution: Solution | None) -> list[Path]:
    written = []
    for name in ("best", "best-unconfirmed"):
        tree, patch, artifacts = folder / name, folder / f"{name}.patch", folder / f"{name}-artifacts"
        mine = solution is not None and solution.name == name
        if solution is not None and mine:
            written.append(_replace_folder(tree, solution.files))
            written.append(_replace_file(patch, solution.patch))
        else:
            _remove_folder(tree)
            patch.unlink(missing_ok=True)
        if solution is not None and mine and solution.artifacts:
            written.append(_replace_folder(artifacts, flat_names(solution.artifacts)))
        else:
            _remove_folder(artifacts)
    return written


def flat_names(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files under names that are safe in one folder: letters, digits, ".", "_" and "-", at most 100.

    Names that become equal are told apart by a number.
    """
    safe: dict[str, bytes] = {}
    for name, data in sorted(files.items()):
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".-")[-100:] or "artifact"
        unique, n = plain, 1
        while unique in safe:
            n += 1
            unique = f"{n}-{plain}"
        safe[unique] = data
    return safe


def _replace_file(path: Path, data: bytes) -> Path:
    fresh = _beside(path)
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def _replace_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    """Swap a folder for a new one. Two reports may be written at once: the last one to swap stays."""
    fresh = _beside(path)
    try:
        fresh.mkdir()
        for name, data in files.items():
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        while True:
            _remove_folder(path)
            try:
                fresh.rename(path)
                return path
            except OSError as trouble:
                if trouble.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another writer was faster: swap again
                    raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _remove_folder(path: Path) -> None:
    """Take a folder (or whatever has its name) away in one step, then delete its files."""
    old = _beside(path)
    try:
        path.rename(old)
    except FileNotFoundError:
        return
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sweep(folder: Path) -> None:
    """Remove what a report that was killed had begun; what a living process is writing stays."""
    for path in folder.glob(".*"):
        found = _DRAFT.fullmatch(path.name)
        if found and not _lives(int(found[1])):
            _remove(path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _beside(path: Path) -> Path:
    """Return a hidden name in the same folder that nobody else uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
