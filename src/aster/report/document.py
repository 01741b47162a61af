"""The report as one self-contained HTML page.

The page needs nothing but itself: styles inline, figures as data, no scripts (its own content policy forbids them).
All text is escaped by the template engine; pictures are images, never markup, since candidates influence them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from aster.domain.records import Knob
from aster.report.canvas import svg
from aster.report.claims_figure import claims
from aster.report.page import MOST_FINDINGS, Page, Picture
from aster.report.summary import FindingRow
from aster.report.wording import amount, clean, count, dollars, duration, number, percent, signed

if TYPE_CHECKING:
    from jinja2 import Environment


def render(page: Page, figure: bytes) -> str:
    """Return the page as HTML.

    Args:
        page: what to show.
        figure: the progress figure as SVG.
    """
    summary = page.summary
    objective = summary.objective
    intervals = (
        claims(summary.claims, page.changes, objective.shown, objective.goal, summary.places)
        if summary.claims
        else None
    )
    successes = sorted((f for f in summary.findings if f.success), key=lambda f: -(f.gain or 0.0))
    dead_ends = [f for f in reversed(summary.findings) if not f.success]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            s=summary,
            objective=objective,
            places=summary.places,
            figure=data_uri("image/svg+xml", figure),
            intervals=data_uri("image/svg+xml", svg(intervals)) if intervals else None,
            pictures=_images(page.pictures),
            before=_images(page.before),
            findings=(_shown(successes), _shown(dead_ends)),
            most=MOST_FINDINGS,
        )
    )


def data_uri(mime: str, data: bytes) -> str:
    """Return the bytes as a data address, for an image."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _images(pictures: Iterable[Picture]) -> list[tuple[str, str]]:
    """Return each picture's name and its data address."""
    return [(picture.name, data_uri(picture.mime, picture.data)) for picture in pictures]


def _shown(findings: list[FindingRow]) -> tuple[list[FindingRow], int]:
    """Return what is shown of the findings, and how many are not."""
    return findings[:MOST_FINDINGS], max(0, len(findings) - MOST_FINDINGS)


def _knobs(knobs: dict[str, Knob]) -> str:
    return ", ".join(f"{name.rpartition('::')[2]} = {value}" for name, value in sorted(knobs.items()))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("aster.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clean": clean, "count": count, "duration": duration, "number": number, "signed": signed, "percent": percent,
        "knobs": _knobs, "dollars": dollars, "amount": amount,
    }  # fmt: skip
    return environment
