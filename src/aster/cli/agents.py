"""What `aster show` says of agents: in a few lines, and in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aster.cli.words import clean, console
from aster.report.agents import TROUBLED
from aster.report.waiting import waiting_lines
from aster.report.wording import amount, count, dollars

if TYPE_CHECKING:
    from rich.console import Console

    from aster.board.research import ModelState
    from aster.report.agents import AgentsView, LineRow, ModelRow, VetoRow


def print_glance(view: AgentsView) -> None:
    """Print how the agents stand, a line each: at work, spent, in trouble."""
    out = console()
    for line in glance_lines(view):
        out.print(line, soft_wrap=True)


def print_agents(view: AgentsView) -> None:
    """Print everything that agents did, but for what they said."""
    out = console()
    print_glance(view)
    _print_lines(out, view)
    _print_roles(out, view)
    _print_models(out, view)
    _print_handed(out, view)


def glance_lines(view: AgentsView) -> Iterator[str]:
    """Yield how the agents stand: at work, spent, in trouble, and what the planner was told."""
    working = [f"{row.live} {row.role}{'' if row.live == 1 else 's'}" for row in view.roles if row.live]
    calls = f", {count(view.calls, 'call')} under way" if view.calls else ""
    yield f"agents: {', '.join(working) or 'none'} at work, of at most {view.most}{calls}"
    yield f"models: {spend_text(view)}"
    if view.candidates and view.tokens_each is not None and view.usd_each is not None:
        how = "one answer each" if view.one_shot else "with tools"
        each = f"{amount(view.tokens_each)} tokens, {dollars(view.usd_each)} each"
        yield f"subagents ({how}): {count(view.candidates, 'candidate')}, {each}"
    for row in view.models:
        trouble = trouble_text(row.model, row)
        if trouble:
            yield trouble
    yield from waiting_lines(view.waits.now)
    if view.waited:
        yield f"waits: {view.waited}"
    for text, told in view.steering:
        yield f"steering: {clean(text, 100)}{'' if told else ' (the planner was not told yet)'}"


def spend_text(view: AgentsView) -> str:
    """Return what calls came to, beside their ceilings."""
    usd = dollars(view.usd) + (f" of {dollars(view.limit_usd)}" if view.limit_usd is not None else "")
    tokens = f"{amount(view.tokens)} tokens" + (f" of {amount(view.limit_tokens)}" if view.limit_tokens else "")
    held = f", {dollars(view.reserved_usd)} and {amount(view.reserved_tokens)} tokens reserved" if view.calls else ""
    over = f"; providers reported {dollars(view.over_usd)} beyond what was reserved" if view.over_usd else ""
    return f"{usd} and {tokens} spent{held}{over}"


def trouble_text(model: str, state: ModelState | ModelRow) -> str:
    """Return what is wrong with a model, or ""."""
    name = clean(model, 60)
    if state.cut_off:
        return f"{name} is asked no more: {clean(state.cut_off, 200)}"
    if state.troubles >= TROUBLED:
        return f"{name} does not answer: the last {state.troubles} calls failed: {clean(state.last_error, 200)}"
    return ""


def _print_lines(out: Console, view: AgentsView) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (
        "direction",
        "id",
        "agents",
        "waiting",
        "vetoed",
        "experiments",
        "helped",
        "best gain",
        "spent",
        "state",
    ):
        table.add_column(name, justify="left" if name in ("direction", "id", "state") else "right")
    for row in view.lines:
        table.add_row(*_cells(row))
    out.print("\nDirections of agents", style="bold")
    out.print(table if view.lines else "None was opened yet.")


def _cells(row: LineRow) -> list[str]:
    best = "" if row.best is None else f"{row.best:.4g}"
    weight = f", weight {row.weight:g}" if row.weight != 1.0 else ""
    state = f"open{weight}" if row.retired is None else clean(row.retired, 60)
    counts = (row.agents, row.waiting, row.vetoed, row.experiments)
    return [
        clean(row.surface, 40), row.direction, *map(str, counts), f"{row.helped}/{row.findings}", best,
        dollars(row.usd), state,
    ]  # fmt: skip


def _print_roles(out: Console, view: AgentsView) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("role", "assignments", "at work", "done", "spent", "failed", "cut off", "calls", "tokens", "dollars"):
        table.add_column(name, justify="left" if name == "role" else "right")
    for row in view.roles:
        ended = (row.assignments, row.live, row.done, row.spent, row.failed, row.cancelled, row.requests)
        table.add_row(row.role, *map(str, ended), amount(row.tokens), dollars(row.usd))
    out.print("\nAssignments (a worker's with its critic's)", style="bold")
    out.print(table)


def _print_models(out: Console, view: AgentsView) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "roles", "answered", "refused", "lost", "tokens", "dollars", "gained"):
        table.add_column(name, justify="left" if name in ("model", "roles") else "right")
    for row in view.models:
        usd = dollars(row.usd) if row.priced else "no price"
        calls = (str(row.answered), str(row.refused), str(row.unknown))
        table.add_row(
            clean(row.model, 60),
            ", ".join(row.roles) or "all others",
            *calls,
            amount(row.tokens),
            usd,
            f"{row.gained:.4g}",
        )
    out.print("\nModels (gained: by their subagents, in the metric's units)", style="bold")
    out.print(table)


def _print_handed(out: Console, view: AgentsView) -> None:
    handoffs = [row for row in view.lines if row.handoff is not None]
    for title, lines in (
        ("Latest handoffs", [text for row in handoffs for text in _handoff(row)]),
        ("Turned down before they cost an experiment", [_veto(row) for row in view.vetoes]),
        ("Notes of subagents", list(_notes(view))),
    ):
        if lines:
            out.print(f"\n{title}", style="bold")
            for line in lines:
                out.print(line, soft_wrap=True)


def _handoff(row: LineRow) -> Iterator[str]:
    assert row.handoff is not None
    yield f"{clean(row.surface, 40)}: done: {clean(row.handoff.done, 400)}"
    yield f"  learnt: {clean(row.handoff.learnt, 400)}"
    if row.handoff.concerns:
        yield f"  concerns: {clean(row.handoff.concerns, 400)}"


def _veto(row: VetoRow) -> str:
    kind = "" if row.kind == "veto" else f", {row.kind}"
    return f"{clean(row.surface, 40)}: {clean(row.change, 80)}: {row.by}{kind}: {clean(row.reason, 200)}"


def _notes(view: AgentsView) -> Iterator[str]:
    for row in view.notes:
        mark = "-" if row.dead_end else "*"
        bad = f" [unbacked, kept from others: {clean(', '.join(row.unbacked), 60)}]" if row.unbacked else ""
        bad += f" [from the log: {clean(', '.join(row.logged), 60)}]" if row.logged else ""
        yield f"{mark} {clean(row.surface, 40)}: {clean(row.text, 300)}{bad} ({row.assignment})"
