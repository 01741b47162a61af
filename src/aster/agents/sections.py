"""A brief in sections, each within its own share of the tokens, so that the whole never exceeds their sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

BYTES_A_TOKEN = 3
"""A cautious guess: prose has about four bytes a token, code and numbers about three."""


class Section(Struct, frozen=True):
    """A heading with items in order of importance, `most` tokens at most with its heading.

    `empty`: what stands there if there are no items; "": the section is left out.
    """

    heading: str
    items: Sequence[str]
    most: int
    empty: str = ""


def tokens_of(text: str) -> int:
    """Return about how many tokens a text takes, rather too many than too few."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def written(sections: Iterable[Section]) -> str:
    """Return sections as Markdown."""
    return "\n\n".join(text for section in sections if (text := _written(section)))


def _written(section: Section) -> str:
    heading = f"## {section.heading}"
    if not section.items:
        return f"{heading}\n\n{section.empty}" if section.empty else ""
    left = section.most - tokens_of(heading) - 16  # the note below
    kept: list[str] = []
    for item in section.items:
        left -= tokens_of(item) + 1
        if left < 0:
            break
        kept.append(item)
    missing = len(section.items) - len(kept)
    note = [f"({missing} more left out)"] if missing else []
    return f"{heading}\n\n" + "\n".join([*kept, *note])
