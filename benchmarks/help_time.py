"""How long `aster --help` takes, from a new process to its last line.

    python benchmarks/help_time.py [--repeats 10]

Prints the median in seconds beside the floors that Python and the command line's libraries set, each measured in
turn with the others, so that a busy machine slows all of them alike. The aim is about 0.2 s for `aster --help`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": "pass",
    'python -c "import typer, rich"': "import typer, rich",
    "aster --help": "import sys; sys.argv[1:] = ['--help']; from aster.cli.main import main; main()",
}


def seconds(code: str) -> float:
    """Return the wall seconds of a new Python process that runs `code`.

    Raises:
        CalledProcessError: it failed.
    """
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="How long `aster --help` takes.")
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    for code in COMMANDS.values():
        seconds(code)  # writes the byte code, which an installed package has
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, code in COMMANDS.items():
            taken[name].append(seconds(code))
    print(f"{'command':<34} {'median s':>9} {'slowest s':>10}   ({repeats} runs)")
    for name, times in taken.items():
        print(f"{name:<34} {statistics.median(times):>9.3f} {max(times):>10.3f}")


if __name__ == "__main__":
    main()
