"""Lineages that are taken apart."""

from __future__ import annotations

import pytest

from aster.domain.ablation import changed_lines, merge_trees, simplest, take_apart

BASE = "a\nb\nc\nd\ne\nf\n"


def tree(text: str) -> dict[str, bytes]:
    return {"f.txt": text.encode()}


def lineage(*texts: str) -> list[tuple[str, dict[str, bytes]]]:
    return [(f"step {at}", tree(text)) for at, text in enumerate(texts)]


def test_steps_apart_are_left_out_and_taken_alone() -> None:
    first, second = take_apart(lineage(BASE, "A\n" + BASE[2:], "A\nb\nc\nd\ne\nF\nG\n"))
    assert (first.steps, second.steps) == (("step 1",), ("step 2",))
    assert (first.without, first.alone, first.lines) == (tree(BASE[:-2] + "F\nG\n"), tree("A\n" + BASE[2:]), 2)
    assert (second.without, second.alone, second.lines) == (tree("A\n" + BASE[2:]), tree(BASE[:-2] + "F\nG\n"), 3)


def test_a_step_that_a_later_one_changed_is_left_out_with_it() -> None:
    """The second sets what the first wrote; the third is elsewhere."""
    steps = lineage(BASE, BASE + "x = 1\n", BASE + "x = 2\n", "A\n" + BASE[2:] + "x = 2\n")
    alone, both, setting, last = take_apart(steps)
    assert (alone.steps, alone.without, alone.alone) == (("step 1",), None, tree(BASE + "x = 1\n"))
    assert (both.steps, both.without, both.alone) == (
        ("step 1", "step 2"), tree("A\n" + BASE[2:]), tree(BASE + "x = 2\n"),
    )  # fmt: skip
    assert (setting.without, setting.alone) == (tree("A\n" + BASE[2:] + "x = 1\n"), None)
    assert last.without == tree(BASE + "x = 2\n")


def test_all_steps_together_are_no_part() -> None:
    assert [part.steps for part in take_apart(lineage(BASE, BASE + "x = 1\n", BASE + "x = 2\n"))] == [
        ("step 1",), ("step 2",),
    ]  # fmt: skip
    (only,) = take_apart(lineage(BASE, BASE + "x = 1\n"))
    assert (only.without, only.alone) == (tree(BASE), tree(BASE + "x = 1\n"))


def test_nothing_is_left_of_a_lineage_without_steps() -> None:
    assert take_apart(lineage(BASE)) == []


def test_what_comes_out_is_python_or_nothing() -> None:
    """Left out line by line, the function would have no body."""
    base = {"f.py": b"x = 0\n\n\n\ny = 0\n"}
    ours = {"f.py": b"x = 0\nif x:\n\n\n\ny = 0\n"}
    assert merge_trees(base, ours, base) is None
    assert merge_trees(base, {"f.py": b"x = 1\n\n\n\ny = 0\n"}, {"f.py": b"x = 0\n\n\n\ny = 1\n"}) == {
        "f.py": b"x = 1\n\n\n\ny = 1\n"
    }


def test_files_that_are_added_and_removed() -> None:
    base, new = {"a": b"1\n"}, {"a": b"1\n", "b": b"1\n2\n"}
    assert merge_trees(new, base, new) == base
    assert merge_trees(base, new, base) == new
    assert (changed_lines(base, new), changed_lines(new, base), changed_lines(new, new)) == (2, 2, 0)
    assert merge_trees(new, base, {**new, "b": b"1\n3\n"}) is None


def test_bytes_that_are_no_text_come_back_as_they_were() -> None:
    base = {"f": b"\xff\x00\n1\n2\n3\n"}
    assert merge_trees(base, {"f": b"\xff\x00\n1\n2\n4\n"}, base) == {"f": b"\xff\x00\n1\n2\n4\n"}


@pytest.mark.parametrize(
    ("gains", "whole", "at"),
    [
        ([(9, 0.6), (3, 0.5), (1, 0.4)], 1.0, 1),
        ([(3, 0.5), (3, 0.7)], 1.0, 1),
        ([(1, 0.4)], 1.0, None),
        ([], 1.0, None),
    ],
)
def test_the_simplest_is_the_shortest_that_carries_half(
    gains: list[tuple[int, float]], whole: float, at: int | None
) -> None:
    assert simplest(gains, whole) == at
