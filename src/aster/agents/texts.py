"""Texts that can be found by what they say: an index that grows, and costs only what is new to it."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterable
from sys import intern

MOST_LOOKED_AT = 1_000
"""Texts with a word that are looked at, the latest: so a search costs the same however long the history."""

FEW_WORDS = 12
"""Words of a query that are followed, the rarest; what shares none of these with it is not alike."""

LEAST_COMPARED = 48
"""Texts that share most of these words, which are compared with the query as a whole."""

_WORD = re.compile(r"[A-Za-z_]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_ENDINGS = ("ations", "ation", "ingly", "ings", "ing", "ies", "ers", "ed", "er", "es", "ly", "s", "e", "y")
_COMMON = (
    " a an and are as at be been but by can do does for from had has have how if in instead into is it its may more "
    "most no not of on one only or so such than that the their then there these they this to up was what when where "
    "which while will with would try use using make should could "
)


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text that say something, without their endings.

    Names are taken apart: "coarse_to_fine" and "coarseToFine" are three words. Numbers are kept as they are.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")
    found = (_stem(word) for word in _WORD.findall(spaced.lower()) if f" {word} " not in _COMMON)
    return frozenset(map(intern, found))


def _stem(word: str) -> str:
    if word[0].isdigit():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def numbers_of(text: str) -> set[float]:
    """Return the numbers in a text."""
    return {float(word) for word in _WORD.findall(text) if word[0].isdigit()}


class Texts:
    """Texts by key, found by the words that they share with a query.

    Likeness is the cosine of the sets of words, each word weighed by how rare it is; 1 is the same.
    """

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._words: list[tuple[str, ...]] = []
        self._with: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, text: str) -> None:
        """Take in a text."""
        number, words = len(self._keys), words_of(text)
        self._keys.append(key)
        self._words.append(tuple(words))
        for word in words:
            self._with.setdefault(word, []).append(number)

    def search(self, query: str, most: int) -> list[tuple[str, float]]:
        """Return at most `most` (key, likeness), the most alike first, the latest of equals first."""
        asked = words_of(query)
        scored = [(self._likeness(asked, self._words[number]), number) for number in self._near(asked, most)]
        best = sorted(scored, key=lambda row: (-row[0], -row[1]))[:most]
        return [(self._keys[number], score) for score, number in best if score > 0]

    def _near(self, asked: frozenset[str], most: int) -> list[int]:
        """Return the texts that share most with a query, by the weight of its rarest words that stands in them."""
        known = [word for word in asked if word in self._with]
        rare = sorted(known, key=lambda word: (len(self._with[word]), word))[:FEW_WORDS]
        found: dict[int, float] = {}
        for word in rare:
            weight = self._rarity(word) ** 2
            for number in self._with[word][-MOST_LOOKED_AT:]:
                found[number] = found.get(number, 0.0) + weight
        return heapq.nlargest(max(most, LEAST_COMPARED), found, key=lambda number: (found[number], number))

    def _likeness(self, asked: frozenset[str], words: tuple[str, ...]) -> float:
        shared = [word for word in words if word in asked]
        return self._weight(shared) / math.sqrt(self._weight(asked) * self._weight(words)) if shared else 0.0

    def _weight(self, words: Iterable[str]) -> float:
        # In one order, so that the sum is the same in every process: sets of texts have none of their own.
        return math.fsum(rarity**2 for rarity in sorted(map(self._rarity, words)))

    def _rarity(self, word: str) -> float:
        return math.log(1 + (1 + len(self._keys)) / (1 + len(self._with.get(word, ()))))
