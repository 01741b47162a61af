"""The shape of a diff."""

from __future__ import annotations

from math import log1p

import pytest

from aster.archive.traits import MOST_FILES, traits

BASE = {"a.py": b"one\ntwo\nthree\n", "b.py": b"x\n"}


def test_the_baseline_is_the_origin() -> None:
    assert traits(BASE, BASE) == (0.0,) * (MOST_FILES + 1)


def test_changed_lines_count_in_their_file_and_in_all() -> None:
    changed = {"a.py": b"one\nTWO\nthree\nfour\n", "b.py": b"x\n"}
    shape = traits(BASE, changed)
    assert shape[:2] == (log1p(3), 0.0)  # one line out, two in
    assert shape[-1] == log1p(3)
    assert len(shape) == MOST_FILES + 1


def test_a_new_file_counts_in_all_alone() -> None:
    shape = traits(BASE, {**BASE, "c.py": b"1\n2\n"})
    assert shape == (*(0.0,) * MOST_FILES, log1p(2))


def test_a_file_that_is_gone_has_lost_all_its_lines() -> None:
    shape = traits(BASE, {"b.py": b"x\n"})
    assert shape[0] == shape[-1] == log1p(3)


def test_files_beyond_the_first_count_in_all_alone() -> None:
    base = {f"f{i:02}.py": b"x\n" for i in range(MOST_FILES + 2)}
    shape = traits(base, {**base, f"f{MOST_FILES + 1:02}.py": b"y\n"})
    assert shape == (*(0.0,) * MOST_FILES, log1p(2))


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_files_does_not_matter(order: int) -> None:
    base, new = (dict(list(t.items())[::order]) for t in (BASE, {**BASE, "a.py": b"one\n"}))
    assert traits(base, new) == traits(BASE, {**BASE, "a.py": b"one\n"})


def test_bytes_that_are_no_text_have_a_shape_too() -> None:
    assert traits({"a.bin": b"\xff\n\x00\n"}, {"a.bin": b"\xfe\n\x00\n"})[0] == log1p(2)
