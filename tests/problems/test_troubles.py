from __future__ import annotations

import pytest

from aster.errors import ProblemError
from aster.problems.troubles import Trouble, nearest, raise_troubles


def test_no_trouble_raises_nothing() -> None:
    troubles: list[Trouble] = []
    raise_troubles(troubles)
    assert not troubles  # and here we are


def test_one_trouble_keeps_its_key() -> None:
    with pytest.raises(ProblemError) as caught:
        raise_troubles([Trouble("f", "k", "mend it")])
    assert (caught.value.where, caught.value.key, str(caught.value)) == ("f", "k", "f: k: mend it")


def test_several_are_a_list() -> None:
    with pytest.raises(ProblemError) as caught:
        raise_troubles([Trouble("f", "k", "one"), Trouble("f", "", "two")])
    assert str(caught.value) == "f: 2 things to mend:\n  - k: one\n  - two"


def test_several_files_are_named() -> None:
    with pytest.raises(ProblemError) as caught:
        raise_troubles([Trouble("f", "k", "one"), Trouble("g", "", "two")])
    assert str(caught.value) == "f and 1 more: 2 things to mend:\n  - f: k: one\n  - g: two"


def test_nearest() -> None:
    assert nearest("titel", ["title", "name"]) == '; did you mean "title"?'
    assert nearest("xyz", ["title", "name"]) == ""
