"""The models that a person asks for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aster.choosing import chosen_models
from aster.domain.research import ModelChoice, Price
from aster.errors import UserError

LOCAL = ModelChoice("openai:local", base_url="http://localhost:8000/v1")


def test_models_are_given_as_records_or_as_text() -> None:
    one, two = chosen_models([LOCAL, "planner,critic=openai:other*2"], "http://localhost:9/v1", ["openai:other=1,2"])
    assert one == LOCAL
    assert two == ModelChoice("openai:other", Price(1.0, 2.0), ("planner", "critic"), 2.0, "http://localhost:9/v1")


def test_no_models_are_no_models() -> None:
    assert chosen_models([]) == ()


@pytest.mark.parametrize(
    ("asked", "base_url", "prices", "why"),
    [
        ("openai:gpt-5-mini", "", [], "models must be a list of models"),
        ([3], "", [], "a model must be"),
        (["gpt"], "", [], "'gpt' is not a model"),
        ([], "http://localhost:9", [], "--base-url is about a language model, and there is none"),
        ([], "", ["openai:x=1,2"], "--price is about a language model, and there is none"),
        (
            [LOCAL],
            "",
            ["openai:x=1,2"],
            "--price openai:x is the price of no model of this campaign (there:",
        ),
    ],
)
def test_what_is_no_model_or_is_there_for_nothing_is_refused(
    asked: Any, base_url: str, prices: list[str], why: str
) -> None:
    with pytest.raises(UserError, match=re.escape(why)):
        chosen_models(asked, base_url, prices)
