"""A ceiling in dollars, with hundreds of subagents' calls in flight at providers that do everything wrong.

    python benchmarks/ceiling.py [--agents 500] [--usd 1.00]

A whole campaign by the parts that real ones have (agents, client, gate, crew, loop, ledger), against two servers on
this machine. One answers a third of the calls with 429s, 5xx, timeouts, cut or truncated bodies, or counts of tokens
that cannot be; the other reports a million times what a call can use. Both call tools as they must not now and then.
Experiments are a fake's. Run once to its end, and once killed (SIGKILL) in the middle and resumed. What is reserved and
settled together is looked at after every entry of the ledger. Writes benchmarks/results/ceiling.md.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from msgspec import Struct

from aster.domain.research import Price
from aster.testing.model_server import serving
from aster.testing.trouble import Books, Faults, Lies, Script, audit, begin, run_term

try:
    from benchmarks.machine import RESULTS, provenance
except ModuleNotFoundError:  # run as a script
    from machine import RESULTS, provenance  # type: ignore[import-not-found,no-redef]

DELAY_S, TIMEOUT_S = 1.0, 10.0
ROOM = 0.8
"""Of the ceiling: what the first calls of all agents reserve together."""
WORST = (10_000, 16_384)
"""About the most tokens of an agent's first call, in and out."""


class Run(Struct):
    """One campaign. `faults`: what its servers did; `seconds`: how long it took; `killed`: the books at the kill."""

    books: Books
    faults: Counter[str]
    malformed: int
    seconds: float
    killed: Books | None = None


def campaign(agents: int, usd: float, kill: bool) -> Run:
    """Run a campaign to its end, killed in the middle once if it is to be."""
    out = ROOM * usd / agents / (WORST[0] * 0.5 + WORST[1]) * 1e6
    faults, script, began, killed = Faults(timeout_s=TIMEOUT_S), Script(), time.monotonic(), None
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(script, fault=faults, delay_s=DELAY_S, keep=False) as steady,
        serving(Script(1), fault=Lies(), delay_s=DELAY_S, keep=False) as liar,
    ):
        place = Path(folder)
        begin(place, agents, usd, Price(0.5 * out, out), steady.base_url, liar.base_url)
        if kill:
            term = subprocess.Popen([sys.executable, "-m", "aster.testing.trouble", folder, str(TIMEOUT_S)])
            while (steady.answered < agents // 2 or steady.in_flight < agents // 4) and term.poll() is None:
                time.sleep(0.02)
            term.kill()
            term.wait()
            killed = audit(place)
        asyncio.run(run_term(place, TIMEOUT_S))
        return Run(audit(place), faults.made, script.malformed, time.monotonic() - began, killed)


def table(runs: dict[str, Run], usd: float) -> str:
    """Return the runs as a table, a row each thing."""
    rows: dict[str, list[str]] = {}

    def row(name: str, *values: object) -> None:
        rows[name] = [str(value) for value in values]

    every = list(runs.values())
    books = [run.books for run in every]
    row("most reserved and settled together, at any entry", *(f"${each.most:.6f} of ${usd:.2f}" for each in books))
    row("settled in the end", *(f"${each.settled:.4f}" for each in books))
    row("most calls in flight", *(each.in_flight for each in books))
    for status in ("answered", "refused", "unknown"):
        row(f"calls {status}", *(each.statuses[status] for each in books))
    row("of these left open by the kill, charged in full", *(each.written_off for each in books))
    row("charges that are not what the call's end calls for", *(len(each.unpaid) for each in books))
    row("paid answers that cannot be read", *(len(each.lost) for each in books))
    row("reported beyond what was reserved", *(f"${each.over_usd:,.0f}" for each in books))
    row("models cut off for it", *(", ".join(each.cut_off) or "none" for each in books))
    row("subagents' findings kept", *(each.notes for each in books))
    row("agents that ended", *(", ".join(f"{n} {how}" for how, n in each.endings.items()) for each in books))
    row("errors of Aster's own code", *(len(each.faults) for each in books))
    row("calls left open at the end", *(each.open for each in books))
    for kind in sorted({kind for run in every for kind in run.faults}):
        row(f"server: {kind}", *(run.faults[kind] for run in every))
    row("model: malformed tool calls", *(run.malformed for run in every))
    row("seconds", *(f"{run.seconds:.0f}" for run in every))
    head = ["| | " + " | ".join(runs) + " |", "|---" * (len(runs) + 1) + "|"]
    return "\n".join([*head, *(f"| {name} | {' | '.join(values)} |" for name, values in rows.items())])


def page(runs: dict[str, Run], agents: int, usd: float) -> str:
    """Return the page of results."""
    ends = "\n".join(f"- {name}: `{run.books.ended}`" for name, run in runs.items())
    return (
        f"# A ceiling of ${usd:.2f} with {agents} subagents in flight\n\n{provenance()}\n\n"
        "What it does is said at the head of the script. Prices are such that the first calls of all agents, at the "
        f"most that they can cost, come to {ROOM:.0%} of the ceiling.\n\n{table(runs, usd)}\n\n"
        f"How the campaigns say that they ended:\n\n{ends}\n"
    )


def main() -> None:
    """Run both campaigns, print the table and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--usd", type=float, default=1.0)
    given = parser.parse_args()
    runs = {
        "run to its end": campaign(given.agents, given.usd, kill=False),
        "killed and resumed": campaign(given.agents, given.usd, kill=True),
    }
    print(table(runs, given.usd))
    (RESULTS / "ceiling.md").write_text(page(runs, given.agents, given.usd))


if __name__ == "__main__":
    main()
