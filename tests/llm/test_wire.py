"""Connections: as many as are asked for, as far as this process may open files."""

from __future__ import annotations

import asyncio
import resource

import pytest

from aster.domain.research import ModelChoice
from aster.llm.client import PydanticClient
from aster.llm.wire import SPARE_FILES, room_for
from aster.testing.clients import TOLD, says
from aster.testing.model_server import ModelServer


def test_as_many_as_files_may_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"now": (1024, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: limits.update(now=given))
    assert room_for(100) == 100
    assert limits["now"] == (1024, 4096)
    assert room_for(2000) == 2000
    assert limits["now"] == (2000 + SPARE_FILES, 4096)
    assert room_for(20_000) == 4096 - SPARE_FILES
    limits["now"] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert room_for(20_000) == 20_000


def test_a_system_that_refuses_is_lived_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert room_for(20_000) == 1024 - SPARE_FILES


def test_requests_beyond_the_connections_wait_their_turn() -> None:
    async def run() -> int:
        async with ModelServer(lambda prompt: says(prompt, "hi"), delay_s=0.01) as server:
            client = PydanticClient(connections=3)
            model = ModelChoice("openai:fake", base_url=server.base_url)
            await asyncio.gather(*(client.ask(model, TOLD) for _ in range(12)))
            await client.close()
            return server.most_in_flight

    assert asyncio.run(run()) == 3
