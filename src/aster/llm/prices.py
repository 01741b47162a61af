"""What models cost, by the public list that `genai-prices` brings along: nothing is looked up on a network."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aster.domain.research import ModelChoice, Price

NAMES = {"openai-chat": "openai", "openai-responses": "openai", "google-cloud": "google", "moonshot": "moonshotai"}
"""Providers that the list knows by another name."""


def price_of(choice: ModelChoice, now: datetime | None = None) -> Price | None:
    """Return what a model's calls cost at most, or None if that is not known.

    Where a price depends on the length of the prompt or the time of day, it is the dearest. A model at an address of
    its own has no price: who runs it is not known.

    Args:
        now: the time at which prices hold; None: this moment.
    """
    if choice.base_url:
        return None
    from genai_prices.data_snapshot import get_snapshot

    provider, _, name = choice.name.partition(":")
    try:
        _, model = get_snapshot().find_provider_model(name, None, NAMES.get(provider, provider), None)
    except LookupError:
        return None
    began = now or datetime.now(UTC)
    listed = [model.get_prices(began + timedelta(hours=hours)) for hours in range(24)]
    paid, made = _dearest(listed, "input_mtok"), _dearest(listed, "output_mtok")
    if paid is None or made is None:
        return None
    return Price(paid, made, _dearest(listed, "cache_read_mtok"), _dearest(listed, "cache_write_mtok"))


def _dearest(listed: Iterable[Any], kind: str) -> float | None:
    """Return the dearest price of a kind of token; None if there is none."""
    found: list[float] = []
    for prices in listed:
        price = getattr(prices, kind, None)
        if price is not None:
            tiers = [each.price for each in getattr(price, "tiers", ())]
            found += map(float, [getattr(price, "base", price), *tiers])
    return max(found, default=None)
