"""What agents' candidates cost: tokens and dollars for each, with what was thought around them. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from aster.board import Board

Way = Literal["tools", "one-shot"]
"""How subagents write candidates: step by step with tools, or by samples of one prompt."""


class Outlay(Struct, frozen=True):
    """What agents used, and what they made of it.

    Attributes:
        subagents: assignments to subagents that have ended or are under way.
        candidates: versions that they had measured, each counted once; what had been measured before is none.
        measured: how many of these have a score that counts. `gained`: how many a finding calls a success.
        tokens, usd: of subagents, as charged.
        other_tokens, other_usd: of the planner, workers and critics.
    """

    way: Way
    subagents: int
    candidates: int
    measured: int
    gained: int
    tokens: int
    usd: float
    other_tokens: int
    other_usd: float

    @property
    def tokens_each(self) -> float | None:
        """Tokens of subagents for a candidate; None before there is one."""
        return self.tokens / self.candidates if self.candidates else None

    @property
    def usd_each(self) -> float | None:
        """Dollars of subagents for a candidate; None before there is one."""
        return self.usd / self.candidates if self.candidates else None

    @property
    def all_tokens_each(self) -> float | None:
        """Tokens of all agents for a candidate; None before there is one."""
        return (self.tokens + self.other_tokens) / self.candidates if self.candidates else None


def outlay(board: Board) -> Outlay:
    """Return what the agents of a campaign have used so far. It looks at every assignment, so it is for reports."""
    research = board.research
    own = [state for state in research.assignments.values() if state.record.role == "subagent"]
    others = [state for state in research.assignments.values() if state.record.role != "subagent"]
    asked = {research.asks[name].experiment for state in own for name in state.asks}
    made = {
        experiment.record.candidate: experiment
        for name in asked
        if name is not None and (experiment := board.experiments[name]).record.hypothesis in research.hypothesis_of
    }
    won = {finding.hypothesis for finding in board.findings if finding.success}
    return Outlay(
        way="one-shot" if board.setup.one_shot else "tools",
        subagents=len(own),
        candidates=len(made),
        measured=sum(each.status == "measured" for each in made.values()),
        gained=sum(each.record.hypothesis in won for each in made.values()),
        tokens=sum(state.tokens for state in own),
        usd=sum(state.usd for state in own),
        other_tokens=sum(state.tokens for state in others),
        other_usd=sum(state.usd for state in others),
    )
