"""Ids are hashes and random numbers come from seeds, so that a decision can be made again exactly."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from aster.domain.records import Candidate, Change, Knob

ID_CHARS = 12
"""Hex characters of an id: 48 bits, a one-in-a-million chance of a clash at 24,000 records of one kind."""


KEY_MASK = (1 << 64) - 1


def digest(*parts: object) -> str:
    """Return the SHA-256 of `parts`, as 64 hex characters.

    Parts are encoded as one JSON list with sorted keys, so ("ab", "c") and ("a", "bc") differ.
    """
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def short_id(prefix: str, *parts: object) -> str:
    """Return an id such as "x-0f3a9c...": `prefix`, a dash and the first characters of the digest of `parts`."""
    return f"{prefix}-{digest(prefix, *parts)[:ID_CHARS]}"


def blob_id(data: bytes) -> str:
    """Return the content address of `data`: its SHA-256, 64 hex characters."""
    return hashlib.sha256(data).hexdigest()


def tree_id(files: Mapping[str, bytes]) -> str:
    """Return the id of a candidate: the hash of its editable files' paths and contents."""
    return short_id("c", {path: blob_id(data) for path, data in files.items()})


def recipe_key(recipe: Iterable[Change]) -> int:
    """Return a key that is equal for equal recipes, whatever their order: the sum of its changes' keys, 64 bits.

    A sum, so that the key of a recipe with one change more or less is known without looking at the others.
    """
    return sum(map(change_key, recipe)) & KEY_MASK


def made_key(candidate: Candidate) -> int:
    """Return the key of a candidate made from ideas: its recipe's, moved by the key of the settings in it."""
    return (recipe_key(candidate.recipe) + settings_key(candidate.settings)) & KEY_MASK


def settings_key(settings: Mapping[str, Knob]) -> int:
    """Return a 64-bit key of settings, whatever their order; 0 for none."""
    return int(digest("settings", settings)[:16], 16) if settings else 0


def change_key(change: Change) -> int:
    """Return the 64-bit key of one change."""
    return _change_key(change.idea, msgspec.json.encode(change.knobs, order="deterministic"))


@lru_cache(maxsize=1 << 14)
def _change_key(idea: str, knobs: bytes) -> int:
    return int(digest(idea, knobs.decode())[:16], 16)


def seeded(*parts: object) -> random.Random:
    """Return a generator whose seed is H(parts): the only source of randomness in decisions."""
    return random.Random(int(digest(*parts)[:16], 16))


def search_seed(campaign_seed: int, index: int) -> int:
    """Return search seed number `index` of a campaign: every candidate is searched on the same ones."""
    return seed_number(campaign_seed, "search", index)


def seed_number(*parts: object) -> int:
    """Return a 31-bit seed for an experiment, derived from `parts`."""
    return int(digest("seed", *parts)[:8], 16) & 0x7FFFFFFF
