"""Records kept small: a campaign has hundreds of thousands, and looks at few of them again.

A record's own Python objects take a kilobyte and more; as bytes, with what recurs (changes, the words of labels,
texts, authors) numbered in one table a board, it takes a tenth of that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from sys import intern
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from aster.domain.records import Candidate, Change, Experiment, Hypothesis

MOST_WORDS = 1 << 16
"""Things that are numbered; those met later are written out."""

RECENT = 1 << 10
"""Records that a shelf remembers unpacked."""

T = TypeVar("T")

_pack = msgspec.msgpack.Encoder(order="deterministic").encode
_unpack = msgspec.msgpack.Decoder().decode


class Words:
    """The table of what recurs. A thing is packed as its number, or as it is once the table is full."""

    def __init__(self) -> None:
        self._number: dict[Hashable, int] = {}
        self._things: list[Any] = []

    def number(self, key: Hashable, thing: Any) -> int | None:
        """Return the number of what `key` stands for, or None if there is no room; equal keys mean equal things."""
        known = self._number.get(key)
        if known is None and len(self._things) < MOST_WORDS:
            known = self._number[key] = len(self._things)
            self._things.append(thing)
        return known

    def text(self, text: str) -> int | str:
        """Return a text packed."""
        number = self.number(text, text)
        return text if number is None else number

    def trait(self, value: float) -> int | float:
        """Return a number of a candidate's traits packed: few values recur again and again."""
        number = self.number(("trait", value.hex()), value)  # as a text, because 0.0 equals -0.0
        return value if number is None else number

    def change(self, change: Change) -> int | list[Any]:
        """Return a change packed."""
        written = _pack([change.idea, change.knobs])
        number = self.number(written, change)
        return _unpack(written) if number is None else number

    def thing(self, packed: Any) -> Any:
        """Return what was packed by `text` or `trait`."""
        return self._things[packed] if isinstance(packed, int) else packed

    def back(self, packed: Any) -> Change:
        """Return the change that was packed; equal ones are the same object."""
        if isinstance(packed, int):
            return self._things[packed]  # type: ignore[no-any-return]
        return Change(packed[0], packed[1])


class Shelf(Mapping[str, T], Generic[T]):
    """Records by id, oldest first, packed. Reading one gives an equal record, not always the same object."""

    def __init__(self, pack: Callable[[T], list[Any]], unpack: Callable[[str, list[Any]], T]) -> None:
        """Args:
        pack: a record as plain values, without its id.
        unpack: the record of an id and those values.
        """
        self._to, self._from = pack, unpack
        self._packed: dict[str, bytes] = {}
        self._recent: dict[str, T] = {}

    def put(self, name: str, record: T) -> None:
        """Keep a record; one of the same id is replaced and keeps its place."""
        name = intern(name)
        self._packed[name] = _pack(self._to(record))
        self._recent.pop(name, None)

    def __getitem__(self, name: str) -> T:
        found = self._recent.get(name)
        if found is None:
            found = self._from(name, _unpack(self._packed[name]))
            if len(self._recent) >= RECENT:
                self._recent.clear()
            self._recent[name] = found
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def candidates(words: Words) -> Shelf[Candidate]:
    """Return an empty shelf of candidates."""

    def pack(c: Candidate) -> list[Any]:
        label = [words.text(part) for part in c.label.split(" + ")]
        recipe = [words.change(change) for change in c.recipe]
        return [
            _address(c.tree),
            c.parents,
            words.text(c.author),
            c.hypothesis,
            recipe,
            label,
            [*map(words.trait, c.traits)],
            c.root,
            [[words.text(name), value] for name, value in c.settings.items()],
            c.diagnosis,
        ]

    def unpack(name: str, of: list[Any]) -> Candidate:
        tree, parents, author, hypothesis, recipe, label, traits, root, settings, diagnosis = of
        return Candidate(
            name,
            tree.hex() if isinstance(tree, bytes) else tree,
            tuple(parents),
            words.thing(author),
            hypothesis,
            tuple(map(words.back, recipe)),
            " + ".join(map(words.thing, label)),
            tuple(map(words.thing, traits)),
            root,
            {words.thing(name): value for name, value in settings},
            diagnosis,
        )

    return Shelf(pack, unpack)


def hypotheses(words: Words) -> Shelf[Hypothesis]:
    """Return an empty shelf of hypotheses."""

    def pack(h: Hypothesis) -> list[Any]:
        return [
            words.text(h.direction),
            h.parent,
            words.text(h.change),
            words.text(h.text),
            h.predicts,
            h.of,
            h.other,
            h.anew,
            *((words.text(h.by), h.advice) if h.by or h.advice else ()),
        ]

    def unpack(name: str, of: list[Any]) -> Hypothesis:
        direction, parent, change, text, predicts, version, other, anew, *told = of
        known = words.thing
        by, advice = (known(told[0]), told[1]) if told else ("", "")
        about = (known(change), known(text), predicts, version, other, anew, by, advice)
        return Hypothesis(name, known(direction), parent, *about)

    return Shelf(pack, unpack)


def shared(of: Experiment) -> Experiment:
    """Return the record with the texts that other records hold too, instead of copies of them."""
    return replace(
        of,
        candidate=intern(of.candidate),
        hypothesis=None if of.hypothesis is None else intern(of.hypothesis),
        hardware=intern(of.hardware),
        purpose=intern(of.purpose),
    )


def _address(blob: str) -> bytes | str:
    """Return a content address as 32 bytes; anything else as it is."""
    if len(blob) == 64:
        try:
            packed = bytes.fromhex(blob)
        except ValueError:
            return blob
        return packed if packed.hex() == blob else blob
    return blob
