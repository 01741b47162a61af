"""What `aster run --dry-run` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from aster.rehearsal import Ground, Rehearsal


def show_plan(plan: Rehearsal, as_json: bool) -> None:
    """Print a campaign's plan."""
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(plan).decode())
        return
    from aster.cli.words import clean, console
    from aster.domain.records import Limits
    from aster.report.wording import ceiling_texts

    out = console()
    out.print(f"{clean(plan.title)}: the plan; nothing runs and nothing is written")
    ceilings = ceiling_texts(Limits(plan.wall_s, plan.limit, plan.usd, plan.tokens, plan.gpu_s))
    out.print(f"budget: {', '.join(ceilings)}; {plan.slots} slots, {plan.mode}, seed {plan.seed}")
    _show_split(out, plan)
    _show_reach(out, plan)
    _show_grounds(out, plan)
    _show_models(out, plan)
    _show_cost(out, plan)


def _show_split(out: Console, plan: Rehearsal) -> None:
    low, high = plan.claim
    claim = f"a claim takes {low}" if low == high else f"a claim takes {low} to {high}"
    out.print(f"baseline: {_count(plan.baseline, 'run')}")
    if plan.search is None or plan.held_back is None:
        out.print(f"search: what the time allows; 20% of it is held back for confirmation ({claim} experiments)")
        return
    about = "" if plan.experiments == plan.limit else "about "
    out.print(f"search: {about}{plan.search} experiments, and what confirmation leaves over")
    out.print(f"confirmation: {about}{plan.held_back} experiments held back ({claim})")


def _show_reach(out: Console, plan: Rehearsal) -> None:
    if plan.exact:
        out.print(f"detectable: {plan.metric} is exact, so a claim scores the artifacts again; there is no noise")
        return
    kind = "pairs" if plan.paired else "runs a side"
    for at, each in enumerate(plan.reach):
        units = f", {plan.gains[at].gain:.3g} in {plan.metric}" if plan.gains else ""
        out.print(f"detectable: a true gain of {each.gain:.2f} sd by {each.pairs} {kind} (80% power){units}")
    if plan.known is None:
        out.print("  the noise (sd) is not known yet: `aster check` measures it")
    elif plan.known.sd is not None:
        out.print(f"  noise: sd {plan.known.sd:.3g} over {plan.known.n} runs, measured by {plan.known.campaign}")


def _show_grounds(out: Console, plan: Rehearsal) -> None:
    work = f"{_work(plan.grounds)} on {_count(len(plan.grounds), 'surface')}" if plan.grounds else "whatever they find"
    out.print(f"researcher {plan.researcher}: {work}")
    for each in plan.grounds:
        out.print(f"  {each.surface}: {_work([each])}")


def _show_models(out: Console, plan: Rehearsal) -> None:
    from aster.cli.words import clean

    if not plan.models:
        return
    how = "answering once with edits" if plan.one_shot else "working with tools"
    out.print(f"agents: {plan.agents} side by side; subagents {how}")
    for model in plan.models:
        roles = f"for {', '.join(model.roles)}" if model.roles else "for every other role"
        price = model.price
        cost = "no price" if price is None else f"${price.input:g} in and ${price.output:g} out per million tokens"
        out.print(f"  {clean(model.name, 80)} {roles}: {cost}")


def _work(grounds: Sequence[Ground]) -> str:
    """Return "2 ideas with 3 knobs, 5 constants to tune"."""
    ideas, knobs = sum(each.ideas for each in grounds), sum(each.knobs for each in grounds)
    constants = sum(each.constants for each in grounds)
    parts = [_count(ideas, "idea") + (f" with {_count(knobs, 'knob')}" if knobs else "")] if ideas else []
    return ", ".join([*parts, f"{_count(constants, 'constant')} to tune"] if constants else parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _most_for_models(plan: Rehearsal) -> str:
    from aster.report.wording import amount, dollars

    most = [dollars(plan.usd)] if plan.usd is not None else []
    most += [f"{amount(plan.tokens)} tokens"] if plan.tokens is not None else []
    return f"at most {' and '.join(most)}" if most else "$0.00"


def _show_cost(out: Console, plan: Rehearsal) -> None:
    from aster.cli.check import show_hours, show_time

    paid = f"{_most_for_models(plan)} for models"
    if plan.cost is None or plan.known is None:
        out.print(f"cost: {paid}; how long an experiment takes is not known yet: `aster check` measures it")
        return
    cost = plan.cost
    out.print(
        f"cost: about {cost.experiments} experiments of {show_time(plan.known.pace.wall_s)} (as in "
        f"{plan.known.campaign} on {plan.known.hardware}): {show_time(cost.wall_s)}, "
        f"{show_hours(cost.device_hours, cost.device)}; {paid}"
    )
