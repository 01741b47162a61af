"""The byte-pair encoding: learnt with rustbpe, used with tiktoken, kept as JSON.

Split pattern, special tokens and the caps on what it learns from are those of the benchmark, so that its tokens are,
on the same text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from preparing.texts import Trouble, groups

if TYPE_CHECKING:
    import tiktoken

PATTERN = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"""
)
SPECIAL = tuple(f"<|reserved_{index}|>" for index in range(4))
BEGIN = SPECIAL[0]
MOST_CHARACTERS, MOST_OF_ONE = 1_000_000_000, 10_000


def learn(files: Iterable[Path], vocab_size: int) -> dict[str, Any]:
    """Learn an encoding of `vocab_size` tokens, the special ones among them, from the files' documents."""
    import rustbpe

    learner = rustbpe.Tokenizer()
    learner.train_from_iterator(_documents(files), vocab_size - len(SPECIAL), pattern=PATTERN)
    ranks = [bytes(token) for token, _ in sorted(learner.get_mergeable_ranks(), key=lambda pair: pair[1])]
    if len(ranks) + len(SPECIAL) != vocab_size:
        raise Trouble(
            f"The text holds enough for {len(ranks) + len(SPECIAL)} tokens, not {vocab_size}: give more text, or a "
            "smaller --vocab."
        )
    return {"pattern": PATTERN, "tokens": [base64.b64encode(rank).decode() for rank in ranks], "special": list(SPECIAL)}


def _documents(files: Iterable[Path]) -> Iterator[str]:
    seen = 0
    for path in files:
        for texts in groups(path):
            for text in texts:
                yield text[:MOST_OF_ONE]
                seen += min(len(text), MOST_OF_ONE)
                if seen >= MOST_CHARACTERS:
                    return


def read(path: Path) -> dict[str, Any]:
    """Read an encoding: our JSON, or a pickled tiktoken.Encoding (*.pkl), which is the user's own to trust.

    Raises:
        Trouble: it is neither.
    """
    try:
        if path.suffix == ".pkl":
            made = pickle.loads(path.read_bytes())
            ranks = sorted(made._mergeable_ranks.items(), key=lambda pair: pair[1])
            special = [name for name, _ in sorted(made._special_tokens.items(), key=lambda pair: pair[1])]
            tokens = [base64.b64encode(token).decode() for token, _ in ranks]
            return {"pattern": made._pat_str, "tokens": tokens, "special": special}
        kept: dict[str, Any] = json.loads(path.read_text())
        encoding(kept)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        raise Trouble(
            f"{path} is no tokenizer ({type(error).__name__}: {error}). Give --tokenizer a tokenizer.json that this "
            "program wrote, or a pickled tiktoken encoding (*.pkl)."
        ) from error
    return kept


def encoding(kept: dict[str, Any]) -> tiktoken.Encoding:
    """The encoding that these texts stand for."""
    import tiktoken

    ranks = {base64.b64decode(token): index for index, token in enumerate(kept["tokens"])}
    special = {name: len(ranks) + index for index, name in enumerate(kept["special"])}
    return tiktoken.Encoding("learnt", pat_str=kept["pattern"], mergeable_ranks=ranks, special_tokens=special)


def digest(kept: dict[str, Any]) -> str:
    """What tells encodings apart."""
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def token_bytes(kept: dict[str, Any]) -> NDArray[np.int32]:
    """Bytes that each token counts for, [V]: those of its text; special tokens 0.

    As in the benchmark, a token that is no whole character counts as the replacement character that it decodes to.
    """
    tokens = [base64.b64decode(token).decode("utf-8", errors="replace") for token in kept["tokens"]]
    return np.array([len(text.encode()) for text in tokens] + [0] * len(kept["special"]), dtype=np.int32)
