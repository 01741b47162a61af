from __future__ import annotations

from tests.agent_story import MODELS, SMALL, story
from tests.boards import Book, setup

from aster.domain import events as ev
from aster.domain.records import Limits
from aster.domain.research import Call, Settled, Tokens, Waiting
from aster.report.waiting import SHORT, wait_row, waited_text, waiting_lines, waiting_short
from aster.ticker import WIDTH, line_of

LIMIT = Waiting("openai:small", 3, 12.0, "limit 60/min")
ROOM = Waiting("", 1, 90.0, "room below the campaign's $2", "room")
ALONE = Waiting("openai:small", 5, 4.0, "left alone for 5 s: \x1b[31m503", "breaker")
PAUSE = Waiting("openai:small", 1, 4.0, "a pause after a failure", "pause")


def book() -> Book:
    limits = Limits(experiments=100, usd=2.0, tokens=10**6)
    told = Book(setup("minimize", models=MODELS, agents=8, mode="arrival", limits=limits))
    told.baseline(14.0, 14.0)
    told.say(*story(decision=told.board.decision).events)
    return told


def test_the_ticker_says_who_waits_in_a_few_words() -> None:
    told = book()
    assert "wait" not in line_of(told.board)
    told.say(ev.Heartbeat(1, 30.0, (LIMIT,)))
    assert "3 calls wait: openai limit 60/min, " in line_of(told.board)
    told.say(ev.Heartbeat(1, 45.0, (LIMIT, ROOM)))
    assert "4 calls wait: openai limit 60/min, " in line_of(told.board)
    told.say(ev.Heartbeat(1, 60.0, (ROOM,)))
    assert "1 call waits: room below the ceiling" in line_of(told.board)
    assert len(line_of(told.board)) <= WIDTH
    told.say(ev.Heartbeat(1, 75.0))
    assert "wait" not in line_of(told.board)


def test_short_words_stay_short_and_plain() -> None:
    assert waiting_short([ALONE]) == "5 calls wait: openai:small is left alone"
    assert waiting_short([PAUSE]) == "1 call waits: openai, a pause"
    assert waiting_short([]) == ""
    long = Waiting("openai:" + "n" * 200, 1, 1.0, "left alone", "breaker")
    assert len(waiting_short([long])) <= len("1 call waits: ") + SHORT


def test_lines_say_why_and_how_long() -> None:
    assert waiting_lines([LIMIT, ROOM, ALONE]) == [
        "3 calls wait: openai:small: limit 60/min (longest 12 s)",
        "1 call waits: room below the campaign's $2 (longest 90 s)",
        "5 calls wait: openai:small: left alone for 5 s: [31m503 (longest 4.0 s)",
    ]


def test_totals_are_those_of_calls_that_were_made() -> None:
    told = book()
    assert waited_text(wait_row(told.board)) == ""
    told.say(ev.CallReserved(Call("a-4/9/1", "a-4", SMALL.name, 0.1, 10, "r", {"limit": 30.0, "room": 2.0})))
    told.say(ev.CallReserved(Call("a-4/9/2", "a-4", SMALL.name, 0.1, 10, "r", {"limit": 4.0, "pause": 1.5})))
    told.say(ev.CallReserved(Call("a-4/9/3", "a-4", SMALL.name, 0.1, 10, "r", {"breaker": 40.0})))
    row = wait_row(told.board)
    assert row.seconds == {"limit": 34.0, "room": 2.0, "pause": 1.5, "breaker": 40.0}
    assert waited_text(row) == (
        "calls waited 34 s for a provider's limits, 2.0 s for room below the ceiling, 1.5 s in pauses after failures "
        "or that a provider asked for, 40 s for models left alone after many failures, all added up; 2 retries"
    )
    failed = Settled("a-4/9/3", "unknown", 0.1, Tokens(), error="timed out", opened=True)
    told.say(ev.CallSettled(failed))
    assert waited_text(wait_row(told.board)).endswith("; 2 retries; a model was left alone 1 time")


def test_nobody_waits_once_a_campaign_has_ended_or_begun_again() -> None:
    for event in (ev.CampaignEnded("enough"), ev.TermStarted(2, "cpu: test", "h", 1, "0")):
        told = book()
        told.say(ev.Heartbeat(1, 30.0, (LIMIT,)))
        told.say(event)
        assert wait_row(told.board).now == ()
