from collections.abc import Callable
from itertools import combinations
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from tests.report.boards import Story, exact_setup, noisy_setup, noisy_story, packing_story

from aster.domain.records import Failed, Goal, Reference
from aster.report.canvas import drawable, png, svg
from aster.report.claims import claim_views
from aster.report.claims_figure import claims
from aster.report.figures import progress
from aster.report.key import important
from aster.report.progress import progress_view

HOSTILE = '<script>alert(1)</script> $\\frac{ & "$^{ 日本 \u202e\x00'


def texts(figure: Figure) -> list[Text]:
    return [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]


def boxes(figure: Figure, *gids: str) -> list[tuple[str, tuple[float, ...]]]:
    """Return (text, (left, bottom, right, top)) of all texts as drawn, or of those of some kinds.

    Digits have no descenders: the box of a numeral is that of its ink, from its baseline.
    """
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    found: list[tuple[str, tuple[float, ...]]] = []
    for text in texts(figure):
        left, bottom, right, top = text.get_window_extent(renderer).extents
        if text.get_gid() == "numeral":
            bottom = text.get_transform().transform(text.get_position())[1]
            top = bottom + 0.73 * float(text.get_fontsize()) * figure.dpi / 72
        if text.get_text() and text.get_visible() and (not gids or text.get_gid() in gids):
            found.append((text.get_text(), (left, bottom, right, top)))
    return found


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def crowd(n: int, share: float, goal: Goal = "maximize", shrink: float = 1.0) -> Story:
    """`n` records in the first `share` of the time, each step `shrink` times the one before, then 30 that lose."""
    sign, value = (1.0 if goal == "maximize" else -1.0), 5.0
    story = Story(exact_setup(goal, references=()))
    where = story.direction("layout")
    story.run(story.baseline, value, seconds=1.0)
    for i in range(n - 1 + 30):
        value += sign * 0.02 * shrink**i if i < n - 1 else 0.0
        change = f"+ {'shake-neighbours' if i % 3 else 'swap'} SIZE={i}"
        key = story.candidate({"solution/solve.py": b"n = %d" % i}, change, story.baseline, where)
        won = i < n - 1
        story.run(
            key, value if won else value - sign * 0.01 * (i % 7), seconds=1.0 if won else n * (1 / share - 1) / 30
        )
    return story


def numbered(figure: Figure) -> list[int]:
    """Return the numbers of the records that numerals stand for, in order."""
    found: list[int] = []
    for text, _ in boxes(figure, "numeral"):
        first, _, last = text.partition("–")
        found.extend(range(int(first), int(last or first) + 1))
    return sorted(found)


HARD: dict[str, Callable[[], Story]] = {
    "25 records": lambda: packing_story(60, 25),
    "all at once": lambda: packing_story(32, 30),
    "lower is better": lambda: noisy_story(search_seeds=2, verdict=False),
    "five": lambda: packing_story(5, 2),
    "confirmed": noisy_story,
    "confirmed on sealed data": lambda: noisy_story(sealed=True),
    "three": lambda: packing_story(30, 2),
    "60 records": lambda: packing_story(400, 60),
    "60 records, lower": lambda: crowd(60, 0.8, "minimize"),
    "25 records in 5%": lambda: crowd(25, 0.05),
    "25 ever smaller records in 5%": lambda: crowd(25, 0.05, shrink=0.8),
    "30 noisy records": lambda: noisy_story(170, search_seeds=2),
}


@pytest.mark.parametrize("case", HARD)
def test_no_label_lies_on_another_or_outside(case: str) -> None:
    figure = progress(progress_view(HARD[case]().board))
    figure.canvas.draw()
    found = boxes(figure)
    assert len(found) >= 12
    width, height = figure.bbox.size
    for text, box in found:
        assert box[0] >= 0, text
        assert box[2] <= width, text
        assert box[1] >= 0, text
        assert box[3] <= height, text
    for (one, a), (other, b) in combinations(found, 2):
        assert not overlap(a, b), (one, other)


@pytest.mark.parametrize("case", ["25 records", "lower is better", "confirmed"])
def test_no_label_lies_on_the_line_or_a_dot(case: str) -> None:
    view = progress_view(HARD[case]().board)
    figure = progress(view)
    figure.canvas.draw()
    panel = figure.axes[0]
    shown = [(p.x, p.value) for p in view.points] + [(r.x, r.value) for r in view.records]
    low, high = panel.get_ylim()
    dots = [panel.transData.transform(dot) for dot in shown if low <= dot[1] <= high]
    for text, box in boxes(figure, "record"):
        assert not any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in dots), text


@pytest.mark.parametrize("case", HARD)
def test_every_record_is_named_or_numbered(case: str) -> None:
    view = progress_view(HARD[case]().board)
    figure = progress(view)
    if boxes(figure, "numeral"):
        assert numbered(figure) == list(range(1, len(view.records) + 1))
    else:
        names = [text for text, _ in boxes(figure, "record")]
        assert sorted(names) == sorted(r.change for r in view.records[1:])  # the first is named as the baseline


@pytest.mark.parametrize("case", ["60 records, lower", "25 records in 5%", "30 noisy records"])
def test_no_numeral_lies_on_a_marker(case: str) -> None:
    view = progress_view(HARD[case]().board)
    figure = progress(view)
    figure.canvas.draw()
    panel = figure.axes[0]
    middles = [panel.transData.transform((r.x, r.value)) for r in view.records]
    for text, box in boxes(figure, "numeral"):
        assert not any(overlap(box, (x - 3, y - 3, x + 3, y + 3)) for x, y in middles), text


def test_a_few_records_are_named_in_the_panel_and_need_no_key() -> None:
    figure = progress(progress_view(packing_story(30, 5).board))
    assert not boxes(figure, "numeral", "key")
    assert figure.bbox.height == 560


def test_the_key_names_every_record_and_the_figure_grows_with_it() -> None:
    view = progress_view(packing_story(120, 30).board)
    figure = progress(view)
    words = [text for text, _ in boxes(figure, "key")]
    for number, record in enumerate(view.records, start=1):
        assert str(number) in words
        assert f"{record.value:.6f}" in words
    assert {r.change for r in view.records} <= set(words)
    assert figure.bbox.height > 560 + 15 * len(view.records) / 4


def test_a_long_key_keeps_the_first_the_newest_and_the_largest_and_counts_the_others() -> None:
    view = progress_view(packing_story(400, 60).board)
    figure = progress(view)
    kept = [i + 1 for i in important(view)]
    words = [text for text, _ in boxes(figure, "key")]
    assert [int(word) for word in words if word.isdigit()] == kept
    assert kept == [*range(1, 31), *range(52, 62)]  # the gains shrink all the way
    assert "21 records of smaller gain not named here: see the table of records in report.html" in words


def test_long_changes_are_shortened_in_the_key() -> None:
    story = Story(exact_setup(references=()))
    where = story.direction("layout")
    story.run(story.baseline, 1.0, seconds=0.1)
    for i in range(30):
        change = f"+ {'a very long change that replaces everything ' * 2}{i}"
        story.run(story.candidate({"solution/solve.py": b"%d" % i}, change, story.baseline, where), 1.1 + i)
    figure = progress(progress_view(story.board))
    key = boxes(figure, "key")
    assert sum("…" in text for text, _ in key) == 30
    for (one, a), (other, b) in combinations(key, 2):
        assert not overlap(a, b), (one, other)


def test_the_time_axis_says_what_it_counts() -> None:
    figure = progress(progress_view(packing_story(30, 5).board))
    assert figure.axes[-1].get_xlabel() == "cumulative run time of experiments (minutes)"


def test_long_names_of_levels_stay_on_the_paper_with_their_values() -> None:
    wide = Reference("W" * 200, 1.25, "source", conditions="M" * 300)
    story = Story(exact_setup(references=(wide,)))
    story.run(story.baseline, 1.0)
    story.run(story.candidate({"solution/solve.py": b"n"}, parent=story.baseline), 2.0)
    figure = progress(progress_view(story.board))
    found = boxes(figure, "side")
    assert max(box[2] for _, box in found) <= figure.bbox.width
    assert any(text.startswith("WW") and text.endswith("1.25") for text, _ in found)


def test_a_campaign_without_numbers_can_be_drawn() -> None:
    story = Story(exact_setup())
    assert png(progress(progress_view(story.board)), dpi=50).startswith(b"\x89PNG")
    story.run(story.baseline, Failed("exit 1"))
    assert svg(progress(progress_view(story.board)))


def test_a_single_value_and_no_time_can_be_drawn() -> None:
    story = Story(noisy_setup(references=()))
    story.run(story.baseline, 0.0, seconds=0.0)
    assert svg(progress(progress_view(story.board)))


@pytest.mark.parametrize("values", [[9e9, 4e4, 3.0], [1e-12, 2e-12], [-5.0, -7.0], [5e300, 1e300]])
def test_any_magnitude_can_be_drawn(values: list[float]) -> None:
    story = Story(exact_setup("minimize", references=()))
    for n, value in enumerate(values):
        key = story.baseline if n == 0 else story.candidate({"solution/solve.py": b"%d" % n}, parent=story.baseline)
        story.run(key, value)
    assert svg(progress(progress_view(story.board)))


def test_the_same_campaign_gives_the_same_bytes() -> None:
    story = packing_story(30, 5)
    one, two = (progress(progress_view(story.board)) for _ in range(2))
    assert svg(one) == svg(two)
    assert png(one, dpi=60) == png(two, dpi=60)
    assert b"<dc:date>" not in svg(one)


def test_hostile_names_are_drawn_as_text() -> None:
    story = Story(exact_setup(title=HOSTILE))
    story.run(story.baseline, 1.0)
    new = story.candidate({"solution/solve.py": b"n = 1\n"}, HOSTILE, story.baseline, story.direction("layout"))
    story.run(new, 2.0)
    drawn = svg(progress(progress_view(story.board)))
    assert b"<script" not in drawn
    ElementTree.fromstring(drawn)


def test_characters_that_the_font_lacks_become_question_marks() -> None:
    assert drawable("a日b→", 10) == "a?b→"


def test_claims_with_and_without_interval_are_drawn() -> None:
    story = noisy_story()
    champion = story.board.champion
    assert champion is not None
    spoilt = story.claim(story.baseline, champion, (201, 202))
    story.decide(spoilt, "undecided", None, None, None, "too few complete pairs")
    story.claim(story.baseline, champion, (301, 302))
    views = claim_views(story.board)
    names = {story.baseline: "baseline", champion: HOSTILE}
    figure = claims(views, names, "val_bpb", "minimize", 4)
    words = " ".join(t.get_text() for t in texts(figure))
    assert "confirmed +0.0177" in words
    assert "undecided, without an interval" in words
    assert "being tested" in words
    assert len(figure.axes) == 2  # the second shows the seeds
    assert svg(figure)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_star_on_sealed_data_stands_with_the_other_side_of_its_test(sealed: bool) -> None:
    """Its level is not the line's: both sides were measured on data that the search never saw."""
    view = progress_view(noisy_story(sealed=sealed).board)
    words = [text.get_text() for text in texts(progress(view))]
    (mark,) = view.confirmed
    against = f"against {mark.old:.{view.places}f} in the same test"
    assert (against in words, "confirmed claim, on sealed data" in words) == (sealed, sealed)
    assert ("confirmed claim" in words) == (not sealed)


def test_exact_claims_have_no_seeds_to_draw() -> None:
    story = packing_story(10, 2)
    views = claim_views(story.board)
    names = {view: "x" for claim in views for view in (claim.candidate, claim.against)}
    assert len(claims(views, names, "sum_of_radii", "maximize", 6).axes) == 1
