"""What a process does for many agents, and undoes."""

from __future__ import annotations

import gc

from aster.domain.records import Candidate
from aster.domain.trees import pack_tree
from aster.hiring import YOUNG, files_reader, seldom_collecting


def test_the_collector_is_left_as_it_was() -> None:
    before = gc.get_threshold()
    with seldom_collecting(10):
        assert gc.get_threshold() == (max(before[0], YOUNG), *before[1:])
    assert gc.get_threshold() == before
    with seldom_collecting(0):
        assert gc.get_threshold() == before


def test_a_collector_that_is_off_stays_off() -> None:
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with seldom_collecting(10):
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


def test_files_that_many_start_from_are_read_once() -> None:
    tree, blobs = pack_tree({"solution/a.py": b"A = 1\n"})
    read: list[str] = []

    def get_blob(name: str) -> bytes:
        read.append(name)
        return blobs[name]

    files_of = files_reader(get_blob)
    one, other = (Candidate(name, tree, (), "agents", None) for name in ("c-1", "c-2"))
    assert files_of(one) == files_of(other) == {"solution/a.py": b"A = 1\n"}
    assert len(read) == len(set(read))
