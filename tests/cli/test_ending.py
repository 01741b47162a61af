"""What is said at the end about a candidate that a claim has tested without confirming it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from aster.cli.ending import _tested
from aster.report.summary import Summary


@pytest.mark.parametrize(
    ("verdict", "candidate", "said"),
    [
        ("undecided", "c-1", ", by the search; over fresh seeds its gain was −0.034 (claim 1)"),
        ("testing", "c-1", ""),
        ("undecided", "c-2", ""),
    ],
)
def test_fresh_seeds_stand_beside_the_searchs_mean(verdict: str, candidate: str, said: str) -> None:
    claim = SimpleNamespace(number=1, candidate=candidate, verdict=verdict, gain=-0.0344)
    view = SimpleNamespace(unconfirmed=SimpleNamespace(candidate="c-1"), claims=[claim], places=3)
    assert _tested(cast(Summary, view)) == said
