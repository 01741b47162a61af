"""An audit with all that its text, figures and page say of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import PurePath

from msgspec import Struct

from aster.audit.noise import MARKED
from aster.audit.runs import Run
from aster.evidence.audit import Audit, Estimate, Noise, Reruns, Step, Tried, audit, settles
from aster.evidence.design import ALPHA, POWER
from aster.report.wording import MINUS, clean, count, number, percent, places_for


class Summary(Struct, frozen=True):
    """What is shown.

    Args:
        title: the file's name.
        metric: what was measured.
        audit: the verdict.
        points: (number, value) of all measured experiments, numbered from 1 in the file's order.
        crashes: the numbers of those without a value.
        places: the numbers of the versions, the baseline first.
        rule: what was taken as kept.
        notes: what was odd in the file.
    """

    title: str
    metric: str
    audit: Audit
    points: tuple[tuple[int, float], ...]
    crashes: tuple[int, ...]
    places: tuple[int, ...]
    rule: str
    notes: tuple[str, ...]

    @property
    def best(self) -> Step | None:
        """The step that measured best."""
        return None if self.audit.best is None else self.audit.steps[self.audit.best]

    @property
    def places_of_values(self) -> int:
        """Decimals worth printing: two digits of the noise."""
        return places_for(abs(self.audit.baseline), self.audit.noise.sd)

    @property
    def noise_in_short(self) -> str:
        """The sd and where it is from."""
        return noise_in_short(self.audit.noise)


def summarize(file: PurePath, run: Run, tried: tuple[Tried, ...], noise: Noise) -> Summary:
    """Audit a run and return what is shown of it."""
    first = next(at for at, each in enumerate(tried) if each.value is not None)
    numbered = list(enumerate(tried, 1))
    points = tuple((at, each.value) for at, each in numbered if each.value is not None)
    crashes = tuple(at for at, each in numbered if each.value is None)
    versions = tuple(
        at for at, each in numbered if each.value is not None and (at == first + 1 or (each.kept and not each.repeat))
    )
    notes = run.notes + ((_offer(run),) if run.marked and noise.source != "marked" else ())
    return Summary(
        clean(f"{file.parent.name}/{file.name}" if file.parent.name else file.name, 100), clean(run.metric, 60),
        audit(tried, run.goal, noise), points, crashes, versions, run.rule, notes,
    )  # fmt: skip


def _offer(run: Run) -> str:
    rows = [run.tried[at] for at in run.marked]
    some = "; ".join(f"line {row.line}: {clean(row.label, 50) or 'same commit'}" for row in rows[:3])
    more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
    kept = sum(row.kept for row in rows)
    kept_note = f" {kept} of them {'was' if kept == 1 else 'were'} kept as progress." if kept else ""
    return (
        f"{count(len(rows), 'line')} may measure unchanged code again ({some}{more}).{kept_note} If so, take the noise "
        f"from there: --repeats {MARKED}. They were not used."
    )


def noise_in_short(noise: Noise) -> str:
    """Return the sd and where it is from, in a few words."""
    return f"sd {noise.sd:.3g}, {noise_source(noise)}"


def noise_source(noise: Noise) -> str:
    """Return where the noise is from."""
    match noise.source:
        case "stated":
            return "as stated"
        case "repeats":
            return f"from {(noise.degrees or 0) + 1} repeats"
        case "marked":
            return f"from rows that the file marks as repeats ({count(noise.degrees or 0, 'degree')} of freedom)"
        case "bound":
            return "NOT MEASURED: a rough upper bound from the spread of the changes"


def warning(noise: Noise) -> str:
    """Return what must be said loudly of the noise, or ""."""
    if noise.source == "bound":
        return (
            f"The noise was not measured. sd {noise.sd:.3g} is a rough upper bound from the spread of the changes "
            "themselves: the true noise may be far less, and then more of the gains are real. Run the same code five "
            "times and audit again with --repeats."
        )
    if noise.degrees is not None and noise.degrees < 4:
        low, high = sd_range(noise)
        return f"The noise is known from few repeats only: its sd may be {low:.2g} to {high:.2g} (95%)."
    return ""


def sd_range(noise: Noise) -> tuple[float, float]:
    """Return the 95% interval of an sd that was estimated."""
    from scipy.special import chdtri

    degrees = noise.degrees or 1
    low, high = (noise.sd * math.sqrt(degrees / float(chdtri(degrees, q))) for q in (0.025, 0.975))
    return low, high


def headline(view: Summary) -> str:
    """Return the verdict in one sentence."""
    found = view.audit
    if not found.gained:
        return f"Nothing was kept that measured better than what it replaced: {count(found.measured, 'experiment')}."
    share = percent(round(found.expected_false / found.gained, 2))
    return (
        f"{count(found.gained, 'kept gain')}: {found.count('likely real')} likely real, "
        f"{found.count('unclear')} unclear, {found.count('likely noise')} likely noise; "
        f"about {found.expected_false:.1f} ({share}) are expected to be no gain."
    )


def sentences(view: Summary) -> list[str]:
    """Return what an audit says beside its headline."""
    found, places = view.audit, view.places_of_values
    said = []
    if view.best is not None:
        claimed, gain = number(view.best.value, places), gain_text(found.claimed_gain, places)
        honest, honest_gain = spelled(view.best.honest, places), spelled(found.honest_gain, places, sign=True)
        said.append(
            f"Claimed best {claimed} (gain {gain}); after selection the honest estimate is {honest}, "
            f"a gain of {honest_gain} over the baseline."
        )
    said.append(
        f"If no change did anything, keeping what measures better would still keep about {found.chance_kept:.1f} of "
        f"{count(max(0, found.measured - found.repeats - 1), 'measured change')} and claim a gain of about "
        f"{number(found.chance_gain, places)}. This run kept {found.gained}."
    )
    said.append(
        f"Of all changes tried, the run suggests that {percent(round(found.better, 2))} help, "
        f"{percent(round(found.worse, 2))} hurt and {percent(round(found.nothing, 2))} do nothing."
    )
    return [*said, *_settling(view)]


def _settling(view: Summary) -> Iterator[str]:
    """Yield what would settle whether the best beats the baseline, and the last version that is likely real."""
    found = view.audit
    if found.reruns is not None:
        yield _settle(found.reruns, "the baseline", view.places_of_values)
    if found.later is not None and found.anchor is not None:
        version = f"line {found.steps[found.anchor].line}, the last step that is likely real"
        yield _settle(found.later, version, view.places_of_values)


def _settle(wanted: Reruns, against: str, places: int) -> str:
    gain = gain_text(wanted.gain, places)
    if not settles(wanted):
        return (
            f"Reruns would hardly settle whether the best beats {against}: the honest gain, {gain}, is small beside "
            f"the noise (not even {wanted.each} runs of each reach {percent(POWER)} power)."
        )
    return (
        f"To settle whether the best beats {against}: run each {wanted.each} more times on fresh seeds, in turn "
        f"({2 * wanted.each} runs). That finds a gain of {gain} with {_power(wanted.power)} power at a one-sided error "
        f"of {percent(ALPHA)}."
    )


def spelled(estimate: Estimate, places: int, sign: bool = False) -> str:
    """Return "0.9571 (95%: 0.9540 to 0.9600)"."""
    write = gain_text if sign else number
    return f"{write(estimate.mean, places)} (95%: {write(estimate.low, places)} to {write(estimate.high, places)})"


def gain_text(value: float, places: int) -> str:
    """Return a gain with its sign and so many decimals, however small it is."""
    rounded = round(value, places) + 0.0
    return f"{rounded:+.{places}f}".replace("-", MINUS)


def chance_text(chance: float) -> str:
    """Return a chance such as "3.8%", never "0%"."""
    return percent(round(chance, 3)) if chance >= 0.001 else "<0.1%"


def _power(power: float) -> str:
    return percent(round(power, 2)) if power < 0.99 else "more than 99%"
