"""Documents of a file: parquet with a column `text`, or plain text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".parquet", ".txt", ".md")
_BREAK = "<|endoftext|>"
_PIECE = 6000
"""Characters after which the next paragraph of a plain text begins a document, as rows hold little more."""


class Trouble(Exception):
    """Something that the user can mend; the message says how."""


class Found(NamedTuple):
    """The files to learn from, and the one to validate on."""

    train: list[Path]
    val: Path


def find(folder: Path, val: Path | None) -> Found:
    """Choose among the files of a folder.

    Validation is `val`, or the file called val.*, or the last one. Training is all files called shard_*, or where there
    are none all others, but for those with "sample" in their names, which tend to repeat what is in the others.

    Raises:
        Trouble: there are not two files that can be read.
    """
    if not folder.is_dir():
        raise Trouble(f"{folder} is no folder. Give --data a folder of parquet files (column `text`) or text files.")
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if val is None:
        named = [path for path in files if path.stem == "val"]
        val = (named or files or [None])[-1]
    if val is None or not val.is_file():
        raise Trouble(f"{val or folder} holds no text. Files end in {', '.join(SUFFIXES)}.")
    others = [path for path in files if path.resolve() != val.resolve()]
    shards = [path for path in others if path.name.startswith("shard_")]
    plain = [path for path in others if "sample" not in path.stem]
    train = shards or plain or others
    if not train:
        raise Trouble(f"{folder} holds {val.name} alone: one file is for validation, and at least one to learn from.")
    return Found(train, val)


def groups(path: Path) -> Iterator[list[str]]:
    """Yield the documents of a file, in the groups in which it holds them.

    Raises:
        Trouble: it cannot be read.
    """
    if path.suffix == ".parquet":
        yield from _parquet(path)
    else:
        yield list(_plain(path))


def _parquet(path: Path) -> Iterator[list[str]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        for index in range(file.num_row_groups):
            texts = file.read_row_group(index, columns=["text"]).column("text").to_pylist()
            yield [text for text in texts if text]
    except (OSError, KeyError, pyarrow.ArrowException) as error:
        raise Trouble(f"{path} cannot be read as parquet with a column `text`: {error}. Mend it or move it.") from error


def _plain(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"{path} cannot be read as UTF-8 text: {error}. Mend it or move it.") from error
    for whole in text.split(_BREAK):
        held: list[str] = []
        size = 0
        for paragraph in whole.split("\n\n"):
            held.append(paragraph)
            size += len(paragraph)
            if size >= _PIECE:
                yield "\n\n".join(held)
                held, size = [], 0
        if any(part.strip() for part in held):
            yield "\n\n".join(held)
