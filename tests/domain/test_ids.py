"""Ids and seeds: the same everywhere and for ever."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from aster.domain.ids import ID_CHARS, blob_id, digest, seed_number, seeded, short_id, tree_id


def test_known_values_do_not_change() -> None:
    """Ids are stored: a change here makes every older ledger contradict itself."""
    assert digest("a", 1) == "135f17a475a61afdeeaf3759ad2e45ad1c7abb192395abe47e41fc8e395dc1a9"
    assert blob_id(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert seed_number(0, "x") == 277762813
    assert seeded(7, "draw").random() == 0.4323803794761326


def test_parts_are_kept_apart() -> None:
    different = [("ab", "c"), ("a", "bc"), ("abc",), ("a", ["bc"]), (1,), ("1",), (1.5,), (None,), ((),)]
    assert len({digest(*parts) for parts in different}) == len(different)


def test_the_order_of_keys_does_not_count() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert tree_id({"a.py": b"1", "b.py": b"2"}) == tree_id({"b.py": b"2", "a.py": b"1"})


def test_the_hash_seed_of_the_process_does_not_count() -> None:
    code = "from aster.domain.ids import short_id; print(short_id('x', {'b': 1, 'a': 2}, 'text'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {short_id("x", {"a": 2, "b": 1}, "text")}


def test_a_short_id_carries_its_kind() -> None:
    one, other = short_id("x", 1), short_id("h", 1)
    assert one.startswith("x-")
    assert len(one) == len("x-") + ID_CHARS
    assert one[2:] != other[2:]


def test_a_tree_is_its_paths_and_contents() -> None:
    trees = [{"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "b": b""}, {}]
    assert len({tree_id(tree) for tree in trees}) == len(trees)


def test_seeded_draws_again() -> None:
    first, second, other = seeded(1, 2), seeded(1, 2), seeded(1, 3)
    draws = [first.random() for _ in range(5)]
    assert draws == [second.random() for _ in range(5)]
    assert draws != [other.random() for _ in range(5)]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40) | st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_a_seed_number_fits_31_bits(parts: list[object]) -> None:
    assert 0 <= seed_number(*parts) < 2**31
