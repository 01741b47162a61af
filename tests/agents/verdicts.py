"""What critics say."""

from __future__ import annotations

from collections.abc import Mapping

from aster.llm.protocol import Said
from aster.testing.desks import says


def reviews(*given: Mapping[str, object]) -> Said:
    """Return reviews with these fields, numbered, each with a reason."""
    rows = [{"number": number, "reason": "so it is", **each} for number, each in enumerate(given, 1)]
    return says(("submit_reviews", {"reviews": rows}))


def verdicts(*given: str) -> Said:
    """Return reviews: "" lets a hypothesis through, a text turns it down."""
    reviews = [
        {"number": number, "verdict": "veto" if why else "accept", "reason": why or "worth it"}
        for number, why in enumerate(given, 1)
    ]
    return says(("submit_reviews", {"reviews": reviews}))
