from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.report.boards import Story, noisy_setup

from aster.applying import (
    Application,
    choose_candidate,
    forced,
    home_of,
    plan_application,
    write_application,
)
from aster.domain.events import CampaignOpened
from aster.errors import StoreError, UserError
from aster.handle import Campaign

SPEC = b'[solution]\nroot = "solution"\neditable = ["**/*"]\n'
LINES = "".join(f"line {n}\n" for n in range(1, 21))
BASE = {"solution/a.py": LINES.encode(), "solution/b.py": b"B = 0\n", "solution/gone.py": b"old\n"}
NEW = {
    "solution/a.py": LINES.replace("line 3\n", "line three\n").encode(),
    "solution/b.py": b"B = 1\n",
    "solution/sub/new.py": b"new\n",
}


class Told(SimpleNamespace):
    """A campaign that was told by hand: its board and its folder."""


def told(base: Mapping[str, bytes] = BASE, new: Mapping[str, bytes] = NEW) -> tuple[Story, str]:
    story = Story(noisy_setup(), {"problem.toml": SPEC, "evaluate.py": b"1\n", **base})
    story.board.baseline = None
    story.baseline = story.candidate(dict(base), author="baseline")
    return story, story.candidate(dict(new), parent=story.baseline, label="better")


def checkout(folder: Path, files: Mapping[str, bytes] = BASE) -> Path:
    for path, data in {"evaluate.py": b"1\n", **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "problem.toml").write_bytes(SPEC)
    (folder / "solution" / "solve.py").write_bytes(b"print(1)\n")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def plan(folder: Path, new: Mapping[str, bytes] = NEW, base: Mapping[str, bytes] = BASE) -> Application:
    story, key = told(base, new)
    return plan_application(cast(Campaign, Told(board=story.board, folder=folder)), story, key, folder)


def test_an_untouched_tree_gets_exactly_the_candidates_files(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "p")
    (folder / "solution" / "a.py").chmod(0o755)
    application = plan(folder)
    assert [(c.path.rpartition("/")[2], c.verb) for c in application.changes] == [
        ("a.py", "changed"), ("b.py", "changed"), ("gone.py", "removed"), ("new.py", "added"),
    ]  # fmt: skip
    assert content(folder)["solution/b.py"] == b"B = 0\n"  # a plan writes nothing
    before = content(folder)
    write_application(application)
    kept = {path: data for path, data in before.items() if path not in BASE}
    assert content(folder) == kept | NEW
    assert (folder / "solution" / "a.py").stat().st_mode & 0o777 == 0o755
    assert plan(folder).changes == ()  # applied twice is applied once


def test_what_the_user_changed_elsewhere_in_a_file_stays(tmp_path: Path) -> None:
    mine = LINES.replace("line 18\n", "my line 18\n")
    folder = checkout(tmp_path / "p", {**BASE, "solution/a.py": mine.encode()})
    application = plan(folder)
    assert {c.path: c.verb for c in application.changes}["solution/a.py"] == "merged"
    write_application(application)
    assert (folder / "solution/a.py").read_text() == mine.replace("line 3\n", "line three\n")


def test_a_checkout_with_windows_line_ends_keeps_them(tmp_path: Path) -> None:
    mine = LINES.replace("line 18\n", "my line 18\n").replace("\n", "\r\n")
    folder = checkout(tmp_path / "p", {**BASE, "solution/a.py": mine.encode()})
    write_application(plan(folder))
    assert (folder / "solution/a.py").read_bytes() == mine.replace("line 3\r", "line three\r").encode()


@pytest.mark.parametrize(
    ("path", "mine"),
    [
        ("solution/a.py", LINES.replace("line 3\n", "my line\n").encode()),
        ("solution/b.py", None),  # the user removed it
        ("solution/gone.py", b"I need it\n"),  # the candidate removed it
        ("solution/sub/new.py", b"mine\n"),  # both added it
        ("solution/b.py", b"B = \0"),
    ],
)
def test_a_conflict_is_told_and_force_keeps_what_was_there(tmp_path: Path, path: str, mine: bytes | None) -> None:
    folder = checkout(tmp_path / "p")
    if mine is None:
        (folder / path).unlink()
    else:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(mine)
    application = plan(folder)
    assert [change.path for change in application.conflicts] == [path]
    assert len(application.changes) == 3
    write_application(forced(application), keep=[path])
    assert {p: d for p, d in content(folder).items() if p in NEW} == NEW
    originals = {p.name: p.read_bytes() for p in folder.rglob("*.orig")}
    assert originals == ({} if mine is None else {Path(path).name + ".orig": mine})


def test_an_original_that_is_there_is_not_lost(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "p", {**BASE, "solution/b.py": b"B = 7\n"})
    (folder / "solution/b.py.orig").write_bytes(b"older")
    before = content(folder)
    with pytest.raises(UserError, match="in the way; nothing was written"):
        write_application(forced(plan(folder)), keep=["solution/b.py"])
    assert content(folder) == before


@pytest.mark.parametrize("fails_at", range(4))
def test_all_or_nothing_when_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    folder = checkout(tmp_path / "p")
    application = plan(folder)
    before, calls = content(folder), []

    def failing(self: Path, *args: Any, **more: Any) -> Any:
        calls.append(self)
        if len(calls) == fails_at + 1:
            raise OSError(28, "No space left on device", str(self))
        return real(self, *args, **more)

    name = "replace" if fails_at < 3 else "unlink"
    real = getattr(Path, name)
    if name == "unlink":
        calls.extend([Path()] * fails_at)
    monkeypatch.setattr(Path, name, failing)
    with pytest.raises(StoreError, match="No space left"):
        write_application(application)
    monkeypatch.undo()
    assert content(folder) == before


def test_a_change_between_plan_and_write_is_noticed(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "p")
    application = plan(folder)
    (folder / "solution/gone.py").write_bytes(b"typed just now\n")
    before = content(folder)
    with pytest.raises(UserError, match="a moment ago; nothing was written"):
        write_application(application)
    assert content(folder) == before


@pytest.mark.parametrize("link", ["solution", "solution/b.py"])
def test_nothing_is_written_through_a_symlink(tmp_path: Path, link: str) -> None:
    folder = checkout(tmp_path / "p")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(folder / link, tmp_path / "elsewhere" / "it")
    (folder / link).symlink_to(tmp_path / "elsewhere" / "it")
    with pytest.raises(UserError, match="is a symlink"):
        plan(folder)


@pytest.mark.parametrize("path", ["evaluate.py", "solution/.git/hooks/pre-commit", "solution/x/.GIT/config", ".bashrc"])
def test_a_ledger_from_elsewhere_cannot_write_where_candidates_may_not(tmp_path: Path, path: str) -> None:
    folder = checkout(tmp_path / "p")
    with pytest.raises(UserError, match="candidates may not; nothing was written"):
        plan(folder, {**NEW, path: b"evil\n"})


def test_a_folder_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds none of the files.*solution/a\.py.*copy best/"):
        plan(tmp_path)
    checkout(tmp_path / "p")
    (tmp_path / "p/solution/b.py").unlink()
    (tmp_path / "p/solution/b.py").mkdir()
    with pytest.raises(UserError, match=r"b\.py is a folder"):
        plan(tmp_path / "p")


def test_frozen_files_that_differ_are_named(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "p")
    assert plan(folder).drifted == ()
    (folder / "evaluate.py").write_text("2\n")
    (folder / "mine.txt").write_text("not of the problem\n")
    assert plan(folder).drifted == ("evaluate.py",)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_git_checkout_gets_uncommitted_changes(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "p")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    author = ["-c", "user.name=n", "-c", "user.email=n@localhost"]

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, env=env, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", "-A")
    git(*author, "commit", "-qm", "before")
    write_application(plan(folder))
    status = sorted(git("status", "--short", "-uall").splitlines())
    assert status == [" D solution/gone.py", " M solution/a.py", " M solution/b.py", "?? solution/sub/new.py"]


# --- which candidate ---------------------------------------------------------------------------------------------


def test_the_champion_else_what_was_allowed() -> None:
    story, key = told()
    with pytest.raises(UserError, match="no champion, and nothing"):
        choose_candidate(story.board, None, unconfirmed=False)
    story.run(story.baseline, 5.0)
    story.run(key, 1.0)
    with pytest.raises(UserError, match=f"unconfirmed is {key} .better.; --unconfirmed"):
        choose_candidate(story.board, None, unconfirmed=False)
    with pytest.raises(UserError, match="may be luck"):
        choose_candidate(story.board, key, unconfirmed=False)
    assert choose_candidate(story.board, None, unconfirmed=True) == key
    claim = story.claim(key, story.baseline, (7, 8, 9))
    story.test(claim, [1.0, 1.1, 0.9], [5.0, 5.1, 4.9])
    story.decide(claim, "confirmed", 4.0, 3.5, 4.5)
    assert choose_candidate(story.board, None, unconfirmed=False) == key
    assert choose_candidate(story.board, key[:6], unconfirmed=False) == key
    with pytest.raises(UserError, match="begins no candidate"):
        choose_candidate(story.board, "zzz", unconfirmed=False)
    with pytest.raises(UserError, match="begins 3 candidate"):
        choose_candidate(story.board, key[:2], unconfirmed=False)


def test_home_is_where_the_campaign_came_from(tmp_path: Path) -> None:
    story, _ = told()
    campaign = cast(Campaign, Told(board=story.board, folder=tmp_path / "campaigns" / "k-1"))

    def home(origin: str) -> Path:
        return home_of(campaign, CampaignOpened("k-1", story.board.setup, "", origin))

    with pytest.raises(UserError, match="--to DIR"):
        home("")
    with pytest.raises(UserError, match=r"not in .*any more"):
        home("../../p")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "problem.toml").write_text(f'[problem]\nname = "{story.board.setup.problem}"\n')
    assert home("../../p") == tmp_path / "p"
    (tmp_path / "p" / "problem.toml").write_text('[problem]\nname = "another"\n')
    with pytest.raises(UserError, match=r"not in .*any more"):
        home("../../p")
