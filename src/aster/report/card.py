"""A campaign as a notebook shows it: one small block of HTML.

Everything that a problem or a candidate wrote is escaped, and figures are images: nothing in it can act.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from aster.board import Board
from aster.report.canvas import svg
from aster.report.claims import ClaimView
from aster.report.document import data_uri
from aster.report.figures import progress
from aster.report.headline import headline
from aster.report.progress import change_of, progress_view
from aster.report.summary import Standout, Summary, summarize
from aster.report.wording import clean, count, duration, number, percent, signed

MOST_CLAIMS = 8
"""The latest ones are shown."""


def card(board: Board) -> str:
    """Return the campaign as HTML without scripts, forms or links: headline, numbers, figure, claims."""
    summary = summarize(board)
    figure = data_uri("image/svg+xml", svg(progress(progress_view(board))))
    said = headline(summary)
    return "".join(
        [
            '<div style="max-width: 60em">',
            f"<p><b>{_text(summary.title)}</b><br>{_text(summary.campaign)}</p>",
            f"<p>{_text(said.sentence, 600)}</p>",
            _table(_levels(summary)),
            f'<img alt="progress" style="max-width: 100%" src="{figure}">',
            _table(_claims(board, summary)),
            "</div>",
        ]
    )


def _levels(summary: Summary) -> Iterable[tuple[str, ...]]:
    yield "", summary.objective.shown, "runs", "candidate"
    if summary.baseline is not None:
        yield "baseline", number(summary.baseline.mean, summary.places), str(summary.baseline.n), ""
    if summary.champion is not None:
        yield ("champion, confirmed", *_standout(summary, summary.champion))
    if summary.unconfirmed is not None:
        yield ("best, unconfirmed", *_standout(summary, summary.unconfirmed))
    spent = f"{count(summary.costs.experiments, 'experiment')}, {duration(summary.costs.wall_s)}"
    yield "spent", spent, "", ""


def _standout(summary: Summary, shown: Standout) -> tuple[str, str, str]:
    value = number(shown.level.mean, summary.places)
    if shown.low is not None and shown.high is not None:
        value += f" ({number(shown.low, summary.places)} to {number(shown.high, summary.places)})"
    return value, str(shown.level.n), shown.label or shown.change


def _claims(board: Board, summary: Summary) -> Iterable[tuple[str, ...]]:
    if summary.claims:
        yield "claim", "candidate", "verdict", "gain", "interval", "pairs"
    for view in summary.claims[-MOST_CLAIMS:]:
        yield (
            str(view.number), change_of(board, view.candidate), view.verdict,
            "" if view.gain is None else signed(view.gain, summary.places), _interval(view, summary.places),
            str(len(view.pairs)),
        )  # fmt: skip


def _interval(view: ClaimView, places: int) -> str:
    if view.exact or view.low is None or view.high is None:
        return ""
    return f"{signed(view.low, places)} to {signed(view.high, places)} ({percent(view.level)})"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return the rows as a table, the first as its head; "" without any."""
    lines = []
    for at, row in enumerate(rows):
        kind = "td" if at else "th"
        lines.append(f"<tr>{''.join(f'<{kind}>{_text(cell)}</{kind}>' for cell in row)}</tr>")
    return f"<table>{''.join(lines)}</table>" if lines else ""


def _text(text: str, limit: int = 160) -> str:
    return escape(clean(text, limit))
