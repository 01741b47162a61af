from __future__ import annotations

from html.parser import HTMLParser

from tests.report.boards import Story, noisy_setup, noisy_story

from aster.report.card import card

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">&"\''
ALLOWED = {"div", "p", "b", "br", "table", "tr", "th", "td", "img"}


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.sources: list[str] = []
        self.open: list[str] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value or "" for name, value in attrs if name == "src"]
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data + "\n"


def test_a_card_shows_the_champion_its_claim_and_the_figure() -> None:
    board = noisy_story().board
    read = Reader(card(board))
    assert not read.open
    assert "champion, confirmed" in read.said
    assert "confirmed\n" in read.said
    assert len(read.sources) == 1
    assert read.sources[0].startswith("data:image/svg+xml;base64,")


def test_nothing_hostile_gets_out_of_its_cell() -> None:
    story = Story(noisy_setup(title=EVIL))
    where = story.direction("x")
    story.run(story.baseline, 5.0)
    key = story.candidate({"solution/solve.py": b"2"}, EVIL, story.baseline, where, label=EVIL)
    story.run(key, 1.0)
    story.claim(key, story.baseline, (7, 8, 9))
    read = Reader(card(story.board))
    assert read.tags <= ALLOWED
    assert read.attributes <= {"style", "alt", "src"}
    assert "<script>alert(1)</script>" in read.said  # it is shown, as text
    assert "testing" in read.said


def test_an_empty_campaign_has_a_card() -> None:
    assert "Nothing has been measured yet" in card(Story(noisy_setup()).board)
