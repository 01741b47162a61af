"""A file of text to a shard; what was done is kept, and known again by its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from preparing import encoding, shards
from preparing.files import replace, sha256_of
from preparing.texts import groups

_CHUNK = 256


class Job(NamedTuple):
    """One shard to write, of one file of text."""

    source: Path
    target: Path
    tokenizer: Path
    threads: int


def make(job: Job) -> bool:
    """Carry a job out; False where what is there came of the same."""
    note = job.target.with_suffix(".json")
    tokenizer = encoding.digest(json.loads(job.tokenizer.read_text()))
    key = hashlib.sha256(f"{sha256_of(job.source)} {tokenizer}".encode()).hexdigest()
    if _is_kept(note, key, job.target):
        return False
    note.unlink(missing_ok=True)
    shards.write(job.target, encode(job))
    replace(note, json.dumps({"key": key, "sha256": sha256_of(job.target)}).encode())
    return True


def encode(job: Job) -> list[NDArray[np.uint16]]:
    """Encode a file's documents, each after the token that begins one."""
    kept = json.loads(job.tokenizer.read_text())
    coder = encoding.encoding(kept)
    begin = np.array([begins(kept)], dtype=np.uint16)

    def encoded(texts: Sequence[str]) -> NDArray[np.uint16]:
        parts = []
        for text in texts:
            made = coder.encode_to_numpy(text, allowed_special=set(), disallowed_special=())
            parts += [begin, made.astype(np.uint16)]
        return np.concatenate(parts)

    found = []
    with ThreadPoolExecutor(job.threads) as pool:
        for texts in groups(job.source):
            chunks = [texts[at : at + _CHUNK] for at in range(0, len(texts), _CHUNK)]
            found += list(pool.map(encoded, chunks))
    return found


def begins(kept: dict[str, list[str]]) -> int:
    """The token that begins a document: the first special one, as in GPT-2's encoding."""
    return len(kept["tokens"])


def _is_kept(note: Path, key: str, target: Path) -> bool:
    try:
        said = json.loads(note.read_text())
        return bool(said["key"] == key and sha256_of(target) == said["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
