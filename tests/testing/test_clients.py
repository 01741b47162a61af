"""The scripted client keeps the contract, and does what its script says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aster.domain.research import ModelChoice
from aster.llm.protocol import Client, Prompt, Refusal, Reply
from aster.testing.clients import TOLD, Answer, ClientContract, Open, ScriptedClient, asked, says

MODEL = ModelChoice("openai:fake")


@asynccontextmanager
async def scripted(answer: Answer) -> AsyncIterator[tuple[Client, ModelChoice]]:
    client = ScriptedClient(answer)
    yield client, MODEL
    await client.close()
    assert client.closed


class TestScripted(ClientContract):
    @pytest.fixture
    def open_client(self) -> Open:
        return scripted


def test_a_script_may_refuse() -> None:
    def answer(prompt: Prompt) -> Reply:
        raise Refusal("too many", 2.0)

    with pytest.raises(Refusal, match="too many"):
        asked(scripted, answer, TOLD)


def test_models_may_have_scripts_of_their_own_and_all_that_was_asked_is_kept() -> None:
    client = ScriptedClient(lambda prompt: says(prompt, "one"), by_model={"b:b": lambda prompt: says(prompt, "two")})

    async def run() -> list[str]:
        replies = await asyncio.gather(*(client.ask(ModelChoice(name), TOLD) for name in ("a:a", "b:b")))
        return [reply.said.text for reply in replies]

    assert asyncio.run(run()) == ["one", "two"]
    assert [(model.name, prompt) for model, prompt in client.asked] == [("a:a", TOLD), ("b:b", TOLD)]
    assert (client.in_flight, client.most_in_flight) == (0, 2)
