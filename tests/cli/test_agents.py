"""What is shown of agents: by `aster show`, in plain lines and in the live view."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.agent_story import MODELS, story
from tests.cli.conftest import Aster

from aster.app import LEDGER, create, load_campaign
from aster.campaign.budget import Budget
from aster.domain import events as ev
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
        "steering: begin with the layout",
        "steering: look at b (the planner was not told yet)",
    ):
        assert words in text, words


def test_agents_in_full(aster: Aster, campaign: Path) -> None:
    result = aster("show", campaign, "--agents")
    lines = [flat(line) for line in result.stdout.splitlines()]
    for words in (
        "layout d-layout 2 0 1 1 1/1 2 $0.04 open, weight 2",
        "polish d-polish 0 0 0 1 0/1 -0.2 $0.008 dry: nothing in it",
        "worker 1 0 1 0 0 2 3k $0.03",
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
    assert "agents" not in json.loads(aster("show", campaign, "--json").stdout)


def test_a_campaign_without_models_says_so(aster: Aster, toy: Path, campaigns: Path) -> None:
    create(load_problem(toy), Budget(experiments=40), campaigns=campaigns)
    assert "has no agents" in aster("show", "last", "--agents").stdout
    assert "agents:" not in aster("show", "last").stdout
    assert json.loads(aster("show", "last", "--agents", "--json").stdout)["agents"] is None
