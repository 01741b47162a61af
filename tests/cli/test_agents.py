"""What is shown of agents: by `aster show`, in plain lines and in the live view."""

from __future__ import annotations

import io
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console
from tests.agent_story import BIG, EVIL, MODELS, SMALL, Story, story
from tests.boards import Book, setup
from tests.cli.conftest import Aster

from aster.app import LEDGER, create, load_campaign
from aster.campaign.budget import Budget
from aster.cli.glance import Watch
from aster.cli.lines import PlainLines
from aster.cli.live import picture
from aster.domain import events as ev
from aster.domain.records import Direction, Limits
from aster.domain.research import Allowance, Assignment, Call, Settled, Tokens, Waiting
from aster.ledger.sqlite import SqliteStore
from aster.problems.problem import load_problem


@pytest.fixture
def campaign(toy: Path, campaigns: Path) -> Path:
    """A campaign whose ledger tells the story, as a running one's would."""
    budget = Budget(experiments=40, usd=2.0, tokens="1M")
    folder = create(load_problem(toy), budget, campaigns=campaigns, models=MODELS, agents=8)
    baseline = load_campaign(folder).board.baseline
    assert baseline is not None
    with closing(SqliteStore(folder / LEDGER)) as store:
        term = store.begin_term(0.0)
        began = ev.TermStarted(term, "cpu: test", "host", 1, "0")
        store.append([began, *story(baseline, "loss").events], term=term, time=0.0)
    return folder


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_overview_says_how_the_agents_stand(aster: Aster, campaign: Path) -> None:
    result = aster("show", campaign)
    text = flat(result.stdout)
    assert result.exit_code == 0
    for words in (
        "budget 40 experiments, $2.00 for models, 1M tokens",
        "agents: 2 subagents at work, of at most 8, 2 calls under way",
        "models: $0.10 of $2.00 and 24k tokens of 1M spent, $0.02 and 16k tokens reserved",
        "subagents (with tools): 2 candidates, 8k tokens, $0.008 each",
        "openai:small does not answer: the last 3 calls failed: 429: too many requests",
        "of experiment time. Models came to $0.10 and 24k tokens.",
        "steering: begin with the layout",
        "steering: look at b (the planner was not told yet)",
    ):
        assert words in text, words


def test_the_overview_of_a_running_campaign_says_which_calls_wait(aster: Aster, campaign: Path) -> None:
    waiting = Waiting("openai:small", 3, 12.0, "limit 60/min")
    waited = Call("a-4/9/2", "a-4", SMALL.name, 0.001, 10, "r", {"limit": 34.0})
    with closing(SqliteStore(campaign / LEDGER)) as store:
        store.append([ev.CallReserved(waited), ev.Heartbeat(1, 30.0, (waiting,))], time=0.0)
    text = flat(aster("show", campaign).stdout)
    assert "3 calls wait: openai:small: limit 60/min (longest 12 s)" in text
    assert "waits: calls waited 34 s for a provider's limits, all added up; 1 retry" in text
    found = json.loads(aster("show", campaign, "--agents", "--json").stdout)["agents"]["waits"]
    assert (found["retries"], found["seconds"], len(found["now"])) == (1, {"limit": 34.0}, 1)


def test_agents_in_full(aster: Aster, campaign: Path) -> None:
    result = aster("show", campaign, "--agents")
    lines = [flat(line) for line in result.stdout.splitlines()]
    for words in (
        "layout d-layout 2 0 1 1 1/1 2 $0.04 open, weight 2",
        "polish d-polish 0 0 0 1 0/1 -0.2 $0.008 dry: nothing in it",
        "worker 1 0 1 0 0 0 2 3k $0.03",
        "openai:big planner, worker, critic 3 0 0 8k $0.08 0",
        "openai:small all others 4 3 0 16k $0.02 2",
        "layout: done: six circles moved",
        "concerns: noise is large",
        "layout: a grid: critic: tried before bold [31m[bold]<script>alert(1)</script>",
        "* layout: wider corners gain 2 (a-1)",
        "- polish: polish gains 37.5 always [unbacked, kept from others: 37.5] (a-2)",
    ):
        assert words in lines, words
    assert "\x1b" not in result.stdout


def test_agents_for_programs(aster: Aster, campaign: Path) -> None:
    found = json.loads(aster("show", campaign, "--agents", "--json").stdout)["agents"]
    assert (found["calls"], found["candidates"], len(found["lines"])) == (2, 2, 3)
    assert found["notes"][1]["unbacked"] == ["37.5"]
    plain = json.loads(aster("show", campaign, "--json").stdout)
    assert "agents" not in plain
    assert plain["models"] == {"usd": pytest.approx(0.096), "tokens": 24_000}


def test_a_campaign_without_models_says_so(aster: Aster, toy: Path, campaigns: Path) -> None:
    create(load_problem(toy), Budget(experiments=40), campaigns=campaigns)
    assert "has no agents" in aster("show", "last", "--agents").stdout
    assert "agents:" not in aster("show", "last").stdout
    assert json.loads(aster("show", "last", "--agents", "--json").stdout)["agents"] is None


# --- while it runs ----------------------------------------------------------------------------------------------


def watched(*watches: Watch | PlainLines) -> Book:
    """Have the story told with somebody looking on from the first event."""
    limits = Limits(experiments=100, usd=2.0, tokens=10**6)
    book = Book(setup("minimize", models=MODELS, agents=8, mode="arrival", limits=limits))
    book.baseline(14.0, 14.0)
    for watch in watches:
        watch.note(book.board, [])
    for event in story(decision=book.board.decision).events:
        book.say(event)
        for watch in watches:
            watch.note(book.board, [event])
    return book


def drawn(watch: Watch, width: int = 100) -> list[str]:
    out = Console(width=width, file=io.StringIO(), record=True, markup=False, emoji=False, highlight=False)
    out.print(picture(watch.look(20), width, 20))
    return [flat(line) for line in out.export_text().splitlines()]


def test_the_live_view_shows_who_works_and_what_is_paid() -> None:
    watch = Watch()
    watched(watch)
    lines = drawn(watch)
    assert "agents 2 subagents at work, of 8 at most, 2 calls under way" in lines
    assert "layout 1 1/1 2 2 $0.04 open" in lines
    assert "polish 1 0/1 0 0 $0.008 dry" in lines
    assert any(line.startswith("dollars") and line.endswith("$0.10 and $0.02 reserved of $2.00") for line in lines)
    assert any(line.startswith("tokens") and line.endswith("24k of 1M") for line in lines)
    assert "openai:small does not answer: the last 3 calls failed: 429: too many requests" in lines


def test_the_live_view_and_plain_lines_say_which_calls_wait() -> None:
    watch, out = Watch(), io.StringIO()
    with PlainLines(out) as view:
        book = watched(watch, view)
        for at, agents in ((30.0, 3), (45.0, 4), (60.0, 0)):
            waiting = (Waiting("openai:small", agents, 12.0, "limit 60/min"),) if agents else ()
            book.say(event := ev.Heartbeat(1, at, waiting))
            watch.note(book.board, [event])
            view.note(book.board, [event])
            assert any("calls wait: openai:small: limit 60/min" in line for line in drawn(watch)) == bool(agents)
    said = [line.partition("  ")[2] for line in out.getvalue().splitlines()]
    assert [line for line in said if "wait" in line] == [
        "3 calls wait: openai:small: limit 60/min (longest 12 s)",
        "no call waits any more",
    ]


def test_a_view_of_a_resumed_campaign_knows_the_same() -> None:
    whole, late = Watch(), Watch()
    late.note(watched(whole).board, [])
    assert replace(whole.look(20), wall_s=0.0) == replace(late.look(20), wall_s=0.0)


def test_a_direction_that_opens_again_adds_to_its_surface() -> None:
    watch = Watch()
    book = watched(watch)
    again = Direction("d-again", "layout", "once more", "agents")
    given = Assignment("a-9", "worker", BIG.name, Allowance(9, 10**6), "i", "b", direction="d-again")
    for event in (
        ev.DirectionOpened(again),
        ev.AssignmentGiven(given),
        ev.CallReserved(Call("a-9/1/1", "a-9", BIG.name, 1.0, 100, "r")),
        ev.CallSettled(Settled("a-9/1/1", "answered", 0.5, Tokens(50, 50), response="s")),
    ):
        book.say(event)
        watch.note(book.board, [event])
    layout = next(row for row in watch.look(20).surfaces if row.name == "layout")
    assert (layout.agents, round(layout.usd, 3)) == (3, 0.538)


def test_without_agents_nothing_is_said_of_them() -> None:
    watch, book = Watch(), Book()
    book.baseline(1.0)
    book.direction("a")
    watch.note(book.board, [])
    text = " ".join(drawn(watch))
    for word in ("agents", "tokens", "dollars", "spent"):
        assert word not in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_picture_fits_its_width(width: int) -> None:
    watch = Watch()
    watched(watch)
    out = Console(width=width, file=io.StringIO(), record=True, markup=False, emoji=False, highlight=False)
    out.print(picture(watch.look(20), width, 20))
    assert all(len(line) <= width for line in out.export_text().splitlines())


def test_plain_lines_tell_trouble_once_and_steering_always() -> None:
    out = io.StringIO()
    with PlainLines(out) as view:
        book = watched(view)
        for event in (
            ev.ModelCutOff(SMALL.name, f"it reported too much {EVIL}"),
            ev.AssignmentEnded("a-3", "failed", None, "no answer in 6 tries"),
        ):
            book.say(event)
            view.note(book.board, [event])
    said = [line.partition("  ")[2] for line in out.getvalue().splitlines()]
    assert said.count("openai:small does not answer: 429: too many requests") == 1
    assert "steering: begin with the layout" in said
    assert "openai:small is asked no more: it reported too much bold [31m[bold]<script>alert(1)</script>" in said
    assert "a subagent came to nothing: no answer in 6 tries" in said
    assert "\x1b" not in out.getvalue()


def test_plain_lines_tell_trouble_again_after_an_answer() -> None:
    out = io.StringIO()
    with PlainLines(out) as view:
        book = watched(view)
        told = Story("c-baseline", "score", 0)
        told.call("a-4", SMALL.name, 0.001, 100)
        for _ in range(4):
            told.call("a-4", SMALL.name, 0.001, 100, status="unknown", error="timed out")
        for at, event in enumerate(told.events):
            renamed = rename(event, at)
            book.say(renamed)
            view.note(book.board, [renamed])
    assert out.getvalue().count("does not answer: 429") == 1
    assert out.getvalue().count("does not answer: timed out") == 1


def rename(event: ev.Event, at: int) -> ev.Event:
    """Give a call a number that the story has not used; its reservation and its end follow each other."""
    if isinstance(event, ev.CallReserved):
        return ev.CallReserved(structs.replace(event.call, id=f"{event.call.agent}/{900 + at // 2}/1"))
    assert isinstance(event, ev.CallSettled)
    return ev.CallSettled(structs.replace(event.settled, call=f"a-4/{900 + at // 2}/1"))
