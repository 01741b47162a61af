"""What is said of two sides."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aster.comparing.compare import compare_metric, compare_times
from aster.comparing.sides import Run, Side
from aster.comparing.text import lines_of
from aster.errors import UserError

SECONDS_A, SECONDS_B = [96.8, 97.1, 96.5, 96.9], [95.2, 95.6, 95.1, 95.4]
LOSSES = [3.2781, 3.2772, 3.2790, 3.2779]


def side(name: str, seconds: Sequence[float], losses: Sequence[float] = LOSSES, seeds: Sequence[object] = ()) -> Side:
    keys = [{"seed": str(seed)} for seed in seeds] or [{} for _ in seconds]
    runs = [Run({"seconds": a, "val_loss": b}, key) for a, b, key in zip(seconds, losses, keys, strict=True)]
    return Side(name, tuple(runs))


def times(a: Side, b: Side, pair: bool | None = None) -> list[str]:
    return list(lines_of(compare_times(a, b, 3.28, 0.01, time=None, loss=None, pair=pair)))


def test_a_faster_side_whose_losses_are_shown() -> None:
    told = times(side("old", SECONDS_A), side("new", SECONDS_B))
    assert told == [
        "A: old, 4 runs: seconds 96.83 (sd 0.25), val_loss 3.27805 (sd 0.00074)",
        "   the mean val_loss of 4 runs, 3.27805, is at most 3.28 (p = 0.0067, below 0.01)",
        "B: new, 4 runs: seconds 95.33 (sd 0.22), val_loss 3.27805 (sd 0.00074)",
        "   the mean val_loss of 4 runs, 3.27805, is at most 3.28 (p = 0.0067, below 0.01)",
        "Ratio of seconds, B/A: 0.9845, 95% interval 0.9803 to 0.9887, p = 0.00011; 4 and 4 runs (Welch's t on logs).",
        "So many runs tell, with a power of 80%, a ratio of 0.9942 or less.",
        "B is faster: its seconds are 1.55% below A's. Both mean losses are shown to be at most 3.28.",
    ]


def test_seeds_of_both_make_pairs_whatever_their_order() -> None:
    a, b = side("old", SECONDS_A, seeds=[1, 2, 3, 4]), side("new", SECONDS_B[::-1], seeds=[4, 3, 2, 1])
    found = compare_times(a, b, 3.28, 0.01, time=None, loss=None, pair=None)
    assert (found.by, found.effect.paired, found.effect.n) == ("seed", True, (4,))
    assert found.effect.high - found.effect.low < 0.003  # B follows A from run to run
    assert compare_times(a, b, 3.28, 0.01, time=None, loss=None, pair=False).by is None


@pytest.mark.parametrize("seeds", [[1, 2, 3, 5], [1, 2, 3, 3]])
def test_other_seeds_make_no_pairs(seeds: list[int]) -> None:
    a, b = side("old", SECONDS_A, seeds=[1, 2, 3, 4]), side("new", SECONDS_B, seeds=seeds)
    assert compare_times(a, b, 3.28, 0.01, time=None, loss=None, pair=None).by is None
    assert compare_times(a, b, 3.28, 0.01, time=None, loss=None, pair=True).by == "order"


def test_a_time_to_a_loss_that_is_not_reached_is_none() -> None:
    worse = [3.2841, 3.2832, 3.2850, 3.2839]
    told = times(side("old", SECONDS_A), side("new", SECONDS_B, worse))
    assert told[-1].endswith(
        "But the mean loss of B is not at most 3.28, so there is no time to the target to compare."
    )
    unsure = [3.27, 3.29, 3.27, 3.28]
    told = times(side("old", SECONDS_A, unsure), side("new", SECONDS_B, unsure))
    assert "But the mean losses of A and B are not shown to be at most 3.28: whether these are" in told[-1]
    told = times(side("old", SECONDS_A, unsure), side("new", SECONDS_B))
    assert "But the mean loss of A is not shown to be at most 3.28" in told[-1]


def test_what_cannot_be_told_says_what_could() -> None:
    told = times(side("old", SECONDS_A), side("new", [96.7, 97.0, 96.6, 96.8]))
    assert told[-1].startswith("So many runs do not tell B's seconds from A's: the interval holds 1; they would tell a")
    assert "B is slower: its seconds are 1.57% above" in times(side("new", SECONDS_B), side("old", SECONDS_A))[-1]


def test_a_run_without_a_number_is_left_out_and_told() -> None:
    short = side("new", SECONDS_B)
    crashed = Side("new", (*short.runs, Run({"seconds": 12.0})))
    assert times(side("old", SECONDS_A), crashed)[2].endswith("[1 run without seconds and val_loss left out]")


def test_half_a_pair_is_left_out() -> None:
    a, b = side("old", SECONDS_A, seeds=[1, 2, 3, 4]), side("new", SECONDS_B, seeds=[1, 2, 3, 4])
    broken = Side("new", (Run({"seconds": 5.0}, {"seed": "1"}), *b.runs[1:]))
    found = compare_times(a, broken, 3.28, 0.01, time=None, loss=None, pair=None)
    assert (found.by, found.effect.n, found.a.levels[0].n) == ("seed", (3,), 3)
    assert found.a.note == "1 run without seconds and val_loss left out"


def test_one_metric_with_and_without_a_goal() -> None:
    a, b = side("old", SECONDS_A), side("new", SECONDS_B)
    found = compare_metric(a, b, "seconds", None, None)
    assert found.said == "B's seconds is lower than A's, by 1.5."
    assert compare_metric(a, b, "seconds", "minimize", None).said.startswith("B is better: its seconds is lower")
    assert compare_metric(a, b, "seconds", "maximize", None).said.startswith("B is worse")
    lines = list(lines_of(compare_metric(a, b, None, "minimize", None)))
    assert lines[-1].startswith("So many runs do not tell B's val_loss from A's: the interval holds 0")
    assert "Difference of val_loss, B - A: +0, 95% interval -0.001" in lines[2]


def test_the_only_number_that_both_have_needs_no_name() -> None:
    a = Side("a", (Run({"score": 1.0, "seed": 1.0}), Run({"score": 2.0, "seed": 2.0})))
    b = Side("b", (Run({"score": 3.0, "seed": 1.0}), Run({"score": 4.5, "seed": 2.0})))
    assert compare_metric(a, b, None, None, None).metric == "score"


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (side("old", [96.8], LOSSES[:1]), side("new", SECONDS_B), "old has 1 run with seconds and val_loss"),
        (Side("old", (Run({"x": 1.0}), Run({"x": 1.0}))), side("new", SECONDS_B), "Numbers of both: none at all"),
        (side("old", [0.0, 1.0, 1.0, 1.0]), side("new", SECONDS_B), "old has a run with seconds 0, which is no time"),
    ],
)
def test_what_cannot_be_compared_is_refused(a: Side, b: Side, said: str) -> None:
    with pytest.raises(UserError, match=said):
        times(a, b)


def test_names_and_pairs_that_are_not_there_are_refused() -> None:
    a, b = side("old", SECONDS_A), side("new", SECONDS_B[:3], LOSSES[:3])
    with pytest.raises(UserError, match=r"Numbers of both: seconds, val_loss. Choose with --metric NAME"):
        compare_metric(a, b, "bpb", None, None)
    with pytest.raises(UserError, match="old has 4 runs and new 3"):
        times(a, b, pair=True)
