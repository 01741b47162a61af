"""What was proven, in honest words.

Only a confirmed claim may say "better" without a condition, and only a reference reached under the same conditions
may appear in a sentence that says "beats".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from aster.evidence.bounds import bound_text
from aster.report.claims import ClaimView
from aster.report.summary import Standout, Summary
from aster.report.wording import clean, count, number, percent, signed

Kind = Literal["confirmed", "undecided", "unconfirmed", "nothing", "empty"]


class Headline(Struct, frozen=True):
    """One sentence on top of everything, and those that a careful reader wants next."""

    kind: Kind
    sentence: str
    more: tuple[str, ...] = ()


def headline(summary: Summary) -> Headline:
    """Return the campaign's result in words."""
    if not summary.counts.get("measured"):
        return Headline("empty", "Nothing has been measured yet, so nothing can be said.", _state(summary))
    if summary.champion is not None and summary.claim is not None:
        return _confirmed(summary, summary.champion, summary.claim)
    tested = [claim for claim in summary.claims if claim.verdict in ("undecided", "refuted")]
    if tested and tested[-1].verdict == "undecided":
        return _undecided(summary, tested[-1])
    if summary.unconfirmed is not None:
        return _unconfirmed(summary, summary.unconfirmed, tested)
    if tested:
        words = (
            f"Nothing is proven to be better than the baseline: {count(len(tested), 'claim')} tested, none confirmed."
        )
        return Headline("nothing", words, _state(summary))
    metric = clean(summary.objective.shown, 80)
    level = f" ({metric} {number(summary.baseline.mean, summary.places)})" if summary.baseline else ""
    return Headline("nothing", f"Nothing has beaten the baseline{level} so far.", _state(summary))


def _confirmed(summary: Summary, champion: Standout, claim: ClaimView) -> Headline:
    metric, places = clean(summary.objective.shown, 80), summary.places
    assert claim.gain is not None
    gain = number(claim.gain, places)
    if claim.exact:
        how = f"by {gain} (exact: both artifacts were scored again)"
    else:
        assert claim.low is not None
        assert claim.high is not None
        ends = f"{number(claim.low, places)} to {number(claim.high, places)}"
        how = f"by {gain} ({percent(claim.level)} interval {ends}; {count(len(claim.pairs), 'fresh seed')} each)"
    more = [_sentence(clean(bound_text(test), 300)) for test in claim.bounds]
    more += _references(summary)
    before = sum(c.verdict == "confirmed" for c in summary.claims) - 1
    if before:
        old = f"; the baseline stood at {number(summary.baseline.mean, places)}" if summary.baseline else ""
        more.append(f"{count(before, 'confirmed claim')} led up to this one{old}.")
    if summary.unconfirmed is not None:
        best = number(summary.unconfirmed.level.mean, places)
        more.append(f"The search has since seen {metric} {best}, which no claim has confirmed.")
        more += _beyond(summary.unconfirmed)
    sentence = f"Confirmed: {metric} {number(champion.level.mean, places)}, better than {summary.beaten} {how}."
    return Headline("confirmed", sentence, (*more, *_state(summary)))


def _references(summary: Summary) -> Iterator[str]:
    """Say where the champion stands to the references under the same conditions, in at most three sentences."""
    for standing, words in (
        ("beaten", "It beats {}, under the same conditions."),
        ("reached", "It reaches {}, as published, under the same conditions; no more can be told."),
        ("not reached", "It does not reach {}, under the same conditions."),
    ):
        rows = [row.reference for row in summary.references if row.standing == standing]
        if rows:
            yield words.format(", ".join(f"{clean(r.name, 60)} ({r.value})" for r in rows))


def _undecided(summary: Summary, claim: ClaimView) -> Headline:
    places, words = summary.places, "Undecided: the best candidate may or may not be better than the baseline"
    if claim.low is not None and claim.low > claim.least:  # then it is a bounded mean that is not shown
        words = "Undecided: the best candidate is better than the baseline, but may not keep what a mean has to keep"
    if summary.objective.self_reported:
        words += f" on {clean(summary.objective.shown, 80)}"
    if claim.gain is not None and claim.low is not None and claim.high is not None:
        ends = f"{signed(claim.low, places)} to {signed(claim.high, places)}"
        gain, seeds = signed(claim.gain, places), count(len(claim.pairs), "fresh seed")
        words += f"; over {seeds} its gain was {gain} ({percent(claim.level)} interval {ends})"
    note = clean(claim.note, 300)
    more = (_sentence(note),) if note else ()
    return Headline("undecided", words + ".", more + _state(summary))


def _unconfirmed(summary: Summary, best: Standout, tested: list[ClaimView]) -> Headline:
    metric, places = clean(summary.objective.shown, 80), summary.places
    value, seeds = number(best.level.mean, places), count(best.level.n, "seed")
    basis = "" if summary.objective.exact else f" on {seeds}"
    base = f" (baseline {number(summary.baseline.mean, places)})" if summary.baseline else ""
    why = f"{count(len(tested), 'claim')} tested, none confirmed" if tested else "no claim has been decided"
    sentence = f"Best seen, unconfirmed: {metric} {value}{basis}{base}; {why}."
    return Headline("unconfirmed", sentence, (*_beyond(best), *_state(summary)))


def _beyond(best: Standout) -> list[str]:
    """Say why no claim is made of a candidate whose means are beyond a bound."""
    return [f"No claim is made of it: {clean(best.beyond, 300)}."] if best.beyond else []


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def _state(summary: Summary) -> tuple[str, ...]:
    """Say what is still open: outcomes that no decision has used, and a campaign that has not ended."""
    notes = []
    if summary.unseen:
        arrived = count(summary.unseen, "outcome")
        notes.append(f"{arrived} arrived that no decision has used yet; the figure shows them, rankings do not.")
    if summary.ended is None:
        notes.append("The campaign has not ended: it is running, or was cut off and can be resumed.")
    else:
        notes.append(f"The campaign ended: {clean(summary.ended, 200).rstrip('.')}.")
    return tuple(notes)
