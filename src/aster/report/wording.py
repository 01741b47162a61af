"""Numbers, durations and foreign text, as the report prints them."""

from __future__ import annotations

import math
import unicodedata

from aster.domain.records import Limits

MINUS = "\N{MINUS SIGN}"


def places_for(size: float, noise: float | None, resolution: float = 0.0) -> int:
    """Return how many decimals are worth printing.

    Args:
        size: the magnitude of the values, in the metric's units.
        noise: the sd of one measurement; None or 0 where the metric is exact or the noise is unknown.
        resolution: differences up to it are ties; 0 where none is said.

    With noise: two digits of it, and of values that are smaller than it (noise shrinks with a loss), to 6 decimals.
    Without: seven significant digits; where the noise was measured as 0, no finer than two digits of the resolution.
    Never more than 12, never less than 0.
    """
    known = math.isfinite(size) and size != 0
    if noise is not None and math.isfinite(noise) and noise > 0:
        digits = 1 - math.floor(math.log10(noise))
        smaller = min(6, 1 - math.floor(math.log10(abs(size)))) if known else digits
        return _bounded(max(digits, smaller))
    digits = 6 - math.floor(math.log10(abs(size))) if known else 6
    if noise == 0 and math.isfinite(resolution) and resolution > 0:
        digits = min(digits, 1 - math.floor(math.log10(resolution)))
    return _bounded(digits)


def _bounded(places: int) -> int:
    return min(12, max(0, places))


def number(value: float, places: int) -> str:
    """Return `value` with `places` decimals; far from 1, with five significant digits."""
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.5g}".replace("-", MINUS)
    return f"{value:.{places}f}".replace("-", MINUS)


def signed(value: float, places: int) -> str:
    """Return `value` with its sign always shown."""
    return number(value, places) if value < 0 else "+" + number(value, places)


def percent(share: float) -> str:
    """Return a share of 1 as a percentage with at most one decimal."""
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits, such as "45 s", "12.5 min", "3.2 h" or "4.0 days"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.1f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def count(n: int, noun: str) -> str:
    """Return "1 seed", "2 seeds", "1,200 seeds"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def dollars(usd: float) -> str:
    """Return an amount of money, with two digits of what is less than a cent."""
    if 0 < abs(usd) < 0.01:
        return f"${usd:.2g}"
    return f"${usd:,.2f}"


def amount(n: float) -> str:
    """Return a large number in three digits or fewer: "950", "12.3k", "4.56M"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= 0.9995 * size:
            return f"{n / size:.3g}{unit}"
    return f"{n:.0f}"


def ceiling_texts(limits: Limits) -> list[str]:
    """Return a campaign's ceilings in words, each by itself."""
    texts = [f"{limits.experiments} experiments"] if limits.experiments is not None else []
    texts += [f"{duration(limits.wall_s)} of wall time"] if limits.wall_s is not None else []
    texts += [f"{limits.gpu_s / 3600:.3g} GPU hours"] if limits.gpu_s is not None else []
    texts += [f"{dollars(limits.usd)} for models"] if limits.usd is not None else []
    texts += [f"{amount(limits.tokens)} tokens"] if limits.tokens is not None else []
    return texts


def clean(text: str, limit: int) -> str:
    """Return foreign text as one line of at most `limit` characters.

    Control characters, direction overrides and lone surrogates are dropped, so that text from a candidate can
    neither hide nor reorder what stands around it.
    """
    line = " ".join("".join(c for c in text[: 8 * limit] if c.isspace() or _plain(c)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def clean_block(text: str, lines: int, width: int = 400) -> str:
    """Return the last `lines` lines of foreign text, each cleaned like `clean` but with its indentation."""
    kept = text.rsplit("\n", lines)[-lines:]
    return "\n".join(clean_line(line, width) for line in kept)


def clean_line(line: str, width: int = 400) -> str:
    """Return one line of foreign text with its indentation, without control characters, cut at `width`."""
    plain = "".join(c for c in line[: 4 * width].expandtabs(4) if _plain(c)).rstrip()
    return plain if len(plain) <= width else plain[: width - 1] + "…"


def _plain(char: str) -> bool:
    return unicodedata.category(char)[0] != "C"
