"""Aster: an open autonomous research system.

    import aster

    problem = aster.load_problem("circle-packing")
    campaign = aster.research(problem, budget=aster.Budget(experiments=60))
    print(campaign.champion_value, campaign.folder / "report.html")

Names are imported when they are first used, so that `import aster` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster.app import research as research
    from aster.campaign.budget import Budget as Budget
    from aster.domain.research import ModelChoice as ModelChoice
    from aster.domain.research import Price as Price
    from aster.handle import Campaign as Campaign
    from aster.intermediate import progress as progress
    from aster.problems.problem import Problem as Problem
    from aster.problems.problem import load_problem as load_problem

_HOMES = {
    "Budget": "aster.campaign.budget",
    "Campaign": "aster.handle",
    "ModelChoice": "aster.domain.research",
    "Price": "aster.domain.research",
    "Problem": "aster.problems.problem",
    "load_problem": "aster.problems.problem",
    "progress": "aster.intermediate",
    "research": "aster.app",
}

__all__ = ["Budget", "Campaign", "ModelChoice", "Price", "Problem", "load_problem", "progress", "research"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'aster' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
