"""Plain processes under the contract of all sandboxes, and the paths that views are made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aster.sandbox.keeper.walls import Plain, View, covers, outermost
from aster.testing.confined import Subject, run, view_of
from aster.testing.sandboxes import SandboxContract


class TestPlain(SandboxContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(Plain())


class Refusing(Plain):
    name = "refusing"

    def enter(self, view: View) -> None:
        raise OSError("the kernel says no")


def test_nothing_runs_behind_walls_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the refusing sandbox cannot be entered"):
        run(Subject(Refusing()), "open('ran', 'w')", view_of(tmp_path))
    assert list((tmp_path / "work").iterdir()) == []


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


class Handing(Plain):
    """Hands a descriptor to the command, as walls do that are read from one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def wrap(self, argv: list[str], view: View) -> tuple[list[str], list[int]]:
        fd = os.open(self.path, os.O_RDONLY)
        return [*argv, str(fd)], [fd]


def test_descriptors_that_walls_hand_over_arrive_and_are_closed(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("be good")
    code = "import os, sys; print(os.read(int(sys.argv[1]), 99).decode(), end='')"
    ran = run(Subject(Handing(tmp_path / "rules")), code, view_of(tmp_path))
    assert (ran.said, ran.leaked) == ("be good", 0)


def test_covers_goes_by_whole_names() -> None:
    assert covers("/a", "/a")
    assert covers("/a", "/a/b/c")
    assert covers("/", "/a")
    assert not covers("/a", "/ab")
    assert not covers("/a/b", "/a")


def test_outermost() -> None:
    assert outermost(["/usr/lib", "/usr", "/opt", "/usr", "/usrlocal"]) == ["/opt", "/usr", "/usrlocal"]
    assert outermost([]) == []
