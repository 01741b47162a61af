"""The circuit breaker."""

from __future__ import annotations

from aster.llm.breaker import CLOSED, FIRST_S, LONGEST_S, MOST_FAILURES, Breaker


def failing(times: int, now: float = 0.0) -> Breaker:
    breaker = CLOSED
    for _ in range(times):
        breaker = breaker.failed(now, "down")
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    assert failing(MOST_FAILURES - 1).allows(0.0)
    opened = failing(MOST_FAILURES)
    assert not opened.allows(FIRST_S - 0.1)
    assert opened.allows(FIRST_S)
    assert opened.why == "down"


def test_an_answer_between_starts_the_count_anew() -> None:
    breaker = failing(MOST_FAILURES - 1).worked(0.0)
    for _ in range(MOST_FAILURES - 1):
        breaker = breaker.failed(0.0, "down")
    assert breaker.allows(0.0)


def test_one_tries_and_the_others_wait_for_what_it_hears() -> None:
    trying = failing(MOST_FAILURES).asked()
    assert not trying.allows(1e9)
    assert trying.worked(FIRST_S).allows(FIRST_S)
    assert trying.dropped().allows(FIRST_S)


def test_each_try_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    breaker, now, pauses = failing(MOST_FAILURES), 0.0, []
    for _ in range(10):
        now = breaker.until
        breaker = breaker.asked().failed(now, "down")
        pauses.append(breaker.until - now)
    assert pauses[:3] == [2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert pauses[-1] == LONGEST_S


def test_a_provider_that_says_when_is_left_alone_until_then() -> None:
    breaker = CLOSED.failed(10.0, "429", retry_after_s=30.0)
    assert not breaker.allows(39.9)
    assert breaker.allows(40.0)


def test_requests_that_were_under_way_neither_close_it_early_nor_open_it_for_less() -> None:
    breaker = CLOSED.failed(0.0, "429", retry_after_s=30.0)
    assert not breaker.worked(1.0).allows(29.0)
    assert not breaker.failed(1.0, "429", retry_after_s=5.0).allows(29.0)
    assert not breaker.failed(1.0, "429", retry_after_s=60.0).allows(60.0)
