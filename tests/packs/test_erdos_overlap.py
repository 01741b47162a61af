"""The minimum overlap problem: its evaluator against exact results and hostile files, its baseline, its ideas."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.packs.pack import PACKS, evaluator, library, problem, tree, write
from tests.packs.pack import evaluate as evaluate_in

PACK = PACKS / "erdos_overlap"
Heights = list[float]


def evaluate(path: Path, *extra: str) -> dict[str, Any]:
    return evaluate_in("erdos_overlap", path, path.with_name("score.json"), *extra)


def judged(text: str | bytes, folder: Path) -> dict[str, Any]:
    path = folder / "heights.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    report: dict[str, Any] = evaluator("erdos_overlap").judge(str(path))[0]
    return report


def bound(heights: Heights) -> Fraction:
    value: Fraction = evaluator("erdos_overlap").bound(heights)
    return value


def random_heights(count: int, seed: int = 0) -> Heights:
    """Valid heights in eighths, whose sums are exact."""
    rng = np.random.default_rng(seed)
    heights = rng.integers(0, 9, count)
    for _ in range(9 * count):
        if (off := int(heights.sum()) - 4 * count) == 0:
            break
        at = int(rng.integers(count))
        heights[at] = np.clip(heights[at] - np.sign(off), 0, 8)
    return [float(h) / 8 for h in heights]


def integrated(heights: Heights, shift: float, points: int = 200_000) -> float:
    """The overlap at any shift, by the midpoint rule."""
    t = (np.arange(points) + 0.5) * 2 / points
    t = t[(t + shift >= 0) & (t + shift < 2)]
    h = np.array(heights)
    cell = 2 / h.size
    inside = h[np.minimum((t / cell).astype(int), h.size - 1)]
    beyond = h[np.minimum(((t + shift) / cell).astype(int), h.size - 1)]
    return float((inside * (1 - beyond)).sum() * 2 / points)


# The bound


@pytest.mark.parametrize(
    ("heights", "value"),
    [
        ([0.5, 0.5], Fraction(1, 2)),  # the constant function, Erdős 1955
        (random_heights(11), None),
        ([0.0, 1.0], Fraction(1)),
        ([0.25, 0.75, 0.75, 0.25], Fraction(13, 32)),
    ],
)
def test_small_functions_have_the_overlap_that_a_hand_finds(heights: Heights, value: Fraction | None) -> None:
    count = len(heights)
    exact = [Fraction(h) for h in heights]
    shifts = range(1 - count, count)
    by_hand = max(
        Fraction(2, count) * sum(exact[i] * (1 - exact[i + k]) for i in range(count) if 0 <= i + k < count)
        for k in shifts
    )
    assert float(bound(heights)) == pytest.approx(float(by_hand), abs=1e-15)
    assert value is None or bound(heights) == value


def test_the_function_of_three_steps_proves_two_fifths() -> None:
    outer, inner = 0.5 - 40**-0.5, 0.5 + 10**-0.5
    assert float(bound([outer, inner, outer])) == pytest.approx(0.4, abs=1e-15)


@pytest.mark.parametrize("count", [2, 3, 7, 24])
def test_splitting_every_step_changes_nothing(count: int) -> None:
    heights = random_heights(count, seed=count)
    assert bound(heights) == bound([h for h in heights for _ in range(3)])


def test_no_shift_between_the_grid_has_more_overlap() -> None:
    """The overlap is linear between shifts by whole steps: the proof stands in the evaluator; this is the check."""
    heights = random_heights(9)
    curve = evaluator("erdos_overlap").overlaps(heights)
    shifts = [(k - 8) * 2 / 9 for k in range(17)]
    assert [integrated(heights, s) for s in shifts] == pytest.approx(curve, abs=1e-4)
    for left, right, a, b in zip(curve, curve[1:], shifts, shifts[1:], strict=False):
        assert integrated(heights, a + 0.3 * (b - a)) == pytest.approx(0.7 * left + 0.3 * right, abs=1e-4)


def test_the_score_is_the_bound_rounded_up() -> None:
    drawn = np.random.default_rng(1).uniform(0.2, 0.8, 31)
    heights = (drawn - drawn.mean() + 0.5).tolist()
    value = bound(heights)
    score = Fraction(evaluator("erdos_overlap").rounded_up(value))
    assert 0 <= score - value < Fraction(1, 2**52)
    curve = np.correlate(1 - np.array(heights), np.array(heights), "full") * 2 / 31
    assert float(value) == pytest.approx(float(curve.max()), abs=1e-12)


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_integral_that_is_a_little_off_is_made_one_before_scoring(sign: int) -> None:
    heights = random_heights(12)
    leaning = [h + sign * 4e-10 if 0 < h < 1 else h for h in heights]
    scaled = [Fraction(h) for h in leaning]
    if sum(scaled) < 6:
        scaled = [1 - h for h in scaled]
    scaled = [h * 6 / sum(scaled) for h in scaled]
    by_hand = max(
        Fraction(2, 12) * sum(scaled[i] * (1 - scaled[i + k]) for i in range(12) if 0 <= i + k < 12)
        for k in range(-11, 12)
    )
    assert abs(bound(leaning) - by_hand) < Fraction(1, 10**16)


# Hostile files


def with_height(token: str) -> str:
    return '{"heights": [' + token + ", 0.5, 0.5, 0.5]}"


INVALID: dict[str, tuple[str | bytes, str]] = {
    "nan": (with_height("NaN"), "NaN"),
    "infinity": (with_height("-Infinity"), "-Infinity"),
    "1e400": (with_height("1e400"), "Height 0 is not between"),
    "huge-integer": (with_height("1" + "0" * 400), "Height 0 is not between"),
    "integer-of-5000-digits": (with_height("1" * 5000), "not valid JSON"),
    "boolean": (with_height("true"), "Height 0 is not a number"),
    "null": (with_height("null"), "Height 0 is not a number"),
    "string": (with_height('"0.5"'), "Height 0 is not a number"),
    "list": (with_height("[0.5]"), "Height 0 is not a number"),
    "negative": (with_height("-1e-9"), "Height 0 is not between"),
    "above-one": (with_height("1.0000000001"), "Height 0 is not between"),
    "integral": (with_height("0.500001"), "The integral is off 1 by"),
    "zero": ('{"heights": [0, 0, 0]}', "The integral is off 1 by -1"),
    "one-step": ('{"heights": [0.5]}', "there are 1"),
    "no-steps": ('{"heights": []}', "there are 0"),
    "2001-steps": (json.dumps({"heights": [0.5] * 2001}), "there are 2001"),
    "object": ('{"heights": {"0": 0.5}}', "must be a list"),
    "extra-key": ('{"heights": [0.5, 0.5], "overlap": 0.38}', "single key"),
    "repeated-key": ('{"heights": [], "heights": []}', "repeated key"),
    "a-score": ('{"overlap": 0.38}', "single key"),
    "empty": ("", "not valid JSON"),
    "deep": ("[" * 60_000, "too deeply"),
    "not-utf-8": (b'{"heights": "\xff"}', "not valid JSON"),
    "64-KiB-and-one": (json.dumps({"heights": [0.5, 0.5]}).ljust(64 * 1024 + 1), "larger than"),
}


@pytest.mark.parametrize("name", INVALID)
def test_the_evaluator_refuses(name: str, tmp_path: Path) -> None:
    text, message = INVALID[name]
    report = judged(text, tmp_path)
    assert list(report) == ["invalid"]
    assert message in report["invalid"]


def test_the_evaluator_takes_no_links_and_no_pipes(tmp_path: Path) -> None:
    good, link, pipe = tmp_path / "good.json", tmp_path / "link.json", tmp_path / "pipe.json"
    good.write_text('{"heights": [0.5, 0.5]}')
    link.symlink_to(good)
    os.mkfifo(pipe)
    assert evaluate(good)["overlap"] == 0.5
    assert "cannot be opened" in evaluate(link)["invalid"]
    assert "not a regular file" in evaluate(pipe)["invalid"]
    assert "cannot be opened" in evaluate(tmp_path / "missing.json")["invalid"]


@pytest.mark.parametrize("heights", [[0, 1], [1.0, 0.0] * 1000, [5e-324, 0.5, 0.5, 1 - 2**-53]])
def test_extreme_heights_are_scored(heights: Heights, tmp_path: Path) -> None:
    report = judged(json.dumps({"heights": heights}), tmp_path)
    assert 0.379 < report["overlap"] <= 1
    assert report["steps"] == len(heights)
    assert set(report) == {metric.name for metric in problem("erdos_overlap").spec.metrics}


def test_the_picture_is_well_formed(tmp_path: Path) -> None:
    path = tmp_path / "heights.json"
    path.write_text(json.dumps({"heights": random_heights(20)}))
    evaluate(path, "--pictures", str(tmp_path / "pictures"))
    text = (tmp_path / "pictures" / "overlap.svg").read_text()
    assert text.startswith("<svg ")
    assert text.rstrip().endswith("</svg>")
    assert not re.search(r"nan|inf\b", text)


# The solution and the ideas


def solved(files: dict[str, bytes], folder: Path, seed: int = 0) -> dict[str, Any]:
    """The score of a solution tree, run as its stage runs it; it must be valid."""
    path = write(files, folder) / "heights.json"
    command = [sys.executable, "-B", "solution/solve.py", "--out", str(path), "--seed", str(seed)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = evaluator("erdos_overlap").judge(str(path))[0]
    assert "invalid" not in report, report
    assert float(done.stdout.split()[1]) == pytest.approx(report["overlap"], abs=1e-8)
    return report


def quick(files: dict[str, bytes]) -> dict[str, bytes]:
    """The tree with two hops on few steps, so that it runs in a fraction of a second."""
    few = {
        "solution/search.py": (rb"^HOPS = \d+", b"HOPS = 2"),
        "solution/levels.py": (rb"^STEPS = \d+", b"STEPS = 15"),
    }
    return {
        name: re.sub(*few[name], content, flags=re.MULTILINE) if name in few else content
        for name, content in files.items()
    }


def test_the_baseline_is_modest_and_deterministic(tmp_path: Path) -> None:
    first = solved(tree("erdos_overlap"), tmp_path / "a")
    assert first == solved(tree("erdos_overlap"), tmp_path / "b")
    assert first != solved(tree("erdos_overlap"), tmp_path / "c", seed=1)
    assert 0.382 < first["overlap"] < 0.39


@pytest.mark.parametrize("name", list(library("erdos_overlap").ordinary))
def test_an_idea_runs_and_is_valid(name: str, tmp_path: Path) -> None:
    assert 0.3808 < solved(quick(tree("erdos_overlap", name)), tmp_path)["overlap"] < 0.45


def test_a_combination_reaches_the_mark(tmp_path: Path) -> None:
    names = ("mirror", "multi-start", "sequential-lp", "soft-maximum")
    assert solved(tree("erdos_overlap", *names), tmp_path)["overlap"] < 0.382
