"""Files: written whole or not at all, and told apart by what they hold."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """Write a file that is wholly there or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
