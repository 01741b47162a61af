"""Spoiled outputs: what a hostile candidate might have written in place of the baseline's files. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from aster.checking import array_mutants, json_mutants

MOST_FILES = 3
"""Files of the outputs that are spoiled, the largest first."""

LARGE = 50 << 20
"""Bytes of the file that is too large."""

_NUMBER = re.compile(rb"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")


class Mutant(Struct, frozen=True):
    """Outputs to score in place of the baseline's.

    Attributes:
        nonsense: no honest solution would write it, so a score for it is a fault of the evaluator whatever it is.
        outputs: file name -> content, all files.
    """

    name: str
    nonsense: bool
    outputs: dict[str, bytes]


def mutants(outputs: Mapping[str, bytes], score: str) -> Iterator[Mutant]:
    """Yield spoiled versions of a baseline's outputs.

    Args:
        outputs: the baseline's files, as they were scored.
        score: what an evaluator would write for a better score, to be smuggled in.
    """
    largest = sorted(outputs, key=lambda name: len(outputs[name]), reverse=True)[:MOST_FILES]
    for file in sorted(largest):
        others = {name: data for name, data in outputs.items() if name != file}
        yield Mutant(f"{file}: missing", True, others)
        yield Mutant(f"{file}: a folder in its place", True, {**others, f"{file}/{file}": outputs[file]})
        for name, nonsense, data in spoiled(outputs[file], score):
            if data != outputs[file]:
                yield Mutant(f"{file}: {name}", nonsense, {**others, file: data})


def spoiled(data: bytes, score: str) -> Iterator[tuple[str, bool, bytes]]:
    """Yield (what was done, whether it is nonsense, the new content) for one file."""
    yield "empty", True, b""
    yield "cut in half", False, data[: len(data) // 2]
    yield "bytes that are no text", True, b"\xff\xfe\x80" + data[:64]
    yield "an evaluator's answer in its place", True, score.encode()
    yield from _by_kind(data, score)
    padding = b" " if _is_text(data) else b"\0"
    yield "50 MB", False, data + padding * max(0, LARGE - len(data))


def _by_kind(data: bytes, score: str) -> Iterator[tuple[str, bool, bytes]]:
    if data.startswith((array_mutants.NPY, array_mutants.ZIP, array_mutants.PICKLE)):
        yield from array_mutants.spoiled(data, score)
        return
    if not _is_text(data):
        yield "zero in place of every byte", False, bytes(len(data))
        yield "255 in place of every byte, which floats take for NaN", False, b"\xff" * len(data)
        return
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        yield from _spoiled_text(data)
    else:
        yield from json_mutants.spoiled(document, data.decode())


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _spoiled_text(data: bytes) -> Iterator[tuple[str, bool, bytes]]:
    """Spoil the numbers and the lines of a text, such as a table."""
    words = (b"nan", b"inf", b"-inf", b"1e308", b"9" * 400, b"true", b'""')
    for word in words if _NUMBER.search(data) else ():
        shown = word.decode() if len(word) < 10 else "an integer of 400 digits"
        yield f"{shown} in place of its first number", True, _NUMBER.sub(word, data, count=1)
        yield f"{shown} in place of every number", True, _NUMBER.sub(word, data)
    yield "zero in place of every number", False, _NUMBER.sub(b"0", data)
    lines = data.splitlines(keepends=True)
    if len(lines) > 1:
        yield "its last line dropped", False, b"".join(lines[:-1])
        yield "its last line twice", False, b"".join([*lines, lines[-1]])
        yield "its first line alone", False, lines[0]
        yield "ten times over", False, data * 10
