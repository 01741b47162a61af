"""The language models that a person asks for, with their prices."""

from __future__ import annotations

from collections.abc import Sequence

from aster.domain.research import ModelChoice
from aster.errors import UserError
from aster.setup import check_kind


def chosen_models(
    asked: Sequence[str | ModelChoice], base_url: str = "", prices: Sequence[str] = ()
) -> tuple[ModelChoice, ...]:
    """Return the models that are asked for, as records or as `--model` takes them.

    Args:
        base_url: of an OpenAI-compatible server; "": the provider's own.
        prices: as `--price` takes them.

    Raises:
        UserError: one of them is no model or no price, or is there for nothing.
    """
    check_kind("models", asked, list | tuple, 'a list of models, such as ["openai:gpt-5-mini"]')
    for each in asked:
        check_kind("a model", each, str | ModelChoice, '"PROVIDER:NAME" or a ModelChoice')
    if not asked:
        if base_url or prices:
            option = "--base-url" if base_url else "--price"
            raise UserError(f"{option} is about a language model, and there is none: give --model too.")
        return ()
    from aster.llm.parse import parse_model, parse_prices  # imported late: most campaigns have no models

    known = parse_prices(prices)
    models = tuple(each if isinstance(each, ModelChoice) else parse_model(each, base_url, known) for each in asked)
    unused = sorted(set(known) - {model.name for model in models})
    if unused:
        there = ", ".join(model.name for model in models)
        raise UserError(f"--price {unused[0]} is the price of no model of this campaign (there: {there}).")
    return models
