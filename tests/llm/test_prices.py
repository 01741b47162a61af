"""Prices come from the public list, at their dearest."""

from __future__ import annotations

from datetime import UTC, datetime

from aster.domain.research import ModelChoice
from aster.llm.prices import price_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_known_model_has_all_four_prices() -> None:
    price = price_of(ModelChoice("anthropic:claude-haiku-4-5"), NOW)
    assert price is not None
    assert (price.input, price.output) == (1.0, 5.0)
    assert price.cache_read == 0.1
    assert price.cache_write == 1.25


def test_a_price_that_rises_with_the_prompts_length_is_the_dearest() -> None:
    price = price_of(ModelChoice("google:gemini-2.5-pro"), NOW)
    assert price is not None
    assert price.input > 1.25
    assert price.output > 10


def test_a_kind_without_a_price_of_its_own_has_none() -> None:
    price = price_of(ModelChoice("openai:gpt-5-mini"), NOW)
    assert price is not None
    assert price.cache_write is None
    assert price == price_of(ModelChoice("openai-responses:gpt-5-mini"), NOW)


def test_what_nobody_knows_has_no_price() -> None:
    assert price_of(ModelChoice("openai:no-such-model"), NOW) is None
    assert price_of(ModelChoice("nobody:gpt-5"), NOW) is None
    assert price_of(ModelChoice("openai:gpt-5", base_url="http://localhost:1/v1"), NOW) is None
