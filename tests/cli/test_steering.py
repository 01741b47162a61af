"""`aster run --model` and `aster steer`, up to where agents begin to work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Aster, only

from aster.app import create, load_campaign
from aster.campaign.budget import Budget
from aster.domain.research import ModelChoice, Price
from aster.problems.problem import load_problem

LOCAL = ["--model", "openai:local", "--base-url", "http://127.0.0.1:9/v1"]


def opened(toy: Path, campaigns: Path) -> Path:
    """Open a campaign with a model, without running it."""
    models = [ModelChoice("openai:local", Price(1.0, 2.0))]
    return create(load_problem(toy), Budget(experiments=40, usd=1.0), campaigns=campaigns, models=models)


def test_the_plan_of_a_campaign_with_agents(aster: Aster, toy: Path, campaigns: Path) -> None:
    pool = [*LOCAL, "--model", "planner,critic=openai:big*2", "--price", "openai:big=3,15,0.3,3.75"]
    budget = ["--experiments", 40, "--usd", 2.5, "--tokens", "5M"]
    result = aster("run", toy, *pool, *budget, "--slots", 2, "--one-shot", "--dry-run")
    assert result.exit_code == 0, result.output
    for words in (
        "budget: 40 experiments, $2.50 for models, 5M tokens; 2 slots, arrival",
        "agents: 4 side by side; subagents answering once with edits",
        "openai:local for every other role: no price",
        "openai:big for planner, critic: $3 in and $15 out per million tokens",
        "researcher ideas+agents",
        "cost: at most $2.50 and 5M tokens for models",
    ):
        assert words in result.stdout, words
    assert not campaigns.exists()
    plan = json.loads(aster("run", toy, *pool, *budget, "--agents", 9, "--dry-run", "--json").stdout)
    assert (plan["agents"], plan["one_shot"], plan["usd"], plan["tokens"]) == (9, False, 2.5, 5_000_000)
    assert [model["name"] for model in plan["models"]] == ["openai:local", "openai:big"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([*LOCAL], "--tokens N"),
        ([*LOCAL, "--usd", 3], "no price is known for openai:local"),
        ([*LOCAL, "--price", "openai:local=1,2"], "openai:local costs money: give --usd N"),
        ([*LOCAL, "--price", "openai:other=1,2", "--tokens", "1M"], "the price of no model of this campaign"),
        ([*LOCAL, "--price", "cheap", "--tokens", "1M"], "'cheap' is not a price"),
        ([*LOCAL, "--tokens", "lots"], "the budget of tokens must be a whole number"),
        ([*LOCAL, "--tokens", "1M", "--mode", "ordered"], "cannot be ordered"),
        ([*LOCAL, "--tokens", "1M", "--agents", 0], "0 agents cannot be"),
        ([*LOCAL, "--tokens", "1M", "--researcher", "tuner"], "--model is for agents"),
        (["--model", "openai:local*0", "--tokens", "1M"], "is not a weight"),
        (
            ["--model", "subagent=openai:local", "--base-url", "http://h/v1", "--tokens", "1M"],
            "No model is for the role",
        ),
        (["--base-url", "http://127.0.0.1:9/v1"], "--base-url is about a language model"),
        (["--usd", 3], "--usd bounds nothing: this campaign has no language model"),
        (["--usd", -3], "the budget of dollars must be a number above 0"),
        (["--gpu-hours", 1], "--gpu-hours bounds nothing: this problem uses no GPU"),
        (["--agents", 3], "Agents need a language model"),
        (["--one-shot"], "they need a language model"),
        (["--researcher", "agents"], "`agents` needs a language model"),
        (["--directions", "nowhere.md"], "nowhere.md cannot be read: No such file"),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_what_cannot_be_is_said_in_a_paragraph_and_writes_nothing(
    aster: Aster, toy: Path, campaigns: Path, words: list[object], why: str, dry: bool
) -> None:
    result = aster("run", toy, "--experiments", 40, *words, *(["--dry-run"] if dry else []))
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())
    assert result.stderr.startswith("Error: ")
    assert not campaigns.exists()


def test_directions_are_read_from_a_file(aster: Aster, toy: Path, tmp_path: Path) -> None:
    file = tmp_path / "where.md"
    for content, why in ((b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe\x00", "it is not UTF-8")):
        file.write_bytes(content)
        result = aster("run", toy, "--experiments", 40, *LOCAL, "--tokens", "1M", "--directions", file, "--dry-run")
        assert result.exit_code == 2
        assert why in result.stderr
    file.write_text("Look at b.\n")
    result = aster("run", toy, "--experiments", 40, *LOCAL, "--tokens", "1M", "--directions", file, "--dry-run")
    assert result.exit_code == 0
    result = aster("run", toy, "--experiments", 40, "--directions", file)
    assert result.exit_code == 2
    assert "no planner to tell" in result.stderr


def test_a_planner_is_told_while_its_campaign_rests(aster: Aster, toy: Path, campaigns: Path) -> None:
    folder = opened(toy, campaigns)
    for text in ("look at b", "look at b", "now at a"):
        result = aster("steer", "last", text)
        assert result.exit_code == 0
        assert f"is not running; its planner is told when `aster resume {folder.name}" in result.stdout
    assert only(campaigns).board.research.steering == ["look at b", "look at b", "now at a"]


def test_a_running_campaign_hears_at_once(aster: Aster, toy: Path, campaigns: Path) -> None:
    from aster.ledger.lock import CampaignLock

    folder = opened(toy, campaigns)
    with CampaignLock(folder):
        result = aster("steer", folder.name, "look at b")
    assert f"The planner of {folder.name} will weigh it" in result.stdout
    assert load_campaign(folder).board.research.steering == ["look at b"]


def test_what_nobody_could_weigh_is_refused(aster: Aster, toy: Path, campaigns: Path) -> None:
    folder = opened(toy, campaigns)
    empty = aster("steer", folder.name, "  ")
    assert (empty.exit_code, "nothing to tell" in empty.stderr) == (2, True)
    plain = create(load_problem(toy), Budget(experiments=40), campaigns=campaigns)
    deaf = aster("steer", plain.name, "look at b")
    assert (deaf.exit_code, "no planner to tell" in deaf.stderr) == (2, True)
    assert aster("steer", "nobody", "look").exit_code == 2
    assert load_campaign(folder).board.research.steering == []
