from __future__ import annotations

import json
import math

from aster.checking.json_mutants import column_of, numbers, replaced, spoiled

CIRCLES: dict[str, object] = {"circles": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], "n": 2}


def named(document: object) -> dict[str, tuple[bool, bytes]]:
    return {name: (nonsense, data) for name, nonsense, data in spoiled(document, json.dumps(document))}


def test_numbers_are_found_with_their_paths() -> None:
    found = list(numbers({"a": [1, True, {"b": 2.5}], "c": "3"}))
    assert found == [(("a", 0), 1), (("a", 2, "b"), 2.5)]


def test_columns_are_places_in_rows() -> None:
    columns = [column_of(path) for path, _ in numbers(CIRCLES)]
    assert list(dict.fromkeys(columns)) == [("circles", "*", 0), ("circles", "*", 1), ("circles", "*", 2), ("n",)]
    assert column_of(("w", 3)) == ("w", "*")
    assert column_of(()) == ("",)


def test_replacing_leaves_all_else_as_it_is() -> None:
    assert replaced({"a": [1, "x", None, True]}, lambda _, old: old + 1) == {"a": [2, "x", None, True]}


def test_each_spoiled_document_differs_and_has_a_name_of_its_own() -> None:
    made = [(name, data) for name, _, data in spoiled(CIRCLES, json.dumps(CIRCLES))]
    assert len({name for name, _ in made}) == len(made)
    assert all(data != json.dumps(CIRCLES).encode() for _, data in made)


def test_nan_everywhere_but_in_one_column() -> None:
    nonsense, data = named(CIRCLES)["NaN but for [circles][*][2], which is 1.05 times what it was"]
    rows = json.loads(data)["circles"]
    assert nonsense
    assert [row[2] for row in rows] == [0.3 * 1.05, 0.6 * 1.05]
    assert all(math.isnan(x) for row in rows for x in row[:2])


def test_what_may_be_honest_is_not_called_nonsense() -> None:
    made = named(CIRCLES)
    assert json.loads(made["an entry twice"][1])["circles"] == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]]
    assert not made["an entry twice"][0]
    assert not made["zero in place of every number"][0]
    assert made["true in place of every number"][0]
    assert made["nested 100,000 deep"][0]


def test_a_bare_number_and_a_document_without_any() -> None:
    assert json.loads(named(3.5)["1e308 in place of every number"][1]) == 1e308
    assert "its list empty" not in named({"a": "b"})
    assert b'{"a": null, "a": "b"}' in {data for _, data in named({"a": "b"}).values()}
