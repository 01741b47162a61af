"""Scoring as many variants as the whole of ProteinGym has, with all five measures, on one core.

    python benchmarks/proteingym.py [--variants 2500000] [--proteins 190] [--loop 20000]
    python benchmarks/proteingym.py --models --data DIR [--only proteinmpnn,visible:35M] [--limit 150] [--device cpu]

Random distributions of 190 proteins of 60 to 900 residues, and random variants, a fifth of them with two changes: no
real data is needed, and the time does not depend on the values. Then the scoring step alone, on the same inputs: all
variants at once, a NumPy loop over variants, and the public way, a loop over variants with torch tensors (where torch
is there).

With --models: what each model takes for a short, a median and a long protein of DIR (see proteingym_models.py).
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import proteingym_models
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "packs" / "proteingym"))

from gym.metrics import measures
from gym.mutants import ALPHABET, Mutants, encode, parse
from gym.scores import calibrated, log_odds, sum_mutants


def made(proteins: int, variants: int) -> list[tuple[str, Any, list[str], Any]]:
    """Of each protein: its sequence, log p, names of variants, fitness."""
    rng, found = np.random.default_rng(0), []
    for _ in range(proteins):
        length = int(rng.integers(60, 900))
        wild = rng.integers(0, 20, length)
        sequence = "".join(ALPHABET[a] for a in wild)
        raw = rng.normal(size=(length, 20)) * 2.0
        logp = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
        names = []
        count = variants // proteins
        places, residues = rng.integers(0, length, (count, 2)), rng.integers(0, 20, (count, 2))
        doubles = rng.random(count) < 0.2
        for (p, q), (a, b), double in zip(places.tolist(), residues.tolist(), doubles.tolist(), strict=True):
            name = f"{sequence[p]}{p + 1}{ALPHABET[a]}"
            names.append(f"{name}:{sequence[q]}{q + 1}{ALPHABET[b]}" if double else name)
        found.append((sequence, logp, names, rng.normal(size=count)))
    return found


def numpy_loop(logp: Any, names: list[str]) -> list[float]:
    """Log-odds, a variant and a change at a time."""
    scores = []
    for name in names:
        total = 0.0
        for change in name.split(":"):
            row = logp[int(change[1:-1]) - 1]
            total += row[ALPHABET.index(change[-1])] - row[ALPHABET.index(change[0])]
        scores.append(float(total))
    return scores


def torch_loop(logp: Any, names: list[str], vocabulary: dict[str, int]) -> list[float]:
    """The same with tensors, as public scoring scripts do."""
    scores = []
    for name in names:
        total = 0.0
        for change in name.split(":"):
            wild, at, mutated = change[0], int(change[1:-1]) - 1, change[-1]
            total += (logp[at, vocabulary[mutated]] - logp[at, vocabulary[wild]]).item()
        scores.append(total)
    return scores


def best(step: Callable[[], object], count: int, repeats: int) -> float:
    """Variants a second in the fastest of some repeats: whoever else uses the core slows the others."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return count / min(times)


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, default=2_500_000)
    parser.add_argument("--proteins", type=int, default=190)
    parser.add_argument("--loop", type=int, default=20_000, help="variants for the loops")
    parser.add_argument("--models", action="store_true", help="seconds and memory of each model instead")
    parser.add_argument("--data", type=Path, help="for --models: a folder with assays, structures and alignments")
    parser.add_argument("--only", help="for --models: some of them")
    parser.add_argument("--limit", type=float, default=150.0, help="for --models: seconds for one protein")
    parser.add_argument("--device", default="cpu", help="for --models")
    options = parser.parse_args()
    if options.models:
        if options.data is None:
            parser.error("--models needs --data DIR")
        proteingym_models.table(options)
    else:
        with threadpool_limits(1):
            measure(options)


def measure(options: argparse.Namespace) -> None:
    """The whole way, then the scoring step alone."""
    data = made(options.proteins, options.variants)
    total = sum(len(names) for _, _, names, _ in data)
    print(
        f"{total:,} variants of {options.proteins} proteins, one core, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )
    print("\n| step | seconds |\n|---|---|")
    spent = dict.fromkeys(("parsing", "calibrated score", "summing", "five measures"), 0.0)
    kept: tuple[Any, Mutants, list[str]] | None = None
    for sequence, logp, names, fitness in data:
        times = [time.perf_counter()]
        mutants = parse(names)
        times.append(time.perf_counter())
        table = calibrated(logp, encode(sequence))
        times.append(time.perf_counter())
        score = sum_mutants(table, mutants)
        times.append(time.perf_counter())
        found = measures(fitness, fitness > 0.3, score)
        times.append(time.perf_counter())
        assert math.isfinite(found["Spearman"])
        for step, first, last in zip(spent, times, times[1:], strict=False):
            spent[step] += last - first
        kept = (logp, mutants, names)
    for step, seconds in spent.items():
        print(f"| {step} | {seconds:.2f} |")
    print(f"| in all | {sum(spent.values()):.2f} |")
    assert kept is not None
    loops(*kept, options.loop)


def loops(logp: Any, mutants: Mutants, names: list[str], count: int) -> None:
    """The scoring step alone: from log-probabilities to log-odds of all variants of one protein."""
    wild = np.zeros(len(logp), dtype=np.int8)
    wild[mutants.position] = mutants.wild
    some = names[:count]
    at_once = sum_mutants(log_odds(logp, wild), mutants)
    rates = {
        "all at once": best(lambda: sum_mutants(log_odds(logp, wild), mutants), len(names), 20),
        "all at once, names parsed too": best(lambda: sum_mutants(log_odds(logp, wild), parse(names)), len(names), 5),
        "NumPy loop": best(lambda: numpy_loop(logp, some), len(some), 3),
    }
    looped = numpy_loop(logp, some)
    assert np.allclose(at_once[: len(some)], looped)
    try:
        import torch
    except ImportError:
        print("\ntorch is not there: its loop is left out")
    else:
        torch.set_num_threads(1)
        tensor, vocabulary = torch.tensor(logp), {residue: at for at, residue in enumerate(ALPHABET)}
        rates["torch loop"] = best(lambda: torch_loop(tensor, some, vocabulary), len(some), 3)
        assert np.allclose(at_once[: len(some)], torch_loop(tensor, some, vocabulary))
    print("\n| scoring step | variants a second | times the slowest |\n|---|---|---|")
    for name, value in rates.items():
        print(f"| {name} | {value:,.0f} | {value / min(rates.values()):,.1f} |")


if __name__ == "__main__":
    main()
