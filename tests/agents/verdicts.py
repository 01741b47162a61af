"""What critics say."""

from __future__ import annotations

from aster.llm.protocol import Said
from aster.testing.desks import says


def verdicts(*given: str) -> Said:
    """Return reviews: "" lets a hypothesis through, a text turns it down."""
    reviews = [
        {"number": number, "verdict": "veto" if why else "accept", "reason": why or "worth it"}
        for number, why in enumerate(given, 1)
    ]
    return says(("submit_reviews", {"reviews": reviews}))
