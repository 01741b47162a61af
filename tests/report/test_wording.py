import pytest

from aster.report.wording import clean, clean_block, count, duration, number, percent, places_for, signed


@pytest.mark.parametrize(
    ("size", "noise", "places"),
    [
        (2.6358, None, 6),
        (0.9597, 0.0, 7),
        (1.2185, 0.0012, 4),
        (1500.0, 12.0, 0),
        (0.0, None, 6),
        (1e-9, None, 12),
        (0.0076, 0.34, 4),
        (0.5, 0.34, 2),
        (1e-9, 0.3, 6),
        (0.0, 0.3, 2),
    ],
)
def test_decimals_follow_the_noise_or_seven_digits(size: float, noise: float | None, places: int) -> None:
    assert places_for(size, noise) == places


@pytest.mark.parametrize(
    ("size", "noise", "resolution", "places"),
    [(0.4220637, 0.0, 0.0005, 5), (2.635863, 0.0, 1e-9, 6), (0.0, 0.0, 0.01, 3), (2.635863, None, 0.01, 6)],
)
def test_no_digit_is_finer_than_the_resolution(
    size: float, noise: float | None, resolution: float, places: int
) -> None:
    assert places_for(size, noise, resolution) == places
    assert places_for(size, 0.0012, resolution) == places_for(size, 0.0012)


def test_numbers() -> None:
    assert number(2.6358627564, 6) == "2.635863"
    assert number(-0.5, 2) == "−0.50"
    assert number(3.2e-7, 4) == "3.2e−07"
    assert signed(0.0123, 3) == "+0.012"
    assert signed(-0.0123, 3) == "−0.012"
    assert percent(0.9392) == "93.9%"
    assert percent(0.8) == "80%"
    assert count(1, "seed") == "1 seed"
    assert count(1200, "seed") == "1,200 seeds"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0.0 s"), (45, "45 s"), (750, "12.5 min"), (11_520, "3.2 h"), (345_600, "4.0 days")],
)
def test_durations_take_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_foreign_text_cannot_hide_or_reorder_what_stands_around_it() -> None:
    hostile = "good\x00\x1b[31m\u202eevil\u2066 \ud800 name\r\nnext"
    assert clean(hostile, 100) == "good[31mevil name next"


def test_foreign_text_is_bounded() -> None:
    assert clean("x" * 10_000, 20) == "x" * 19 + "…"
    block = clean_block("\n".join(f"{i}\t{'y' * 900}" for i in range(100)), lines=3, width=50)
    assert [line[:2] for line in block.split("\n")] == ["97", "98", "99"]
    assert max(map(len, block.split("\n"))) == 50
