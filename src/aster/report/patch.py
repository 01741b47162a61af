"""Unified diffs that `git apply` takes."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping

NO_NEWLINE = b"\\ No newline at end of file\n"


def make_patch(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> bytes:
    """Return the patch that turns the files of `old` into those of `new`; empty if they are equal.

    Paths carry the prefixes a/ and b/. Files that were added or removed are marked as such, a missing newline at
    the end of a file is kept, and bytes that are no text in any encoding travel unchanged.
    """
    changed = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    return b"".join(b"".join(_file_patch(path, old.get(path), new.get(path))) for path in changed)


def _file_patch(path: str, old: bytes | None, new: bytes | None) -> Iterator[bytes]:
    a, b = _quoted("a/" + path), _quoted("b/" + path)
    yield b"diff --git %s %s\n" % (a, b)
    if old is None:
        yield b"new file mode 100644\n"
    if new is None:
        yield b"deleted file mode 100644\n"
    mode = b" 100644" if old is not None and new is not None else b""
    yield b"index %s..%s%s\n" % (_blob_hash(old), _blob_hash(new), mode)
    before, after = _lines(old), _lines(new)
    if not before and not after:
        return  # an empty file came or went: the header says it all
    yield b"--- %s\n" % (_ended(a) if old is not None else b"/dev/null")
    yield b"+++ %s\n" % (_ended(b) if new is not None else b"/dev/null")
    yield from _hunks(before, after)


def _hunks(before: list[bytes], after: list[bytes]) -> Iterator[bytes]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for group in matcher.get_grouped_opcodes(3):
        first, last = group[0], group[-1]
        yield b"@@ -%s +%s @@\n" % (_range(first[1], last[2]), _range(first[3], last[4]))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (_line(b" ", line) for line in before[i1:i2])
            else:
                yield from (_line(b"-", line) for line in before[i1:i2])
                yield from (_line(b"+", line) for line in after[j1:j2])


def _range(start: int, stop: int) -> bytes:
    length = stop - start
    begin = start + 1 if length else start
    return b"%d" % begin if length == 1 else b"%d,%d" % (begin, length)


def _line(sign: bytes, line: bytes) -> bytes:
    return sign + line if line.endswith(b"\n") else sign + line + b"\n" + NO_NEWLINE


def _lines(data: bytes | None) -> list[bytes]:
    """Split at line feeds only; `bytes.splitlines` would also split at carriage returns, where git does not."""
    if not data:
        return []
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _blob_hash(data: bytes | None) -> bytes:
    """Return git's own name for the content, abbreviated; zeros for no file."""
    if data is None:
        return b"0000000"
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()[:7].encode()


def _ended(name: bytes) -> bytes:
    """A tab ends a name that holds a space, so that tools do not take the rest for a date."""
    return name + b"\t" if b" " in name and not name.startswith(b'"') else name


def _quoted(name: str) -> bytes:
    """Return the name as git writes it: C-quoted where it holds control, quote or non-ASCII characters."""
    raw = name.encode("utf-8", "surrogateescape")
    if all(0x20 <= byte < 0x7F and byte not in b'"\\' for byte in raw):
        return raw
    return b'"' + b"".join(_quoted_byte(byte) for byte in raw) + b'"'


def _quoted_byte(byte: int) -> bytes:
    if byte in b'"\\':
        return b"\\" + bytes([byte])
    return bytes([byte]) if 0x20 <= byte < 0x7F else b"\\%03o" % byte
