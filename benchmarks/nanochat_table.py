"""What the rows of benchmarks/nanochat.py say: names, gains over the baseline, what can be told from chance."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Names = Mapping[str, str]
"""Letters, and the variants that they stand for."""
NOISE = 0.00085
"""Standard deviation of the bits per byte between seeds at 60 s, where rows have no two seeds of a variant."""


# --- rows ---


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; none where there is no file.

    Raises:
        ValueError: it is no file of rows.
    """
    try:
        rows = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    except (OSError, ValueError) as error:
        raise ValueError(f"--out {path} is no file of rows, one JSON object a line: {error}") from None
    if not all(isinstance(row, dict) and "variant" in row and ("bpb" in row or "error" in row) for row in rows):
        raise ValueError(f"--out {path} is no file of rows: each has a variant, and a bpb or an error")
    return rows


def tell(path: Path, names: Names, charts: Path | None) -> None:
    """Print the tables of a file of rows, and draw it into the folder `charts`.

    Raises:
        ValueError: there is nothing to tell.
    """
    rows = read_rows(path)
    tables = table(rows, names), detectable(rows), by_seed(rows, names), changes(rows, names)
    print("\n\n".join(said for said in tables if said))
    if charts:
        from nanochat_charts import draw  # type: ignore[import-not-found]

        try:
            drawn = draw(rows, charts, names)
        except ValueError as error:
            raise ValueError(f"--out {path}: {error}") from None
        except OSError as error:
            raise ValueError(f"--charts {charts} cannot be written: {error}") from None
        print("\n".join(map(str, drawn)))


# --- names ---


def parts(variant: str) -> list[str]:
    """Return a variant's ideas and settings, in one order however it was written; none for the baseline."""
    ideas, *settings = variant.split("@")
    return [*sorted(idea for idea in ideas.split("+") if idea != "none"), *sorted(settings)]


def read_names(path: Path | None) -> Names:
    """Return what a file says that letters stand for; nothing without a file.

    Raises:
        ValueError: it is not there, or no JSON object of letters and variants.
    """
    if path is None:
        return {}
    try:
        names = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"--names {path} cannot be read as JSON: {error}") from None
    if not isinstance(names, dict) or not all(isinstance(meant, str) for meant in names.values()):
        raise ValueError(f'--names {path} must say what letters stand for, as {{"A": "smear+head-gates@DEPTH=6"}}')
    return names


def legend(names: Names) -> str:
    """Return what the letters stand for, as a line, each by those before."""
    return " ".join(
        f"{letter} = {label(variant, dict(list(names.items())[:at]))}."
        for at, (letter, variant) in enumerate(names.items())
    )


def label(variant: str, names: Names) -> str:
    """Return a short name: the parts, or that letter's which leaves least to say, and what is different from it.

    Of several that leave as little, the last. What a letter has and the variant has not counts twice.
    """
    own = parts(variant)
    said, least = own, len(own)
    for letter, held in ((letter, parts(meant)) for letter, meant in names.items()):
        rest = [part for part in own if part not in held]
        replaced = {part.partition("=")[0] for part in rest if "=" in part}
        gone = [part for part in held if part not in own and part.partition("=")[0] not in replaced]
        unlike = 2 * len(gone) + len(rest)
        if unlike < len(own) and unlike <= least:
            said, least = [" without ".join([letter, *gone]), *rest], unlike
    return ", ".join(said) or "baseline"


def change(before: str, after: str) -> str:
    """Return the one idea or setting in which two variants differ, in words; empty if there are none or several."""
    old, new = set(parts(before)), set(parts(after))
    named = {part.partition("=")[0] for part in old ^ new}
    if len(named) != 1:
        return ""
    return next((f"with {part}" for part in new - old), "") or f"without {next(iter(old - new))}"


def gains(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Return by variant how far each run lies below the baseline's run with the same seed, in per cent.

    Seeds of which the baseline has no run are compared with its mean: none, where it has none at all.
    """
    base = {row["seed"]: row["bpb"] for row in rows if not parts(row["variant"])}
    found: dict[str, list[float]] = {}
    for row in rows if base else ():
        against = base.get(row["seed"], statistics.fmean(base.values()))
        found.setdefault(row["variant"], []).append(100 * (1 - row["bpb"] / against))
    return found


def interval(values: Sequence[float]) -> float:
    """Return half the width of the 95% interval of the mean; 0 for one value."""
    if len(values) < 2:
        return 0.0
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))


# --- tables ---


def table(rows: Sequence[Row], names: Names) -> str:
    """Return the means by variant as Markdown, best first; gains are over the baseline with the same seeds."""
    scored = [row for row in rows if "bpb" in row]
    by_variant: dict[str, list[Row]] = {}
    for row in scored:
        by_variant.setdefault(str(row["variant"]), []).append(row)
    means = {variant: statistics.fmean(row["bpb"] for row in of) for variant, of in by_variant.items()}
    below = gains(scored)
    lines = [legend(names) + "\n"] if names else []
    lines += ["| variant | seeds | bits per byte | spread | below the baseline | tokens | tokens/s | peak memory |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for variant, mean in sorted(means.items(), key=lambda item: item[1]):
        of, gain = by_variant[variant], below.get(variant, [])
        spread = f"{statistics.stdev(row['bpb'] for row in of):.4f}" if len(of) > 1 else ""
        reach = f" ± {interval(gain):.2f}" if len(gain) > 1 and variant != "none" else ""
        change = f"{statistics.fmean(gain):.2f}%{reach}" if gain else ""
        tokens, rate = (statistics.fmean(row[name] for row in of) for name in ("tokens", "tokens_per_second"))
        memory = f"{max(row['peak_gib'] for row in of)} GiB" if all("peak_gib" in row for row in of) else ""
        lines.append(
            f"| {label(variant, names)} | {len(of)} | {mean:.4f} | {spread} | {change} | {tokens / 1e6:.1f} M "
            f"| {rate / 1e6:.3f} M | {memory} |"
        )
    failed = [f"| {label(row['variant'], names)} | | {row['error']} | | | | | |" for row in rows if "error" in row]
    return "\n".join([*lines, *failed])


def by_seed(rows: Sequence[Row], names: Names) -> str:
    """Return, as Markdown, a line for each seed of the variants that ran with several, which have a column each.

    The text is empty where no variant ran with several.
    """
    scored = [row for row in rows if "bpb" in row]
    seeds: dict[str, dict[int, float]] = {}
    for row in scored:
        seeds.setdefault(str(row["variant"]), {})[row["seed"]] = row["bpb"]
    several = sorted(
        (name for name in seeds if len(seeds[name]) > 1), key=lambda name: statistics.fmean(seeds[name].values())
    )
    if not several:
        return ""
    lines = [
        "| seed | " + " | ".join(label(name, names) for name in several) + " |",
        "|---" * (1 + len(several)) + "|",
    ]
    for seed in sorted({seed for name in several for seed in seeds[name]}):
        said = [f"{seeds[name][seed]:.4f}" if seed in seeds[name] else "" for name in several]
        lines.append(f"| {seed} | " + " | ".join(said) + " |")
    return "\n".join(lines)


def changes(rows: Sequence[Row], names: Names) -> str:
    """Return, as Markdown, what one idea or setting more or less does to the variants that letters stand for.

    A run is compared with the run of the variant that had the same seed. Variants with fewer than three such
    neighbours have no table.
    """
    scored = [row for row in rows if "bpb" in row]
    by_variant: dict[str, dict[int, float]] = {}
    for row in scored:
        by_variant.setdefault(str(row["variant"]), {})[row["seed"]] = row["bpb"]
    said = []
    for letter, meant in names.items():
        base = next((name for name in by_variant if parts(name) == parts(meant)), "")
        found = []
        for name, scores in by_variant.items() if base else ():
            both = [scores[seed] - by_variant[base][seed] for seed in scores if seed in by_variant[base]]
            if both and change(base, name):
                found.append((statistics.fmean(both), interval(both), len(both), change(base, name)))
        if len(found) < 3:
            continue
        lines = [f"| {letter} | seeds | bits per byte than {letter} |", "|---|---|---|"]
        for mean, reach, count, what in sorted(found):
            lines.append(f"| {what} | {count} | {mean:+.4f}{f' ± {reach:.4f}' if reach else ''} |")
        said.append("\n".join(lines))
    return "\n\n".join(said)


def detectable(rows: Sequence[Row], counts: Sequence[int] = (1, 2, 3, 5, 10)) -> str:
    """Return which difference between two variants n seeds of each tell from chance: 4 times in 5, at 5%, two-sided.

    The noise is that between seeds of one variant, of those that are not the baseline where these have some: what is
    seen beside the baseline has an interval of its own. Where no variant has several seeds, it is NOISE.
    """
    seen: dict[str, list[float]] = {}
    for row in rows:
        if "bpb" in row:
            seen.setdefault(str(row["variant"]), []).append(row["bpb"])
    several = {name: scores for name, scores in seen.items() if len(scores) > 1}
    varied = [scores for name, scores in several.items() if parts(name)] or list(several.values())
    degrees = sum(len(scores) - 1 for scores in varied)
    pooled = math.sqrt(sum(statistics.variance(s) * (len(s) - 1) for s in varied) / degrees) if degrees else NOISE
    normal = statistics.NormalDist()
    factor = normal.inv_cdf(0.975) + normal.inv_cdf(0.8)
    effects = ", ".join(f"{factor * pooled * math.sqrt(2 / n):.4f} ({n})" for n in counts)
    origin = f"from {degrees} degrees of freedom" if degrees else "taken from an earlier measurement of two seeds"
    whose = " of variants other than the baseline" if degrees and len(varied) < len(several) else ""
    return f"Detectable differences in bits per byte (seeds of each): {effects}; noise{whose} {pooled:.5f}, {origin}."
