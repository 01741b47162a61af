"""Regular expressions over files, in bounded time whatever the expression.

A match cannot be interrupted in Python, and an expression with nested repeats may take years; so all but harmless ones
are matched in a process that is killed when its time is up.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping

MOST_MATCHES = 60
"""Lines that are returned."""

MOST_COLUMN = 400
"""Characters of a line that are looked at."""

TIME_S = 2.0
"""Seconds that an expression has."""

MOST_PATTERN = 300

Matches = list[tuple[str, int, str]]
"""(path, line number from 1, line)."""

_SLOW = re.compile(r"[*+{}?].*[*+{}]|\)[*+{?]|\\[1-9]|\(\?")

_PROGRAM = """
import json, re, sys
asked = json.load(sys.stdin)
pattern = re.compile(asked["pattern"])
found = []
for path, lines in asked["files"]:
    for number, line in enumerate(lines, 1):
        if pattern.search(line):
            found.append((path, number, line))
            if len(found) > asked["most"]:
                json.dump(found, sys.stdout)
                sys.exit()
json.dump(found, sys.stdout)
"""


class TooSlow(Exception):
    """An expression did not come to an end in its time."""


def is_harmless(pattern: str) -> bool:
    """Whether matching costs little on any line: at most one repeat, of a single character or class."""
    return len(pattern) <= MOST_PATTERN and _SLOW.search(pattern) is None


def outsourced(pattern: str, files: Mapping[str, str]) -> Matches:
    """Return the matches as another process finds them.

    Raises:
        TooSlow: it took longer than TIME_S.
    """
    asked = {"pattern": pattern, "files": [(path, _lines(text)) for path, text in files.items()], "most": MOST_MATCHES}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=TIME_S,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise TooSlow from error
    return [(path, number, line) for path, number, line in json.loads(done.stdout)]


async def search(pattern: str, files: Mapping[str, str]) -> Matches:
    """Return at most MOST_MATCHES + 1 lines that match, file by file.

    Raises:
        re.error: it is no regular expression.
        TooSlow: it takes too long.
    """
    if len(pattern) > MOST_PATTERN:
        raise re.error(f"it is longer than {MOST_PATTERN} characters")
    compiled = re.compile(pattern)
    if not is_harmless(pattern):
        return await asyncio.to_thread(outsourced, pattern, files)
    found: Matches = []
    for path, text in files.items():
        for number, line in enumerate(_lines(text), 1):
            if compiled.search(line):
                found.append((path, number, line))
                if len(found) > MOST_MATCHES:
                    return found
    return found


def _lines(text: str) -> list[str]:
    return [line[:MOST_COLUMN] for line in text.split("\n")]
