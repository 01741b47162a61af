"""The live view of a campaign on a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aster.board import Board
from aster.cli.ending import closing
from aster.cli.glance import Agents, Glance, Surface, Watch
from aster.cli.words import console
from aster.domain.events import Event
from aster.handle import Campaign
from aster.report.wording import amount, count, dollars, duration

REFRESH_S = 0.25
"""From one drawing to the next."""

FIXED_LINES = 18
"""Lines of the view without its directions and findings."""

AGENT_LINES = 3
"""Lines that agents add to it, but for those about models in trouble."""

NARROWEST_NAME = 14


class LiveView:
    """Draws the campaign in place, at most four times a second, in a thread of its own."""

    def __init__(self, out: Console | None = None) -> None:
        self._console = out or console()
        self._watch = Watch()
        self._picture = Picture(self._watch)
        self._live = Live(
            self._picture, console=self._console, auto_refresh=False, vertical_overflow="crop", transient=False
        )
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="aster-live", daemon=True)

    def note(self, board: Board, events: Sequence[Event]) -> None:
        """Take in what happened; drawing is the other thread's business."""
        self._watch.note(board, events)

    def finish(self, campaign: Campaign) -> None:
        """Leave the last picture standing and print the closing words below it."""
        self._stop()
        with suppress(OSError):
            self._console.print()
            for line in closing(campaign):
                self._console.print(line, soft_wrap=True)

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._done.is_set():
            return
        self._done.set()
        self._thread.join()
        self._picture.closed = True
        with suppress(OSError):
            self._live.refresh()
            self._live.stop()

    def _draw(self) -> None:
        while not self._done.wait(REFRESH_S):
            try:
                self._live.refresh()
            except OSError:  # the terminal is gone; the campaign goes on
                return


class Picture:
    """What a `Watch` knows, drawn to fit the terminal as it is now."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.closed = False

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        agents = self._watch.look(most_surfaces=0).agents
        fixed = FIXED_LINES + (AGENT_LINES + len(agents.trouble + agents.waiting) if agents is not None else 0)
        room = max(4, (options.size.height or 24) - fixed)
        now = self._watch.look(most_surfaces=max(2, room * 3 // 5))
        yield picture(now, options.max_width, room, closed=self.closed)


def picture(now: Glance, width: int, room: int, *, closed: bool = False) -> RenderableType:
    """Return the drawing of a glance.

    Args:
        width: columns.
        room: lines for directions and findings together.
        closed: it is the last drawing, and nothing is done any more.
    """
    rows = len(now.surfaces)
    findings = now.findings[-max(1, room - rows) :] if now.findings else ()
    return Group(
        *_title(now, width),
        Text(),
        _standing(now),
        Text(),
        *([_directions(now.surfaces, width, now.agents is not None)] if rows else [_dim("no direction is open yet")]),
        *([_dim(f"and {now.surfaces_hidden} more")] if now.surfaces_hidden else []),
        Text(),
        _spending(now, width),
        *([_line(text, "bold red") for text in now.agents.trouble] if now.agents is not None else []),
        *([_line(text, "yellow") for text in now.agents.waiting] if now.agents is not None else []),
        *_under_test(now),
        *_learnt(findings),
        *_ending(now, closed),
    )


def _title(now: Glance, width: int) -> Iterator[Text]:
    title = _line(now.title or "starting", "bold")
    if now.campaign and title.cell_len + len(now.campaign) + 3 <= width:
        title.append(" " * (width - title.cell_len - len(now.campaign)) + now.campaign, "dim")
        yield title
    else:
        yield title
        if now.campaign:
            yield _line(now.campaign, "dim")


def _standing(now: Glance) -> Table:
    """What was reached: the best so far, the champion, the baseline, and what became of the experiments."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    if now.best and not now.best_proven:
        value = (f"{now.metric} {now.best}", "bold yellow")
        table.add_row("best so far", Text.assemble(value, ("  unconfirmed  ", "yellow"), now.best_name))
    elif not now.champion:
        nothing = "nothing better than the baseline yet" if now.baseline else "measuring the baseline"
        table.add_row("best so far", Text(nothing, "dim"))
    if now.champion:
        value = (f"{now.metric} {now.champion}", "bold green")
        table.add_row("champion", Text.assemble(value, ("  confirmed  ", "green"), now.champion_name))
        table.add_row("", Text(now.champion_gain, "green"))
    if now.baseline:
        table.add_row("baseline", Text(f"{now.metric} {now.baseline}"))
    table.add_row("experiments", _counts(now))
    if now.agents is not None:
        table.add_row("agents", _working(now.agents))
    return table


def _working(agents: Agents) -> Text:
    """Who is at work, and calls under way."""
    roles = ", ".join(f"{n} {role}{'' if n == 1 else 's'}" for role, n in agents.working)
    calls = f", {count(agents.calls, 'call')} under way" if agents.calls else ""
    return Text(f"{roles or 'none'} at work, of {agents.most} at most{calls}")


def _counts(now: Glance) -> Text:
    said = Text(f"{now.counts.get('measured', 0)} done, {now.running} running, {now.counts.get('failed', 0)} failed")
    for kind in ("invalid", "timed_out", "stopped_early", "infeasible", "cancelled"):
        if now.counts.get(kind):
            said.append(f", {now.counts[kind]} {kind.replace('_', ' ')}")
    if now.lost:
        said.append(f", {count(now.lost, 'attempt')} lost")
    return said


def _directions(surfaces: Sequence[Surface], width: int, with_agents: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    table.add_column("direction", no_wrap=True, overflow="ellipsis", min_width=NARROWEST_NAME, max_width=width // 3)
    for name in ("experiments", "helped", "gain/exp.", *(("agents", "spent") if with_agents else ())):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in surfaces:
        helped = f"{row.successes}/{row.findings}"
        style = "" if row.state == "open" else "dim"
        cells = [row.name, str(row.experiments), helped, f"{row.per_experiment:.3g}"]
        cells += [str(row.agents), dollars(row.usd)] if with_agents else []
        table.add_row(*cells, row.state, style=style)
    return table


def _spending(now: Glance, width: int) -> Table:
    """Spend against each ceiling, and about how much time is left."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=len("best so far"))
    table.add_column(width=max(10, width // 3))
    table.add_column(no_wrap=True)
    left = "" if now.ended or now.left_s is None else f"   about {duration(now.left_s)} left"
    if now.most is not None:
        said = f"{now.planned} of {now.most}{left}"
        table.add_row("budget", _bar(now.planned, now.most), Text(said))
        left = ""
    if now.wall_limit_s is not None:
        said = f"{duration(now.wall_s)} of {duration(now.wall_limit_s)}{left}"
        table.add_row("wall time", _bar(now.wall_s, now.wall_limit_s), Text(said))
    else:
        table.add_row("wall time", "", Text(duration(now.wall_s)))
    if now.agents is not None:
        _bill(table, now.agents)
    return table


def _bill(table: Table, agents: Agents) -> None:
    """Add what models came to, a line a ceiling; what is reserved counts as spent until it is known to be less."""
    held = f" and {dollars(agents.reserved_usd)} reserved" if agents.reserved_usd else ""
    if agents.usd_limit is not None:
        bar = _bar(agents.usd + agents.reserved_usd, agents.usd_limit)
        table.add_row("dollars", bar, Text(f"{dollars(agents.usd)}{held} of {dollars(agents.usd_limit)}"))
    if agents.tokens_limit is not None:
        bar = _bar(agents.tokens + agents.reserved_tokens, agents.tokens_limit)
        table.add_row("tokens", bar, Text(f"{amount(agents.tokens)} of {amount(agents.tokens_limit)}"))
    else:
        table.add_row("tokens", "", Text(amount(agents.tokens)))


def _bar(done: float, total: float) -> ProgressBar:
    return ProgressBar(total=total, completed=min(done, total), complete_style="cyan", finished_style="cyan")


def _under_test(now: Glance) -> Iterator[Text]:
    if now.claim:
        yield Text()
        yield _line(f"testing {now.claim}", "bold")
        yield _line(f"  {now.pairs_done} of {now.pairs} pairs done")
    elif now.verdict:
        yield Text()
        yield _line(now.verdict, "green" if " confirmed" in now.verdict else "yellow")


def _learnt(findings: Sequence[tuple[bool, str]]) -> Iterator[Text]:
    if findings:
        yield Text()
    for success, text in reversed(findings):
        yield _line("* " + text, "green") if success else _line("- " + text, "dim")


def _ending(now: Glance, closed: bool) -> Iterator[Text]:
    if now.ended:
        yield _line(f"ended: {now.ended}{'; writing the report' if not closed else ''}", "bold")
    elif now.ending:
        yield _line(f"ending: {now.ending}", "bold yellow")


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _dim(text: str) -> Text:
    return _line(text, "dim")
