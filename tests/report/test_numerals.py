from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from aster.report.ladder import Box
from aster.report.numerals import Numeral, Obstacles, Point, Run, place_numerals

ROOM = (0.0, 0.0, 800.0, 400.0)
HEIGHT = 8.5
NOTHING = Obstacles([], [])


def width(run: Run) -> float:
    return 13.0 if run[0] == run[1] else 33.0


def numbers(markers: list[Point], hard: Obstacles = NOTHING, soft: Obstacles = NOTHING) -> list[Numeral]:
    dots = [(x - 4.5, y - 4.5, x + 4.5, y + 4.5) for x, y in markers]
    return place_numerals(markers, width, HEIGHT, Obstacles(hard.boxes + dots, hard.lines), soft, ROOM)


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


steps = st.lists(st.tuples(st.floats(0, 40), st.floats(0.1, 20)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_every_record_has_a_numeral_and_none_lies_on_another(found: list[tuple[float, float]]) -> None:
    markers, x, y = [], 20.0, 20.0
    for across, up in found:
        x, y = min(x + across, 790.0), min(y + up, 370.0)
        markers.append((x, y))
    numerals = numbers(markers)
    covered = [i for numeral in numerals for i in range(numeral.run[0], numeral.run[1] + 1)]
    assert covered == list(range(len(markers)))
    for one, other in combinations(numerals, 2):
        assert not overlap(one.box, other.box)


def test_free_markers_have_their_numerals_above_them() -> None:
    markers = [(100.0, 100.0), (200.0, 110.0), (300.0, 120.0)]
    for (x, y), numeral in zip(markers, numbers(markers), strict=True):
        assert numeral.leader is None
        assert numeral.box == (x - 6.5, y + 6.0, x + 6.5, y + 6.0 + HEIGHT)


def test_markers_at_one_place_share_a_numeral() -> None:
    markers = [(100.0, 100.0), (101.0, 101.0), (102.0, 102.0), (300.0, 120.0)]
    assert [numeral.run for numeral in numbers(markers)] == [(0, 2), (3, 3)]


def test_in_a_steep_wall_the_numerals_stand_beside_their_own_markers() -> None:
    markers = [(100.0 + i, 40.0 + 12.0 * i) for i in range(20)]
    numerals = numbers(markers)
    assert len(numerals) == 20
    for (x, y), numeral in list(zip(markers, numerals, strict=True))[:-1]:  # above the last there is room
        assert numeral.box[2] < x
        assert abs((numeral.box[1] + numeral.box[3]) / 2 - y) <= 6.0


def test_dots_are_avoided_where_there_is_another_place() -> None:
    above = (95.0, 105.0, 105.0, 112.0)
    (numeral,) = numbers([(100.0, 100.0)], soft=Obstacles([above], []))
    assert not overlap(numeral.box, above)


def test_a_marker_under_a_star_has_its_numeral_outside_of_the_star() -> None:
    star = (90.0, 90.0, 110.0, 110.0)
    (numeral,) = numbers([(100.0, 100.0)], hard=Obstacles([star], []))
    assert not overlap(numeral.box, star)


def test_a_numeral_without_any_room_is_placed_all_the_same() -> None:
    full = (0.0, 0.0, 800.0, 400.0)
    assert [n.run for n in numbers([(100.0, 100.0), (300.0, 150.0)], hard=Obstacles([full], []))] == [(0, 1)]
