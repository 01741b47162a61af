"""What is said of a campaign once it has ended: in words for people, in one line for programs."""

from __future__ import annotations

from typing import Any

from aster.board import Board
from aster.cli.find import command_for
from aster.cli.words import clean, labelled, shown_path
from aster.handle import Campaign
from aster.report.headline import headline
from aster.report.summary import Summary, summarize
from aster.report.wording import amount, count, dollars, duration, signed

REPORT = "report.html"


def closing(campaign: Campaign) -> list[str]:
    """Return what was proven, what only looks better, and where to look closer; a line each."""
    view = summarize(campaign.board)
    said = headline(view)
    lines = [said.sentence]
    if view.champion is not None:
        lines.append(f"The champion is {labelled(view.champion.label, view.champion.candidate)}.")
    elif not said.sentence.startswith("Nothing"):
        lines.append("Nothing was proven to beat the baseline.")
    if view.unconfirmed is not None:
        lines.append(
            f"Best, unconfirmed: {labelled(view.unconfirmed.label, view.unconfirmed.candidate)}{_tested(view)}."
        )
        if view.unconfirmed.beyond and view.unconfirmed.beyond not in " ".join(said.more):
            lines.append(f"No claim is made of it: {clean(view.unconfirmed.beyond, 300)}.")
    lines += [clean(line, 400) for line in said.more]
    spent = f"{count(view.costs.experiments, 'experiment')} in {duration(view.costs.wall_s)}"
    bill, has_models = campaign.board.research.bill, campaign.board.setup.models
    paid = f" Models came to {dollars(bill.usd)} and {amount(bill.tokens)} tokens." if has_models else ""
    lines.append(f"It took {spent}; {duration(view.costs.attempt_s)} of experiment time.{paid}")
    report = campaign.folder / REPORT
    if campaign.board.ended is None:
        lines.append(f"Go on: {command_for('resume', campaign.folder)}")
    elif report.exists():
        lines.append(f"Report: {shown_path(report)}")
    if view.claims:
        lines.append(f"Every number behind the claim: {command_for('show', campaign.folder)} --claim")
    else:
        lines.append(f"Look closer: {command_for('show', campaign.folder)} --findings")
    return lines


def _tested(view: Summary) -> str:
    """Say what fresh seeds told of the best unconfirmed candidate, if they were asked: its mean is the search's."""
    assert view.unconfirmed is not None
    tested = [c for c in view.claims if c.candidate == view.unconfirmed.candidate and c.gain is not None]
    if not tested or tested[-1].verdict not in ("undecided", "refuted"):
        return ""
    claim = tested[-1]
    assert claim.gain is not None
    return f", by the search; over fresh seeds its gain was {signed(claim.gain, view.places)} (claim {claim.number})"


def summary_line(campaign: Campaign) -> dict[str, Any]:
    """Return the summary that programs read.

    Keys: campaign (id); metric {name, goal, self_reported}; baseline {value, sd, n}; champion and best_unconfirmed
    {candidate, label, value}; claim {id, verdict, gain, low, high, alpha, pairs, experiments}, the champion's or,
    without one, the latest; experiments (planned so far); seconds (of the campaign's active wall time). What does not
    exist (yet) is None; gains are in the metric's units, positive is better; the verdict of a claim under test is
    "testing". With language models also models {usd, tokens}: what they came to.
    """
    board = campaign.board
    score, objective = board.baseline_score, board.setup.objective
    best = board.best_unconfirmed()
    best_score = board.score(best) if best else None
    bill = board.research.bill
    models = {"models": {"usd": bill.usd, "tokens": bill.tokens}} if board.setup.models else {}
    return {
        "campaign": campaign.id,
        "metric": {"name": objective.metric, "goal": objective.goal, "self_reported": objective.self_reported},
        "baseline": {"value": score.mean, "sd": score.sd, "n": score.n} if score else None,
        "champion": _candidate(board, board.champion, campaign.champion_value),
        "best_unconfirmed": _candidate(board, best, best_score.mean if best_score else None),
        "claim": _claim(board),
        "experiments": board.spend.experiments,
        "seconds": board.spend.wall_s,
        **models,
    }


def _candidate(board: Board, candidate: str | None, value: float | None) -> dict[str, Any] | None:
    if candidate is None:
        return None
    return {"candidate": candidate, "label": board.candidates[candidate].label, "value": value}


def _claim(board: Board) -> dict[str, Any] | None:
    states = list(board.claims.values())
    won = [state for state in states if state.decided is not None and state.decided.verdict == "confirmed"]
    if not states:
        return None
    state = (won or states)[-1]
    decided = state.decided
    return {
        "id": state.record.id,
        "verdict": decided.verdict if decided else "testing",
        "gain": decided.gain if decided else None,
        "low": decided.low if decided else None,
        "high": decided.high if decided else None,
        "alpha": state.record.alpha,
        "pairs": decided.pairs if decided else 0,
        "experiments": list(state.experiments.values()),
    }
