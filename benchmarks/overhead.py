"""What an experiment costs beside the commands that it runs: CPU and wall milliseconds, for each sandbox.

    python benchmarks/overhead.py [--experiments 200] [--rounds 3] [--slots 2] [--markdown FILE]

An experiment is two commands that do next to nothing: one that runs the candidate, one that scores it. `bare` starts
the same two commands, one after the other, `slots` such pairs side by side. `executor` runs them as attempts: a
folder, a keeper, the sandbox, limits, the outcome judged. `campaign` is a whole one: decisions, ledger, archive and
claims besides. Blocks are interleaved, in a new order each round, each in a process of its own. CPU is of the whole
process tree, keepers and their server included; what a block costs however many experiments it has (importing,
starting, drawing the report) is taken out by running it with few and with many.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SANDBOXES = ("plain", "landlock", "bubblewrap")
KNOBS, VALUES = 4, 30
FEW = 40
GOALS = {"plain": 15.0, "landlock": 15.0, "bubblewrap": 40.0}
_PR_SET_CHILD_SUBREAPER = 36

TOML = """
[problem]
name = "nothing"
title = "Do next to nothing"

[solution]
root = "solution"
editable = ["**/*.py"]

[[stage]]
name = "solve"
command = ["python", "-I", "-S", "solution/solve.py", "{outputs}/loss", "{seed}"]
timeout = "20s"

[[stage]]
name = "score"
command = ["python", "-I", "-S", "evaluate.py", "{outputs}/loss"]
trusted = true
timeout = "20s"

[[metric]]
name = "loss"
goal = "minimize"

[resources]
memory = "512MiB"
"""
SOLVE = """
import sys
{constants}
total = {total}
open(sys.argv[1], "w").write(str(total % 1009 + hash((int(sys.argv[2]), total)) % 97 / 970))
"""
EVALUATE = """
import os, sys
loss = float(open(sys.argv[1]).read())
open(os.environ["ASTER_SCORE"], "w").write('{"loss": %r}' % loss)
"""


def write_problem(folder: Path) -> Path:
    """Write the problem, with an idea whose knobs have more values together than any run here can try."""
    names = [f"K{number}" for number in range(KNOBS)]
    constants = "\n".join(f"{name} = 0" for name in names)
    total = " + ".join(f"{name} * {37**place}" for place, name in enumerate(names))
    source = SOLVE.format(constants=constants, total=total)
    knobs = "".join(f'[[knob]]\nname = "solution/solve.py::{name}"\nvalues = {list(range(VALUES))}\n' for name in names)
    idea = f'+++\nname = "turn"\nsurface = "constants"\ntitle = "Turn the knobs"\n{knobs}+++\nOne may be better.\n'
    files = {"problem.toml": TOML, "README.md": "Nothing.", "solution/solve.py": source, "evaluate.py": EVALUATE}
    for path, text in {**files, "ideas/turn.md": idea}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def bare(folder: Path, count: int, slots: int) -> None:
    """Run the two commands `count` times, `slots` pairs at once."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    env = {"PATH": os.environ["PATH"], "ASTER_SCORE": f"/dev/fd/{write}", "PYTHONHASHSEED": "0"}
    numbers = iter(range(count))

    def drain() -> None:
        while os.read(read, 1 << 16):
            pass

    def work() -> None:
        for number in numbers:
            out = str(folder / f"loss-{number}")
            for argv in (["solution/solve.py", out, str(number)], ["evaluate.py", out]):
                command = [sys.executable, "-I", "-S", *argv]
                subprocess.run(command, cwd=folder, env=env, pass_fds=[write], stdin=subprocess.DEVNULL, check=True)

    reader = threading.Thread(target=drain)
    reader.start()
    workers = [threading.Thread(target=work) for _ in range(slots)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    os.close(write)
    reader.join()


def executor(folder: Path, sandbox: str, count: int, slots: int) -> None:
    """Run `count` attempts at the unchanged solution."""
    from aster.attempts import make_plan
    from aster.execution.local import LocalExecutor
    from aster.execution.protocol import Job
    from aster.problems.judge import make_judge
    from aster.problems.problem import load_problem
    from aster.sandbox.layers import choose_walls
    from aster.surroundings import look_around, silence

    problem = load_problem(folder)
    place = folder.with_name("campaign")
    one = LocalExecutor(
        place,
        make_plan(problem, look_around(problem, silence)),
        make_judge(problem.spec),
        slots,
        mark="overhead",
        walls=lambda nodes: choose_walls(sandbox, place, nodes),  # type: ignore[arg-type]  # one of its names
    )
    started = ended = 0
    while ended < count:
        while started < count and one.free():
            one.submit(Job(f"x-{started}.1", f"x-{started}", started, dict(problem.solution_files)))
            started += 1
        for arrival in one.poll():
            one.acknowledge(arrival.fact.outcome.attempt)  # type: ignore[union-attr]  # a lost one should stop us
            ended += 1
        time.sleep(0.002)
    one.close()


def campaign(folder: Path, sandbox: str, count: int, slots: int) -> int:
    """Run a campaign of up to `count` experiments and return how many it made: its end may not fit a whole claim."""
    import aster

    done = aster.research(
        folder,
        aster.Budget(experiments=count),
        slots=slots,
        mode="arrival",
        campaigns=folder.with_name("campaigns"),
        sandbox=sandbox,  # type: ignore[arg-type]  # one of its names
    )
    return done.board.spend.experiments


def block(kind: str, sandbox: str, count: int, slots: int) -> None:
    """Run one block in this process and print the CPU and wall seconds of all that it started."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # so that servers and keepers are counted here
    with tempfile.TemporaryDirectory() as name:
        folder = write_problem(Path(name, "problem"))
        begin = time.monotonic()
        match kind:
            case "bare":
                bare(folder, count, slots)
            case "executor":
                executor(folder, sandbox, count, slots)
            case _:
                count = campaign(folder, sandbox, count, slots)
        wall = time.monotonic() - begin
        with suppress(ChildProcessError):
            while True:
                os.wait()
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    print(json.dumps({"cpu": cpu, "wall": wall, "count": count}))


def blocks(sandboxes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what is measured."""
    yield "bare", ""
    for kind in ("executor", "campaign"):
        for sandbox in sandboxes:
            yield kind, sandbox


def measure(kind: str, sandbox: str, count: int, slots: int) -> dict[str, float]:
    """Run a block in a process of its own."""
    argv = [sys.executable, __file__, "--block", kind, sandbox, "--experiments", str(count), "--slots", str(slots)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind} {sandbox}: {done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--block", nargs=2, metavar=("KIND", "SANDBOX"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.block:
        block(*args.block, args.experiments, args.slots)
        return
    from aster.sandbox.layers import probe_machine

    probe = probe_machine()
    works = [s for s in SANDBOXES if not {"bubblewrap": probe.bubblewrap, "landlock": probe.landlock}.get(s)]
    todo = list(blocks(works))
    found: dict[tuple[str, str], list[tuple[float, float]]] = {each: [] for each in todo}
    for number in range(args.rounds):
        random.Random(number).shuffle(todo)
        for each in todo:
            few, many = (measure(*each, count, args.slots) for count in (FEW, FEW + args.experiments))
            more = many["count"] - few["count"]
            found[each].append(((many["cpu"] - few["cpu"]) / more * 1e3, (many["wall"] - few["wall"]) / more * 1e3))
            print(number, *each, [round(value, 1) for value in found[each][-1]], file=sys.stderr, flush=True)
    report(found, args, probe.groups)


def report(
    found: dict[tuple[str, str], list[tuple[float, float]]], args: argparse.Namespace, groups: dict[str, str]
) -> None:
    """Print the table; medians over the rounds, with the least and the most."""
    floor = statistics.median(cpu for cpu, _ in found["bare", ""])
    user = "root" if os.getuid() == 0 else "an ordinary user"
    lines = [
        f"{args.rounds} rounds of {args.experiments} experiments, {args.slots} side by side; {os.cpu_count()} cores, "
        f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}, as {user}, "
        f"control groups: {', '.join(sorted(groups)) or 'none'}.",
        "",
        "| what runs them | sandbox | CPU ms each | least to most | more than bare | goal | wall ms each |",
        "|---|---|---|---|---|---|---|",
    ]
    for (kind, sandbox), rows in found.items():
        cpu, wall = (statistics.median(column) for column in zip(*rows, strict=True))
        spread = f"{min(row[0] for row in rows):.1f} to {max(row[0] for row in rows):.1f}"
        goal = f"< {GOALS[sandbox]:.0f}" if sandbox else ""
        more = f"{cpu - floor:.1f}" if sandbox else ""
        lines.append(f"| {kind} | {sandbox} | {cpu:.1f} | {spread} | {more} | {goal} | {wall:.1f} |")
    text = "\n".join(lines)
    print(text)
    if args.markdown:
        args.markdown.write_text(
            f"# {(__doc__ or '').splitlines()[0]}\n\n    {' '.join(['python', *sys.argv])}\n\n{text}\n"
        )


if __name__ == "__main__":
    main()
