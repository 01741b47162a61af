"""A candidate's change on the user's own tree: merged with what the user changed meanwhile, all of it or nothing.

Nothing is read from or written to the tree but the candidate's own files, and never through a symlink.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from aster.board import Board
from aster.domain.events import CampaignOpened
from aster.domain.merging import merge_text
from aster.errors import StoreError, UserError
from aster.handle import Campaign
from aster.problems.globs import Globs
from aster.report.trees import Blobs, read_tree

ORIGINAL = ".orig"
"""Beside a file that was overwritten by force: what it held."""


class FileChange(Struct, frozen=True):
    """What becomes of one file. `old` is what the tree holds, `new` what it will hold; None: no file.

    `merged`: the user has changed it since the campaign began, elsewhere than the candidate.
    """

    path: str
    old: bytes | None
    new: bytes | None
    merged: bool

    @property
    def verb(self) -> Literal["added", "changed", "removed", "merged"]:
        """What is done to the file."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "merged" if self.merged else "changed"


class Application(Struct, frozen=True):
    """A change that can be written.

    Attributes:
        conflicts: files that both sides changed in the same places, with what the candidate holds.
        drifted: files that no candidate can change and that differ from the campaign's snapshot: what was measured
            was measured with the snapshot's.
    """

    candidate: str
    folder: Path
    changes: tuple[FileChange, ...]
    conflicts: tuple[FileChange, ...]
    drifted: tuple[str, ...]


# --- which candidate, which folder ---------------------------------------------------------------------------------


def choose_candidate(board: Board, wanted: str | None, unconfirmed: bool) -> str:
    """Return the id of the candidate to apply: the one that `wanted` begins, else the champion.

    Args:
        unconfirmed: allow one that no confirmed claim is about; without `wanted`, the best such one.

    Raises:
        UserError: there is none, or it is not confirmed and that was not allowed; names the best unconfirmed.
    """
    best = board.best_unconfirmed()
    if wanted is not None:
        chosen = _named(board, wanted)
        if not unconfirmed and not _confirmed(board, chosen):
            raise UserError(
                f"No confirmed claim is about {_said(board, chosen)}, so its score may be luck. "
                "Add --unconfirmed to apply it all the same."
            )
        return chosen
    if unconfirmed and best is not None:
        return best
    if board.champion is not None:
        return board.champion
    if best is None:
        raise UserError("The campaign has no champion, and nothing in it looks better than the baseline.")
    raise UserError(
        f"The campaign has no champion: no claim was confirmed. The best that is unconfirmed is {_said(board, best)}; "
        "--unconfirmed applies it all the same."
    )


def _named(board: Board, wanted: str) -> str:
    found = [key for key in board.candidates if wanted and key.startswith(wanted)]
    if wanted in board.candidates:
        return wanted
    if len(found) != 1:
        raise UserError(
            f"{wanted!r} begins {len(found) or 'no'} candidate ids of this campaign; "
            "`aster export ID --what candidates` lists them."
        )
    return found[0]


def _confirmed(board: Board, candidate: str) -> bool:
    won = (c for c in board.claims.values() if c.decided is not None and c.decided.verdict == "confirmed")
    return any(claim.record.candidate == candidate for claim in won)


def _said(board: Board, candidate: str) -> str:
    label = "".join(c for c in board.candidates[candidate].label[:80] if c.isprintable())
    return f"{candidate} ({label})" if label else candidate


def home_of(campaign: Campaign, opened: CampaignOpened) -> Path:
    """Return the problem folder that the campaign was made from.

    Raises:
        UserError: the problem is built in, or its folder is not there any more; says to name one with --to.
    """
    name = campaign.board.setup.problem
    if not opened.origin:
        raise UserError(
            f"The campaign does not know a folder of yours: {name} is built in, or the campaign was made by an older "
            "version. Name your copy of the problem folder with --to DIR."
        )
    folder = Path(os.path.normpath(campaign.folder.resolve() / opened.origin))
    try:
        here = tomllib.loads((folder / "problem.toml").read_text(encoding="utf-8"))["problem"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        here = None
    if here != name:
        raise UserError(
            f"The problem {name} is not in {folder} any more, where the campaign was made from. "
            "Name its folder with --to DIR."
        )
    return folder


# --- what would change -----------------------------------------------------------------------------------------------


def plan_application(campaign: Campaign, blobs: Blobs, candidate: str, folder: Path) -> Application:
    """Return what applying the candidate to `folder`, laid out as the problem folder, would change. Writes nothing.

    Raises:
        UserError: the folder does not hold the problem's files, one of them is a symlink or no plain file, or the
            candidate has a file that the problem does not let candidates change.
        StoreError: a blob is missing, or a file cannot be read.
    """
    board = campaign.board
    assert board.baseline is not None  # a candidate was chosen, and the baseline is the first
    base = read_tree(blobs, board.candidates[board.baseline].tree)
    theirs = read_tree(blobs, board.candidates[candidate].tree)
    touched = [path for path in sorted(base.keys() | theirs.keys()) if base.get(path) != theirs.get(path)]
    _check_paths(read_tree(blobs, board.snapshot), touched)
    ours = {path: _read(folder, path) for path in touched}
    _check_layout(folder, base, ours)
    changes, conflicts = [], []
    for path in touched:
        clash, merged = _merge(base.get(path), ours[path], theirs.get(path))
        if clash:
            conflicts.append(FileChange(path, ours[path], theirs.get(path), merged=False))
        elif merged != ours[path]:
            changes.append(FileChange(path, ours[path], merged, merged=ours[path] != base.get(path)))
    drifted = _drifted(blobs, board.snapshot, base, theirs, folder)
    return Application(candidate, folder, tuple(changes), tuple(conflicts), drifted)


def forced(application: Application) -> Application:
    """Return the application that takes the candidate's version of every file in conflict."""
    changes = (*application.changes, *application.conflicts)
    return Application(application.candidate, application.folder, changes, (), application.drifted)


def _check_paths(snapshot: Mapping[str, bytes], touched: list[str]) -> None:
    """Refuse what no honest campaign holds: a ledger may come from somebody else."""
    solution = tomllib.loads(snapshot["problem.toml"].decode())["solution"]
    editable = Globs(solution["root"], tuple(solution["editable"]))
    for path in touched:
        if path not in editable or ".git" in path.lower().split("/"):
            raise UserError(f"The candidate would write {path!r}, which candidates may not; nothing was written.")


def _check_layout(folder: Path, base: Mapping[str, bytes], ours: Mapping[str, bytes | None]) -> None:
    expected = [path for path in ours if path in base]
    if expected and all(ours[path] is None for path in expected):
        raise UserError(
            f"{folder} holds none of the files that would change ({', '.join(expected[:5])}). --to takes a folder laid "
            "out like the problem's; for a whole solution copy best/ out of the campaign's folder."
        )


def _merge(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> tuple[bool, bytes | None]:
    """Merge two versions of a file that both come from `base`; returns (whether they clash, the merged file)."""
    if any(b"\0" in data for data in (base, ours, theirs) if data is not None):  # lines mean nothing in it
        return (False, theirs) if ours in (base, theirs) else (True, ours)
    texts = [None if data is None else data.decode("utf-8", "surrogateescape") for data in (base, ours, theirs)]
    clash, merged = merge_text(*_in_your_endings(*texts))
    return clash, None if merged is None else merged.encode("utf-8", "surrogateescape")


def _in_your_endings(base: str | None, ours: str | None, theirs: str | None) -> tuple[str | None, ...]:
    """Return the three with the line endings of `ours`, where that and `base` keep to one kind each."""
    here, there = _ending(ours), _ending(base)
    if here is None or there is None or here == there:
        return base, ours, theirs
    base, theirs = (None if t is None else t.replace("\r\n", "\n").replace("\n", here) for t in (base, theirs))
    return base, ours, theirs


def _ending(text: str | None) -> str | None:
    """Return how the lines of a text end; None if it has none, or several kinds."""
    if not text or "\n" not in text:
        return None
    windows = text.count("\r\n")
    return "\n" if not windows else "\r\n" if windows == text.count("\n") else None


def _drifted(
    blobs: Blobs, snapshot: str, base: Mapping[str, bytes], theirs: Mapping[str, bytes], folder: Path
) -> tuple[str, ...]:
    frozen = {p: data for p, data in read_tree(blobs, snapshot).items() if p not in base and p not in theirs}
    return tuple(path for path, data in frozen.items() if _differs(folder / path, data))


def _differs(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() != data
    except OSError:
        return True


def _read(folder: Path, path: str) -> bytes | None:
    """Return what the tree holds at `path`, None for nothing; refuses to look through symlinks."""
    here = folder
    for part in path.split("/"):
        here = here / part
        if here.is_symlink():
            raise UserError(f"{here} is a symlink, and nothing is written through one; put the file itself there.")
    if here.is_dir():
        raise UserError(f"{here} is a folder, and the candidate has a file of that name; move it away.")
    try:
        return here.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{here} cannot be read: {error.strerror}.") from error


# --- writing -------------------------------------------------------------------------------------------------------


def write_application(application: Application, keep: Collection[str] = ()) -> None:
    """Write all changes, or none: files are written beside their places first, and then renamed.

    Args:
        keep: the files of which what they held is kept in FILE.orig; those that `forced` took.

    Raises:
        UserError: a file has changed since the plan was made, or a FILE.orig is there; nothing was written.
        StoreError: a file cannot be written; what had been renamed was put back.
    """
    folder, changes = application.folder, application.changes
    for change in changes:
        if _read(folder, change.path) != change.old:
            raise UserError(f"{folder / change.path} has changed a moment ago; nothing was written. Run it again.")
        if change.path in keep and (folder / (change.path + ORIGINAL)).exists():
            raise UserError(f"{folder / (change.path + ORIGINAL)} is in the way; nothing was written. Move it away.")
    drafts = {c.path: _beside(folder / c.path) for c in changes if c.new is not None}
    done: list[FileChange] = []
    try:
        for change in changes:
            if change.new is not None:
                _draft(folder / change.path, drafts[change.path], change.new)
        for change in changes:
            done.append(change)
            _put(folder / change.path, change, drafts.get(change.path), change.path in keep)
    except OSError as error:
        _put_back(folder, done, keep)
        raise StoreError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}. All files are as they were."
        ) from error
    finally:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _draft(path: Path, draft: Path, data: bytes) -> None:
    """Write what the file will hold beside its place, with the file's own mode where there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        draft.chmod(path.stat().st_mode & 0o7777)


def _put(path: Path, change: FileChange, draft: Path | None, keep: bool) -> None:
    if keep and change.old is not None:
        path.with_name(path.name + ORIGINAL).write_bytes(change.old)
    if draft is None:
        path.unlink()
    else:
        draft.replace(path)


def _put_back(folder: Path, done: list[FileChange], keep: Collection[str]) -> None:
    for change in done:
        path = folder / change.path
        with suppress(OSError):  # the disk is failing; what could be put back is
            if change.old is None:
                path.unlink(missing_ok=True)
            elif _differs(path, change.old):
                path.write_bytes(change.old)
            if change.path in keep:
                path.with_name(path.name + ORIGINAL).unlink(missing_ok=True)
