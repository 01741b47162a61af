"""The practice server: as a program, and in a thread."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from aster.domain.research import ModelChoice
from aster.llm.client import PydanticClient
from aster.llm.protocol import Prompt, Reply
from aster.testing.clients import FREE_TOOL, TOLD, says
from aster.testing.model_server import Fault, obliging, refusing, serving


def ask(base_url: str, *prompts: Prompt) -> list[Reply]:
    async def run() -> list[Reply]:
        client = PydanticClient()
        model = ModelChoice("openai:fake", base_url=base_url)
        replies = [await client.ask(model, prompt) for prompt in prompts]
        await client.close()
        return replies

    return asyncio.run(run())


def test_as_a_program_it_prints_where_it_is_and_answers_anything() -> None:
    command = [sys.executable, "-m", "aster.testing.model_server", "--delay", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            words, call = ask(server.stdout.readline().strip(), TOLD, FREE_TOOL)
        finally:
            server.terminate()
    assert words.said.text == "ok"
    assert [(each.name, each.arguments) for each in call.said.calls] == [("look", '{"at": "ok"}')]


def test_in_a_thread_it_keeps_what_was_asked_and_is_gone_afterwards() -> None:
    with serving(obliging) as server:
        ask(server.base_url, TOLD, FREE_TOOL)
        assert server.asked == [TOLD, FREE_TOOL]
        assert (server.count, server.answered, server.in_flight) == (2, 2, 0)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.base_url, timeout=5)


def test_faults_go_by_number() -> None:
    with serving(
        lambda prompt: says(prompt, "hi"), fault=lambda number, _: refusing(500) if number == 2 else Fault()
    ) as server:
        assert ask(server.base_url, TOLD)[0].said.text == "hi"
        with pytest.raises(Exception, match="500"):
            ask(server.base_url, TOLD)
        assert server.answered == 1
