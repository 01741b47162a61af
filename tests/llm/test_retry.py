"""When to ask again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aster.llm.protocol import Refusal, Unknown
from aster.llm.retry import LONGEST_ASKED_S, LONGEST_S, pause_s, wait_before

draws = st.floats(0, 1)
tries = st.integers(1, 10_000)


@given(tries, draws)
def test_waits_double_up_to_a_minute_and_half_of_them_is_chance(made: int, draw: float) -> None:
    whole = min(LONGEST_S, 2.0 ** min(made - 1, 50))
    assert whole / 2 <= wait_before(made, draw) <= whole


@given(tries, draws, st.floats(0, LONGEST_ASKED_S))
def test_a_provider_is_never_asked_before_it_said(made: int, draw: float, asked: float) -> None:
    assert wait_before(made, draw, asked) >= asked


def test_agents_that_were_refused_together_come_back_apart() -> None:
    assert len({wait_before(3, draw / 10, 5.0) for draw in range(10)}) == 10


def test_a_provider_cannot_ask_for_ever() -> None:
    assert wait_before(1, 0.0, 1e9) == LONGEST_ASKED_S


def test_the_error_says_what_was_asked_for() -> None:
    assert pause_s(Refusal("no", 9.0), 1, 0.0) == 9.0
    assert pause_s(Unknown("?"), 1, 0.0) == 0.5
