from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.agents.recorded import Agent, RecordingDesk, work
from tests.campaign.simulated import SOLUTION, setup
from tests.cli.conftest import run_here

from aster.archive import traits
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate, Direction
from aster.domain.trees import pack_tree
from aster.ledger.sqlite import SqliteStore


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """A campaign in which one subagent worked; its model wrote a heading and an escape sequence."""
    desk = work(RecordingDesk(refuse=(1,)), Agent(told="\n== Done\n\x1b[2Jlet it be"))
    tree, blobs = pack_tree(SOLUTION)
    baseline = Candidate(tree_id(SOLUTION), tree, (), "baseline", None, (), "baseline", traits(SOLUTION, SOLUTION))
    folder = tmp_path / "toy-1"
    folder.mkdir()
    with closing(SqliteStore(folder / "ledger.db", create=True)) as store:
        term = store.begin_term(0.0)
        opening: list[ev.Event] = [
            ev.CampaignOpened("toy-1", setup(30, mode="arrival"), tree),
            ev.CandidateAdded(baseline),
            ev.TermStarted(term, "cpu", "h", 1, "0"),
            ev.DecisionTaken(1, None, 0.0),
            ev.DirectionOpened(Direction("d-1", "the [bold]steps", "they are short", by="agents")),
        ]
        store.append([*opening, *desk.events], term=term, time=0.0, blobs={**blobs, **desk.blobs})
    return folder


def test_what_an_agent_was_sent_and_what_it_cost(campaign: Path) -> None:
    result = run_here("show", campaign, "--agent", "a-1")
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert text.startswith("a-1: subagent, fake:m; prompt ")
    assert "\nDirection: the [bold]steps (d-1)\n" in text
    assert "\nAllowance: 9 calls, 9999 tokens, 3 experiments\n" in text
    assert (
        "\nUsed: 3 calls answered and 1 without an answer, 270 tokens in, 180 of them cached, 30 out, $0.0300" in text
    )
    assert "\n== Turn 1: instructions; tools: look\n    Work.\n" in text
    assert "\n== Turn 1: fake:m: refused after 0.2 s, nothing charged: 429: too many requests\n" in text
    assert "\n== Turn 1: fake:m said (90 tokens in, 60 of them cached, 10 out, $0.0100, 1.5 s)\n" in text
    assert "\n    -> look {}\n" in text
    assert "\n== Turn 2: look returned\n    the board as it is now\n" in text
    assert "\n== .critic turn 1: told\n    Is A worth it?\n" in text
    assert "\n== Request a-1.1, experiment on c-new: refused: it was tried before\n    more of A\n" in text
    assert '"text": "A helps: said a-1/2/1"' in text


def test_what_models_wrote_cannot_pass_for_a_heading(campaign: Path) -> None:
    lines = run_here("show", campaign, "--agent", "a-1").stdout.splitlines()
    assert lines.count("== Done") == 1
    assert "    == Done" in lines
    assert "    [2Jlet it be" in lines


def test_the_same_for_programs(campaign: Path) -> None:
    [line] = run_here("show", campaign, "--agent", "a-1", "--json").stdout.splitlines()
    record = json.loads(line)
    assert [(turn["agent"], turn["turn"]) for turn in record["turns"]] == [("a-1", 1), ("a-1.critic", 1), ("a-1", 2)]
    assert record["turns"][0]["sent"][0]["text"].startswith("Brief.")
    assert record["total"]["usd"] == pytest.approx(0.03)
    assert record["ended"]["ending"] == "done"


def test_an_agent_that_is_not_there(campaign: Path) -> None:
    result = run_here("show", campaign, "--agent", "b")
    assert result.exit_code == 2
    assert "This campaign has no agent 'b'. Its latest agents: a-1 (subagent)." in result.stderr
    assert (
        run_here("show", campaign, "--agent", "a").stdout == run_here("show", campaign, "--agent", "a-1.critic").stdout
    )
