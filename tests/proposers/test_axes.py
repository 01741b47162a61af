"""From coordinates to values and back."""

from __future__ import annotations

import pytest

from aster.domain.records import Knob
from aster.proposers.axes import Choice, Span, usual

AXES = [
    Span(0.01, 0.16, log=True),
    Span(-3.0, 5.0),
    Span(1, 8, log=True, whole=True),
    Span(-4, 4, whole=True),
    Span(2, 32, log=True, whole=True, form="negative"),
    Span(0.0125, 0.2, log=True, form="complement"),
    Choice((2, 4, 8)),
]


@pytest.mark.parametrize("axis", AXES)
def test_a_value_has_one_coordinate_and_comes_back_from_it(axis: Span | Choice) -> None:
    values = {axis.at(step / 500) for step in range(501)}
    for value in values:
        place = axis.place(value)
        assert place is not None
        assert 0.0 <= place <= 1.0
        assert axis.at(place) == value
    assert len(values) >= min(axis.count or 40, 40)


def test_choices_without_an_order_are_told_by_their_index() -> None:
    axis = Choice(("relu", True, 1))
    assert [axis.at(index) for index in range(3)] == ["relu", True, 1]
    assert [axis.place(value) for value in ("relu", True, 1, "gelu")] == [0.0, 1.0, 2.0, None]


@pytest.mark.parametrize(
    ("own", "low", "high"),
    [
        (0.04, 0.01, 0.16),
        (20.0, 5.0, 80.0),
        (0.3, 0.075, 1.0),  # a fraction stays one
        (0.95, 0.8, 0.9875),  # searched in 1 - x
        (8, 2, 32),
        (3, 1, 12),
        (-8, -32, -2),
        (-0.5, -1.0, -0.125),
    ],
)
def test_the_usual_range_is_about_the_value(own: Knob, low: float, high: float) -> None:
    axis = usual(own)
    assert isinstance(axis, Span)
    ends = sorted([axis.at(0.0), axis.at(1.0)])
    assert ends == [pytest.approx(low), pytest.approx(high)]
    assert axis.place(own) is not None
    assert axis.place(high * 2 if high > 0 else low * 2) is None


def test_what_counts_or_switches_has_no_usual_range() -> None:
    nothing: list[Knob] = [0, 1, -1, 0.0, "relu", [1, 2]]
    assert [usual(value) for value in nothing] == [None] * len(nothing)
    assert usual(True) == Choice((False, True))


def test_values_have_six_digits() -> None:
    assert all(float(f"{v:.6g}") == v for v in (Span(0.01, 0.16, log=True).at(n / 97) for n in range(98)))
