"""A file of text to a file of rows; what was done is kept, and known again by its key."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from preparing import encoding
from preparing.files import replace, sha256_of
from preparing.packing import Row, Tokens, lay_out, pack, split
from preparing.texts import groups

_CHUNK = 256


class Job(NamedTuple):
    """One file to write: of training rows, or both of validation (`sealed` is the second)."""

    source: Path
    target: Path
    tokenizer: Path
    length: int
    threads: int
    sealed: Path | None = None
    most: int = 0


class Encoded(NamedTuple):
    """The documents of a file: all tokens, where each document begins, its length, and the sizes of groups."""

    tokens: Tokens
    starts: list[int]
    lengths: list[int]
    groups: list[int]
    bytes: int


def write(job: Job) -> dict[str, Any]:
    """Carry a job out, if its key is not that of what is there; return what there is to say about it."""
    note = job.target.with_suffix(".json")
    key = _key(job)
    targets = [job.target] + ([job.sealed] if job.sealed else [])
    kept = _kept(note, key, targets)
    if kept is not None:
        return kept
    note.unlink(missing_ok=True)
    found = encode(job)
    capacity = job.length + 1
    said: dict[str, Any] = {"key": key, "source": job.source.name, "sha256": {}, "rows": {}}
    if job.sealed is None:
        parts = [pack(found.lengths, capacity, found.groups)]
    else:
        parts = list(split(found.lengths, capacity, found.groups, job.most))
    for rows, target in zip(parts, targets, strict=True):
        said["sha256"][target.name] = _save(target, lay_out(rows, found.tokens, found.starts, capacity))
        said["rows"][target.name] = len(rows)
    said |= {"documents": len(found.lengths), "bytes": found.bytes, "tokens": len(found.tokens)}
    said |= {"cropped": _cropped(parts, found.lengths)}
    replace(note, json.dumps(said).encode())
    return {**said, "new": True}


def encode(job: Job) -> Encoded:
    """Encode a file's documents, each after the token that begins one."""
    kept = json.loads(job.tokenizer.read_text())
    coder = encoding.encoding(kept)
    begin = np.array([coder.encode_single_token(encoding.BEGIN)], dtype=np.uint16)

    def encoded(texts: Sequence[str]) -> list[Tokens]:
        made = (coder.encode_to_numpy(text, allowed_special=set(), disallowed_special=()) for text in texts)
        return [np.concatenate([begin, each.astype(np.uint16)]) for each in made]

    sizes, documents, total = [], [], 0
    with ThreadPoolExecutor(job.threads) as pool:
        for texts in groups(job.source):
            sizes.append(len(texts))
            total += sum(len(text.encode()) for text in texts)
            chunks = [texts[at : at + _CHUNK] for at in range(0, len(texts), _CHUNK)]
            documents += chain.from_iterable(pool.map(encoded, chunks))
    lengths = [len(document) for document in documents]
    tokens = np.concatenate(documents) if documents else np.empty(0, np.uint16)
    return Encoded(tokens, list(accumulate(lengths[:-1], initial=0)), lengths, sizes, total)


def _save(path: Path, rows: Tokens) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            np.save(file, rows)
        digest = sha256_of(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return digest


def _key(job: Job) -> str:
    tokenizer = encoding.digest(json.loads(job.tokenizer.read_text()))
    parts = [sha256_of(job.source), tokenizer, job.length, job.most]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _kept(note: Path, key: str, targets: Sequence[Path]) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = json.loads(note.read_text())
        same = said["key"] == key and all(sha256_of(path) == said["sha256"][path.name] for path in targets)
    except (OSError, ValueError, KeyError):
        return None
    return {**said, "new": False} if same else None


def _cropped(parts: Sequence[Sequence[Row]], lengths: Sequence[int]) -> int:
    """Tokens of documents in rows that did not fit."""
    return sum(lengths[document] - taken for rows in parts for row in rows for document, taken in row)
