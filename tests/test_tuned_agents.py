"""The tuner sets the constants of what subagents wrote: whole campaigns, with models that follow a script."""

from __future__ import annotations

import re
import shutil

import pytest
from tests.players import WHY
from tests.toys import toy_problem

import aster
from aster.campaign.budget import Budget
from aster.domain.research import ModelChoice
from aster.handle import Campaign
from aster.llm.protocol import Prompt, Reply, Said
from aster.replaying import replay_campaign
from aster.testing.clients import calls
from aster.testing.model_server import serving

pytestmark = pytest.mark.slow

WRITTEN = "GAIN = 1.0\nA = GAIN * 1.0\n"
"""A version with a constant that the problem does not have; the loss is smallest where it is 3."""


def write_once(prompt: Prompt) -> Reply:
    """Open one direction, write one version with a new constant, and hand back nothing more."""
    tools = {tool.name for tool in prompt.tools}
    turn = sum(isinstance(message, Said) for message in prompt.messages)
    if "submit_plan" in tools:
        first = {"change": "A by a gain", "text": WHY, "predicts": 1.0}
        direction = {"surface": "gain", "paths": ["solution/a.py"], "rationale": WHY, "success": "a lower loss"}
        text = "\n".join(message.text for message in prompt.messages)
        opened = [] if re.search(r'd-[0-9a-f]{12} on "', text) else [{**direction, "hypotheses": [first]}]
        return calls(prompt, ("submit_plan", {"open": opened}))
    if "submit_handoff" in tools:
        return calls(
            prompt, ("submit_handoff", {"done": "a gain was written", "learnt": "it helps", "concerns": "none"})
        )
    if "submit_reviews" in tools:
        return calls(
            prompt, ("submit_reviews", {"reviews": [{"number": 1, "verdict": "accept", "reason": "It is new."}]})
        )
    if turn == 0:
        return calls(prompt, ("write_file", {"path": "solution/a.py", "content": WRITTEN}))
    if turn == 1:
        return calls(prompt, ("run_experiment", {"change": "A by a gain", "why": WHY}))
    return calls(prompt, ("finish", {"finding": "A gain lowers the loss, and its value is for a machine to find."}))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    folder = tmp_path_factory.mktemp("tuned")
    problem = toy_problem(folder / "toy")
    shutil.rmtree(problem / "ideas")  # and its own constants are 0: nothing to tune but what agents write
    with serving(write_once) as server:
        return aster.research(
            problem,
            Budget(experiments=36, tokens="20M"),
            researcher="agents+tuner",
            models=[ModelChoice("openai:player", base_url=server.base_url)],
            slots=2,
            campaigns=folder / "campaigns",
        )


def test_a_subagents_constant_is_tuned_claimed_and_confirmed(campaign: Campaign) -> None:
    board = campaign.board
    [written] = [c for c in board.candidates.values() if c.author == "agents"]
    tuned = [c for c in board.candidates.values() if c.author == "tuner"]
    assert len(tuned) >= 3
    assert {c.root for c in tuned} == {written.id}
    assert {name for c in tuned for name in c.settings} == {"solution/a.py::GAIN"}
    champion = campaign.champion
    assert champion is not None
    assert champion.author == "tuner"
    assert champion.label.startswith("A by a gain + ")
    assert campaign.best is not None
    assert b"A = GAIN * 1.0" in campaign.best.files["solution/a.py"]
    written_mean = board.score(written.id)
    assert written_mean is not None
    assert campaign.champion_value is not None
    assert campaign.champion_value < written_mean.mean - 0.5


def test_nothing_is_tuned_before_there_is_something_to_tune(campaign: Campaign) -> None:
    opened = [s.record for s in campaign.board.directions.values() if not s.record.by]
    assert [each.surface for each in opened][:1] == ["constants: new code"]
    first = next(iter(campaign.board.directions.values()))
    assert first.record.by == "agents"


def test_it_is_replayed_the_same(campaign: Campaign) -> None:
    done = replay_campaign(campaign)
    assert done.decided.divergence is None, done.decided.divergence.text
    assert not done.departures, done.departures[0].text
