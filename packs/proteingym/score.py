"""Score the variants of your own protein, or all single changes of it.

    python -m aster.cli.pack proteingym score --model M --sequence MKV... [--assay mutants.csv]
        [--scoring calibrated] [--out scores.csv]

The sequence is capital letters, or the path of a FASTA file. With --assay, a CSV with a column `mutant` (A24C, or
A24C:D30E), its rows come back with a column of scores, and where it has a column DMS_score too the measures are
printed; without it every single change is scored. --picture writes a heat map; --write-probs keeps the distributions
for another time.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import time
from pathlib import Path

import numpy as np
from gym.data import read_assay, read_names
from gym.errors import GymError
from gym.metrics import measures
from gym.models import NAMES, Query, load
from gym.mutants import ALPHABET, check_once, check_wild_types, encode, parse, repeated
from gym.scores import SCORINGS, sum_mutants
from numpy.typing import NDArray

Array = NDArray[np.float64]


def main(arguments: list[str] | None = None) -> int:
    """Score; 2 with one paragraph on stderr if something that was given is wrong."""
    try:
        run(_parser().parse_args(arguments))
    except GymError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written to
        print(f"Error: {error.filename or 'The result'} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Read, score, write."""
    sequence = read_sequence(options.sequence)
    check_paths(options)  # before the model runs, which may take long
    names = read_variants(options.assay, sequence) if options.assay else None
    query = Query(sequence, options.structure, options.msa, options.structure_tokens)
    began = time.perf_counter()
    logp = load(options.model, options.device, options.trust_remote_code).log_probabilities([query])[0]
    seconds = time.perf_counter() - began
    table = SCORINGS[options.scoring](logp, encode(sequence))
    if names is None:
        names = [
            f"{wild}{at + 1}{residue}"
            for at, wild in enumerate(sequence)
            for residue in ALPHABET
            if wild in ALPHABET and residue != wild
        ]
    scores = sum_mutants(table, parse(names))
    write(options.out, names, scores, options.scoring)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(f"{len(names)} variants scored in {options.out}; the model took {seconds:.1f} s, peak memory {peak:.0f} MiB.")
    if unknown := int(np.isnan(scores).sum()):
        print(f"{unknown} of them have no score: the model does not cover a position that they change.")
    if options.assay:
        _compare(options.assay, sequence, scores)
    if options.write_probs:
        np.savez(options.write_probs, logp=logp.astype(np.float32), aa=np.array(ALPHABET), seq=np.array(sequence))
    if options.picture:
        from gym.pictures import heat_map

        heat_map(options.picture, table, sequence)


def read_variants(path: Path, sequence: str) -> list[str]:
    """The names of an assay's variants, all of it checked, the fitness too where there is a column of it."""
    names = read_names(path)
    if not names:
        raise GymError(f"{path} holds no variants: give at least one, below the header.")
    mutants = parse(names, path.name)
    check_wild_types(mutants, sequence, path.name)
    check_once(mutants, names, path.name)
    if (twice := repeated(names)) is not None:
        raise GymError(f"{path.name}: {names[twice[0]]} is both mutant {twice[0] + 1} and {twice[1] + 1}. Drop one.")
    if (mutants.wild == mutants.mutated).any():
        bad = int(mutants.row[mutants.wild == mutants.mutated][0])
        raise GymError(f"{path.name}: mutant {bad + 1}, {names[bad]}, holds a change that changes nothing. Drop it.")
    if _has_fitness(path):
        read_assay(path, sequence)
    return names


def check_paths(options: argparse.Namespace) -> None:
    """Raise GymError if a file could not be written, or would be written over one that is read."""
    kind, _, place = options.model.partition(":")  # FILE.npz:ARRAY, or proteinmpnn:WEIGHTS
    given = (options.sequence, kind, place, options.assay, options.structure, options.msa, options.structure_tokens)
    taken = {Path(each).resolve() for each in given if each}
    for path in (options.out, options.picture, options.write_probs):
        if path is not None and path.resolve() in taken:
            raise GymError(f"{path} is read, or written already, by this same call: give another file to write.")
        taken |= {path.resolve()} if path is not None else set()
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise GymError(f"{path} cannot be written: it has to be a file in a folder that is there.")
    if options.picture is not None and options.picture.suffix.lower() not in (".png", ".svg"):
        raise GymError(f"--picture {options.picture} has to end in .png or .svg.")


def _has_fitness(path: Path) -> bool:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return "DMS_score" in next(csv.reader(file), [])


def _compare(path: Path, sequence: str, scores: Array) -> None:
    if not _has_fitness(path):
        return
    measured, there = read_assay(path, sequence), np.isfinite(scores)
    if not there.any() or np.ptp(measured.fitness[there]) == 0:
        print("No measures: they need variants of different DMS_score.")
        return
    for name, value in measures(measured.fitness[there], measured.fit[there], scores[there]).items():
        print(f"{name}: {value:.3f}")


def read_sequence(given: str) -> str:
    """The capital letters themselves, or the one sequence of a FASTA file."""
    path = Path(given)
    if not given:
        raise GymError("The sequence is empty: give capital letters, or a FASTA file.")
    if not (given.isalpha() and given.isupper()):
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise GymError(
                f'"{given[:60]}" is no sequence of capital letters, and no FASTA file that can be read: {error}.'
            ) from error
        if text.count(">") > 1:
            raise GymError(f"{given} holds {text.count('>')} sequences; give one.")
        given = "".join(line.strip() for line in text.splitlines() if not line.startswith(">"))
    if not given:
        raise GymError(f"{path} holds no residues.")
    if not (given.isascii() and given.isalpha()):
        bad = next(at for at, letter in enumerate(given) if not (letter.isascii() and letter.isalpha()))
        raise GymError(f'Residue {bad + 1} of the sequence is "{given[bad]}", which is no letter. Mend or drop it.')
    return given.upper()


def write(path: Path, names: list[str], scores: Array, column: str) -> None:
    """Write the scores, empty where there is none."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mutant", column])
        writer.writerows(
            [name, "" if np.isnan(score) else f"{score:.6f}"] for name, score in zip(names, scores, strict=True)
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"models:\n{NAMES}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="one of those below")
    parser.add_argument("--sequence", required=True, help="capital letters, or a FASTA file")
    parser.add_argument("--assay", type=Path, help="a CSV with a column `mutant`")
    parser.add_argument("--scoring", choices=sorted(SCORINGS), default="calibrated")
    parser.add_argument("--structure", type=Path, help="a PDB file of the whole sequence")
    parser.add_argument("--msa", type=Path, help="an alignment, a2m or a3m")
    parser.add_argument("--structure-tokens", type=Path, help="one token a residue")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with a model")
    parser.add_argument("--out", type=Path, default=Path("scores.csv"))
    parser.add_argument("--picture", type=Path, help="a heat map, PNG or SVG")
    parser.add_argument("--write-probs", type=Path, help="an .npz with the distributions")
    return parser


if __name__ == "__main__":
    sys.exit(main())
