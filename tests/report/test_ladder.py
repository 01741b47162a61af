from hypothesis import given, settings
from hypothesis import strategies as st

from aster.report.ladder import Anchor, most_that_fit, place_all, spread

ROWS = [200.0 + 14 * k for k in range(8)]
HEIGHT, LEFT, RIGHT = 12.0, 0.0, 900.0
anchors = st.lists(
    st.builds(Anchor, x=st.floats(5, 800), y=st.floats(0, 180), width=st.floats(20, 160), weight=st.floats(0, 1)),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(anchors)
def test_no_text_lies_on_another_or_leaves_the_room(found: list[Anchor]) -> None:
    kept = most_that_fit(found, ROWS, HEIGHT, LEFT, RIGHT)
    spots = place_all([found[i] for i in kept], ROWS, HEIGHT, LEFT, RIGHT)
    assert spots is not None
    boxes = []
    for place, spot in spots.items():
        width = found[kept[place]].width
        assert spot.left >= LEFT
        assert spot.left + width <= RIGHT
        assert spot.left <= spot.foot <= spot.left + width
        boxes.append((spot.left, spot.left + width, spot.middle))
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = a[1] < b[0] or b[1] < a[0]
            assert apart or abs(a[2] - b[2]) >= HEIGHT


def test_a_crowd_makes_a_staircase_that_goes_down_in_time() -> None:
    crowd = [Anchor(100.0 + 20 * i, 10.0 * i, 90.0, 1.0) for i in range(5)]
    spots = place_all(crowd, ROWS, HEIGHT, LEFT, RIGHT)
    assert spots is not None
    middles = [spots[i].middle for i in range(5)]
    assert middles == sorted(middles, reverse=True)
    assert all(spots[i].foot == crowd[i].x for i in range(5))  # every leader is upright


def test_the_lightest_labels_are_left_out_first() -> None:
    crowd = [Anchor(100.0 + i, 50.0, 90.0, weight=float(i % 7)) for i in range(40)]
    kept = most_that_fit(crowd, ROWS, HEIGHT, LEFT, RIGHT)
    assert 0 < len(kept) < 40
    assert max(crowd[i].weight for i in kept) == 6.0
    left_out = [crowd[i].weight for i in range(40) if i not in kept]
    assert min(crowd[i].weight for i in kept) >= min(left_out)


def test_spread_keeps_what_is_free_and_pools_what_is_not() -> None:
    assert spread([10.0, 100.0], [10.0, 10.0], 0.0, 200.0) == [10.0, 100.0]
    middles = spread([50.0, 52.0, 51.0], [10.0, 10.0, 10.0], 0.0, 200.0)
    assert [round(m) for m in middles] == [41, 61, 51]
    low = spread([0.0, 1.0], [10.0, 20.0], 0.0, 200.0)
    assert low == [5.0, 20.0]
