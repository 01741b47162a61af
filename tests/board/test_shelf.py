"""Records kept small."""

from __future__ import annotations

import pytest
from tests.boards import recipe

from aster.board import shelf
from aster.board.shelf import Shelf, Words, candidates, hypotheses
from aster.domain.records import Candidate, Change, Hypothesis

MADE = [
    Candidate("c-0", "tree", (), "baseline", None, (), "baseline", (0.0, -0.0)),
    Candidate("c-1", "ab" * 32, ("c-0",), "ideas", "h-1", recipe("a", b={"f.py::N": 3}), "a + b(N=3)", (0.5,)),
    Candidate("c-2", "AB" * 32, ("c-0", "c-1"), "ideas", "h-2", recipe(b={"f.py::N": 3.0}), "b(N=3.0) + ", (1.0,)),
    Candidate("c-3", "zz" * 32, ("c-1",), "ideas", "h-3", (Change("b", {"f.py::N": [True, "x", 1]}),), "", ()),
    Candidate("c-4", "cd" * 32, ("c-1",), "ideas", "h-4", (Change("b", {"f.py::N": True}),), "b(N=True)", (0.5,)),
]


def filled() -> Shelf[Candidate]:
    kept = candidates(Words())
    for made in MADE:
        kept.put(made.id, made)
    return kept


@pytest.mark.parametrize("room", [0, 3, 1000])
def test_a_record_comes_back_as_it_was(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """To the type of a knob's value and the sign of a zero, whether the table has room or not."""
    monkeypatch.setattr(shelf, "MOST_WORDS", room)
    assert [repr(made) for made in filled().values()] == [repr(made) for made in MADE]
    kept, said = hypotheses(Words()), Hypothesis("h-1", "d-1", "c-0", "+ a", "It may help.", 0.5)
    kept.put("h-1", said)
    assert kept["h-1"] == said


def test_a_shelf_is_a_mapping_in_order() -> None:
    kept = filled()
    assert list(kept) == [made.id for made in MADE]
    assert next(reversed(kept)) == "c-4"
    assert len(kept) == len(MADE)
    assert "c-9" not in kept
    assert kept.get("c-9") is None
    with pytest.raises(KeyError):
        kept["c-9"]


def test_what_recurs_is_kept_once() -> None:
    words = Words()
    kept = candidates(words)
    for number in range(50):
        kept.put(
            f"c-{number}", Candidate(f"c-{number}", "ab" * 32, ("c-0",), "ideas", None, MADE[1].recipe, "a + b(N=3)")
        )
    assert len(words._things) == 5  # an author, two changes, two words of the label
    assert max(map(len, kept._packed.values())) < 80


def test_records_unpacked_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "RECENT", 2)
    kept = filled()
    for made in MADE * 2:
        assert kept[made.id] == made
        assert len(kept._recent) <= 2


def test_a_record_put_again_is_the_new_one() -> None:
    kept = filled()
    assert kept["c-1"] == MADE[1]
    other = Candidate("c-1", "tree", (), "somebody", None)
    kept.put("c-1", other)
    assert kept["c-1"] == other
    assert list(kept) == [made.id for made in MADE]


def test_a_text_that_looks_like_a_trait_stays_a_text() -> None:
    words = Words()
    assert words.thing(words.text((1.0).hex())) == (1.0).hex()
    assert words.thing(words.trait(1.0)) == 1.0
