"""`aster check`: what a problem's noise, cost and evaluator are like, before a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.options import JsonOption, ProblemArgument, RequireSandboxOption, SandboxName, SandboxOption

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from aster.checking.report import Check, Trial

LEFT = 130
ACCEPTED = 1
"""Exit code of --strict where a cheat is accepted."""

NAME_WIDTH, SAID_WIDTH = 72, 160


def check(
    problem: ProblemArgument,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seeds to run the baseline on: 5, or 1 for an exact metric, if not given."),
    ] = None,
    experiments: Annotated[
        int | None, typer.Option(metavar="N", help="Tell the cost of a campaign of so many (100 if not given).")
    ] = None,
    wall: Annotated[str | None, typer.Option(metavar="TIME", help='Or of one of so long, such as "2h".')] = None,
    device_price: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="What an hour of one GPU (or core) costs.")
    ] = None,
    slots: Annotated[
        int | None, typer.Option(metavar="N", help="Attempts side by side; by default as many as fit this machine.")
    ] = None,
    cheats: Annotated[bool, typer.Option("--cheats/--no-cheats", help="Try cheats on the evaluator.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a cheat is accepted.")] = False,
    sandbox: SandboxOption = SandboxName.auto,
    require_sandbox: RequireSandboxOption = False,
    as_json: JsonOption = False,
) -> None:
    """Try a problem's noise, cost and evaluator.

    Says, before a campaign, what it can tell, what it will take and which cheats are accepted. The unchanged solution
    runs on a few seeds, in the sandbox. Nothing is kept. Exits with 2 if the problem is broken or its baseline does
    not measure.
    """
    from aster.campaign.budget import Budget
    from aster.checkup import check as carry_out

    budget = None if experiments is None and wall is None else Budget(wall=wall, experiments=experiments)
    with _Progress() as progress:
        try:
            found = carry_out(
                problem,
                seeds=seeds,
                budget=budget,
                device_price=device_price,
                cheats=cheats,
                slots=slots,
                sandbox=sandbox.value,
                require_sandbox=require_sandbox,
                told=progress.tell,
            )
        except KeyboardInterrupt:
            typer.echo("Left; nothing of the check is kept.", err=True)
            raise typer.Exit(LEFT) from None
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(found).decode())
    else:
        _show(found)
    if strict and found.accepted:
        raise typer.Exit(ACCEPTED)


class _Progress:
    """One line on a terminal's stderr that says what is being done; nothing elsewhere."""

    def __init__(self) -> None:
        from aster.cli.words import console

        self._console = console(stderr=True)
        self._status = self._console.status("reading the problem") if self._console.is_terminal else None

    def tell(self, text: str) -> None:
        """Show what is being done now."""
        if self._status is not None:
            self._status.update(text)

    def __enter__(self) -> _Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()


def _show(found: Check) -> None:
    from aster.cli.words import clean, console

    out = console()
    out.print(clean(found.title))
    out.print(f"{found.sandbox} sandbox, {found.hardware}, {found.slots} slots; checked in {show_time(found.took_s)}\n")
    _show_score(out, found)
    _show_cost(out, found)
    _show_trials(out, found)
    for note in found.notes:
        out.print(f"\nNote: {note}")


def _show_score(out: Console, found: Check) -> None:
    from aster.cli.words import number
    from aster.evidence.noise import LEVEL
    from aster.report.wording import percent, places_for

    noise = found.noise
    decimals = places_for(noise.mean, None if found.exact else noise.sd, found.resolution)
    runs = f"{noise.n} seed{'s' * (noise.n != 1)}" if found.takes_seed else f"{noise.n} run{'s' * (noise.n != 1)}"
    marks = " (self-reported)" if found.self_reported else ""
    out.print(f"{found.metric}{marks}, {found.goal}: {number(noise.mean, decimals)} over {runs} of the baseline")
    if found.exact:
        if found.rescored:
            out.print("exact: its outputs scored again gave the same; a claim re-scores and needs no more seeds")
        if noise.sd is not None:
            out.print(f"luck of the search: sd {noise.sd:.3g} over seeds")
    elif noise.sd is not None and noise.low is not None and noise.high is not None:
        out.print(f"noise: sd {noise.sd:.3g}, {percent(LEVEL)} interval {noise.low:.3g} to {noise.high:.3g}")
    if found.again is not None:
        out.print(_pairing(found, decimals))
    for each in found.reach:
        kind = "pairs of seeds" if found.takes_seed else "runs a side, unpaired,"
        out.print(f"  {each.pairs:>3} {kind} tell a true gain of {each.gain:.3g} (80% power)")


def _pairing(found: Check, decimals: int) -> str:
    """Say whether the same seed repeats, which is what pairs live by."""
    from aster.cli.words import number

    first, again = found.values[0], found.again
    assert again is not None
    both = f"{number(first, decimals)} and {number(again, decimals)}"
    if not found.takes_seed:
        return "unpaired: no seed reaches the solution" + (
            f"; run twice it gave {both}" if first != again else "; run twice it gave the same"
        )
    if first == again:
        return "paired: the same seed gave the same score again, so two candidates on it share their luck"
    sd = found.noise.sd or 0.0
    share = "hardly helps: as far apart as different seeds" if abs(first - again) > sd else "helps in part"
    return f"paired, but one seed run twice gave {both}: pairing {share}"


def _show_cost(out: Console, found: Check) -> None:
    cost, pace = found.cost, found.pace
    out.print(
        f"\none experiment: {show_time(pace.wall_s)} of wall time ({show_time(pace.turn_s)} with what Aster adds), "
        f"{show_time(pace.cpu_s)} of CPU, {pace.memory_mb:.0f} MiB"
    )
    dollars = "no price given (--device-price)" if cost.device_dollars is None else f"${cost.device_dollars:,.2f}"
    out.print(
        f"a campaign of {cost.experiments} experiments: about {show_time(cost.wall_s)} on {found.slots} slots, "
        f"{show_hours(cost.device_hours, cost.device)}, {show_hours(cost.core_hours, 'core')} of CPU time used"
    )
    out.print(f"  models: ${cost.model_dollars:.2f} (ideas and the tuner call none); devices: {dollars}")


def _show_trials(out: Console, found: Check) -> None:
    from rich.table import Table

    if not found.trials:
        out.print("\ncheats: not tried")
        return
    counts = ", ".join(f"{count} {name}" for name, count in _counts(found.trials).items())
    out.print(f"\n{len(found.trials)} cheats: {counts}")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(max_width=NAME_WIDTH)
    table.add_column(no_wrap=True)
    table.add_column()
    for trial in _worth_showing(found.trials):
        table.add_row(*_row(trial))
    out.print(table)
    if found.accepted and not found.self_reported:
        out.print("Mend the evaluator: what it accepts, a search will find.", style="red")


def _row(trial: Trial) -> list[str | Text]:
    from rich.text import Text

    from aster.cli.words import clean

    colour = {"accepted": "bold red", "doubtful": "yellow", "hung": "yellow"}.get(trial.verdict, "")
    value = "" if trial.value is None else f" ({trial.value:.6g})"
    shown = "ACCEPTED" if trial.verdict == "accepted" else trial.verdict
    return [clean(trial.name, NAME_WIDTH), Text(shown, style=colour), clean(trial.said, SAID_WIDTH) + value]


def _worth_showing(trials: tuple[Trial, ...]) -> list[Trial]:
    """Return all whole candidates, and of the spoiled outputs what was not simply refused; the worst first."""
    order = ("accepted", "doubtful", "hung", "skipped")
    bad = sorted((each for each in trials if each.verdict in order), key=lambda each: order.index(each.verdict))
    return bad + [each for each in trials if each.verdict not in order and each.target == "candidate"]


def _counts(trials: tuple[Trial, ...]) -> dict[str, int]:
    from typing import get_args

    from aster.checking.report import Verdict

    found = {name: sum(each.verdict == name for each in trials) for name in get_args(Verdict)}
    shown = {"refused": "refused by a rule", "crashed": "refused by a crash"}
    return {shown.get(name, name): count for name, count in found.items() if count}


def show_time(seconds: float) -> str:
    """Return a duration in the unit that fits, down to milliseconds."""
    from aster.report.wording import duration

    return f"{1000 * seconds:.0f} ms" if seconds < 1 else duration(seconds)


def show_hours(hours: float, what: str) -> str:
    """Return hours of a device, such as "0.12 GPU hours"."""
    return f"{hours:.2g} {what} hours" if hours < 10 else f"{hours:,.0f} {what} hours"
