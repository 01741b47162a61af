"""An audit on a terminal, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from aster.audit.summary import Summary, chance_text, gain_text, headline, sentences, spelled, warning
from aster.evidence.audit import Verdict
from aster.report.wording import MINUS, clean, number

if TYPE_CHECKING:
    from rich.console import Console

COLOURS: dict[Verdict, str] = {
    "likely real": "green", "unclear": "yellow", "likely noise": "red", "not better": "dim",
}  # fmt: skip


def print_text(view: Summary, out: Console) -> None:
    """Print the audit."""
    from rich.table import Table
    from rich.text import Text

    found, places = view.audit, view.places_of_values
    better = "higher" if found.goal == "maximize" else "lower"
    out.print(f"{view.title}: {view.metric}, {better} is better; {found.measured} measured, {found.crashed} crashed")
    out.print(f"{view.rule}")
    out.print(f"noise: {view.noise_in_short}")
    if warning(found.noise):
        out.print(Text("WARNING: " + warning(found.noise), style="bold yellow"))
    for note in view.notes:
        out.print(f"note: {note}")
    if found.steps:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("line", justify="right")
        table.add_column("kept change", max_width=52, no_wrap=True, overflow="ellipsis")
        for name in (view.metric, "gain", "z", "likely gain (95%)", "no gain"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        for step in found.steps:
            likely = f"{gain_text(step.likely.mean, places)} ({_range(step.likely.low, step.likely.high, places)})"
            cells = [
                str(step.line), clean(step.label, 90), number(step.value, places), gain_text(step.gain, places),
                f"{step.z:+.1f}", likely, chance_text(step.chance),
            ]  # fmt: skip
            table.add_row(*map(_plain, cells), Text(step.verdict, style=COLOURS[step.verdict]))
        out.print()
        out.print(table)
        out.print()
    out.print(_plain(headline(view)))
    for sentence in sentences(view):
        out.print(_plain(sentence))
    for other in found.sensitivity if found.steps else ():
        gain = spelled(other.gain, places, sign=True)
        line = f"With sd {other.sd:.3g}: {other.real} likely real, {other.noise} likely noise, honest gain {gain}."
        out.print(_plain(line))


def as_data(view: Summary) -> dict[str, Any]:
    """Return the audit as plain data: gains are positive where they are improvements; None for what there is not."""
    data: dict[str, Any] = msgspec.to_builtins(view.audit)
    for step, shown in zip(view.audit.steps, data["steps"], strict=True):
        shown["verdict"] = step.verdict
    words = {"headline": headline(view), "says": sentences(view), "warning": warning(view.audit.noise)}
    return {"file": view.title, "metric": view.metric, "rule": view.rule, "notes": list(view.notes), **words, **data}


def _range(low: float, high: float, places: int) -> str:
    return f"{gain_text(low, places)} to {gain_text(high, places)}"


def _plain(text: str) -> str:
    return text.replace(MINUS, "-")
