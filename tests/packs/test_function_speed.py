"""The function-speed problem: its reference, its clock against a candidate that would fool it, its ideas."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.packs.pack import evaluator, library, problem, tree, write
from tests.walls import walls_or_skip

from aster.domain.events import OutcomeRecorded
from aster.domain.records import Failed, Invalid, Measured, Outcome
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Job
from aster.problems.judge import make_judge
from aster.sandbox.plan import RunPlan, StagePlan
from aster.testing.executors import collect

Array = NDArray[np.float64]
Answer = Callable[[bytes], bytes]


@pytest.fixture
def score() -> ModuleType:
    return evaluator("function_speed")


def unpacked(request: bytes) -> Array:
    count, length = struct.unpack_from("<II", request)
    return np.frombuffer(request, offset=8).reshape(count, length)


# The reference and the inputs


def paths(lines: int, columns: int) -> Iterator[list[tuple[int, int]]]:
    """All monotone paths from the first cell to the last."""
    if (lines, columns) == (1, 1):
        yield [(0, 0)]
    for down, right in ((1, 0), (0, 1), (1, 1)):
        if lines > down and columns > right:
            yield from ([*path, (lines - 1, columns - 1)] for path in paths(lines - down, columns - right))


def test_the_reference_is_the_least_sum_over_all_paths(score: ModuleType) -> None:
    series = np.random.default_rng(0).normal(size=(3, 4))
    found = score.matrix(series)
    for i, j in product(range(3), repeat=2):
        costs = np.abs(series[i][:, None] - series[j][None, :])
        least = min(sum(costs[cell] for cell in path) for path in paths(4, 4))
        assert found[i, j] == pytest.approx(least, abs=1e-12)


def test_inputs_are_fresh_and_hold_what_shortcuts_get_wrong(score: ModuleType) -> None:
    rng = np.random.default_rng(0)
    drawn = [score.fresh(rng) for _ in range(40)]
    assert {each.shape[1] for each in drawn} == set(range(36, 45))
    assert all(len(each) == 8 and np.isfinite(each).all() for each in drawn)
    assert len({each.tobytes() for each in drawn}) == 40
    for series in drawn[:2]:
        assert (np.ptp(series, axis=1) == 0).any()
        assert (series == np.round(series)).all(axis=1).any()
        right, warp = score.matrix(series), score.matrix.__globals__["warp"]
        off = [banded(warp, series[i], series[j]) - right[i, j] for i, j in product(range(8), repeat=2) if i < j]
        assert max(off) > 1e-6, "a band of 10 to either side gets all of this right"


def banded(warp: Callable[[Array], float], a: Array, b: Array) -> float:
    """The distance along paths that stray from the diagonal by 10 at most."""
    near = np.abs(np.subtract.outer(np.arange(a.size), np.arange(b.size))) <= 10
    return warp(np.where(near, np.abs(a[:, None] - b[None, :]), 1e9))


# The clock, with a clock of our own


class Fake:
    """A candidate, and a clock: seconds pass only where `takes` says so."""

    def __init__(self, answer: Answer, takes: float) -> None:
        self.answer, self.takes, self.wall = answer, takes, 0.0

    def call(self, request: bytes, timeout_s: float, most: int) -> bytes:
        self.wall += self.takes
        return self.answer(request)[: most + 1]


def measured(score: ModuleType, candidate: Fake, patch: pytest.MonkeyPatch, slow: float = 0.064) -> list[Any]:
    """Rounds with a reference that takes `slow` CPU seconds, and 10 times as many of wall time."""
    cpu = 0.0

    def matrix(series: Array) -> Array:
        nonlocal cpu
        cpu += slow
        candidate.wall += 10 * slow
        return series @ series.T

    patch.setattr(score, "matrix", matrix)
    patch.setattr(score.time, "perf_counter", lambda: candidate.wall)
    patch.setattr(score.time, "process_time", lambda: cpu)
    rng = np.random.default_rng(0)
    return [score.measure(candidate, rng) for _ in range(25)]


def honest(request: bytes) -> bytes:
    series = unpacked(request)
    return (series @ series.T).tobytes()


def test_the_score_is_the_ratio(score: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    found = score.describe(measured(score, Fake(honest, 0.001), monkeypatch))
    assert found["log2_speedup"] == pytest.approx(6)
    assert (found["speedup"], found["milliseconds"]) == (pytest.approx(64), pytest.approx(1))
    assert found["stretch"] == pytest.approx(10)
    assert set(found) == {metric.name for metric in problem("function_speed").spec.metrics}


def test_what_is_put_off_counts_and_a_busy_neighbour_does_not(
    score: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting is wall time; the reference stands still for nine tenths of its own wall time, which earns nothing."""
    assert score.describe(measured(score, Fake(honest, 0.128), monkeypatch))["log2_speedup"] == pytest.approx(-1)


def test_slow_rounds_do_not_move_the_score_if_they_are_not_too_many(score: ModuleType) -> None:
    rounds = [score.Round(0.001, 0.064, 0.07)] * 10 + [score.Round(0.1, 0.064, 0.2)] * 15
    assert score.describe(rounds)["log2_speedup"] == pytest.approx(6)


def garbage_at_times() -> Answer:
    calls = iter(range(1000))
    return lambda request: bytes(512) if next(calls) % 7 == 6 else honest(request)


def remembering() -> Answer:
    known: list[bytes] = []

    def answer(request: bytes) -> bytes:
        if not known:
            known.append(honest(request))
        return known[0]

    return answer


def in_single_precision(request: bytes) -> bytes:
    series = unpacked(request).astype(np.float32)
    return (series @ series.T).astype(np.float64).tobytes()


WRONG: dict[str, tuple[Callable[[], Answer], str]] = {
    "garbage in one call of seven": (garbage_at_times, "is right"),
    "the first answer again": (remembering, "is right"),
    "single precision": (lambda: in_single_precision, "is right"),
    "not a number": (lambda: lambda request: np.full(64, np.nan).tobytes(), "not finite"),
    "infinity": (lambda: lambda request: np.full(64, np.inf).tobytes(), "not finite"),
    "nothing": (lambda: lambda request: b"", "0 bytes"),
    "half": (lambda: lambda request: honest(request)[:256], "256 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_are_refused(name: str, score: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    make, said = WRONG[name]
    with pytest.raises(score.Invalid, match=said):
        measured(score, Fake(make(), 1e-6), monkeypatch)


def test_the_picture_is_well_formed(score: ModuleType) -> None:
    rounds = [score.Round(0.001, 0.05 + 0.001 * k, 0.1) for k in range(5)]
    text = score.draw(rounds, score.describe(rounds))
    assert text.startswith("<svg ")
    assert text.rstrip().endswith("</svg>")
    assert not re.search(r"nan|inf\b", text)


# The whole, in a sandbox


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalExecutor]:
    """The problem's own plan and judge, with fewer rounds."""
    found, folder = problem("function_speed"), tmp_path_factory.mktemp("speed")
    stages = {
        s.name: StagePlan(s.name, tuple(s.command), 60.0, s.trusted, s.service or "", s.quick)
        for s in found.spec.stages
    }
    evaluate = found.trusted_files["evaluate.py"]
    few = evaluate
    for old, new in ((b"WARM, ROUNDS = 3, 25", b"WARM, ROUNDS = 1, 3"), (b"PATIENCE_S = 20.0", b"PATIENCE_S = 3.0")):
        assert few.count(old) == 1
        few = few.replace(old, new)
    plan = RunPlan(
        (stages["try"], stages["score"]),
        {**found.trusted_files, "evaluate.py": few},
        frozen_solution=("solution/serve.py",),
        services=(stages["serve"],),
    )
    walls = walls_or_skip("bubblewrap", folder)
    made = LocalExecutor(folder, plan, make_judge(found.spec), 1, "speed", walls=lambda _: walls)
    yield made
    made.close()


def outcome(room: LocalExecutor, files: dict[str, bytes], *, quick: bool = False) -> Outcome:
    room.submit(Job("x-1.1", "x-1", 1, files, quick=quick))
    [arrival] = collect(room)
    room.acknowledge("x-1.1")
    assert isinstance(arrival.fact, OutcomeRecorded)
    return arrival.fact.outcome


def test_the_baseline_is_measured(room: LocalExecutor) -> None:
    result = outcome(room, tree("function_speed")).result
    assert isinstance(result, Measured), result
    assert result.metrics["speedup"] == pytest.approx(2 ** result.metrics["log2_speedup"])


def test_the_check_looks_at_answers_and_gives_no_score(room: LocalExecutor) -> None:
    assert outcome(room, tree("function_speed"), quick=True).result == Measured({})
    result = outcome(room, hostile(HOSTILE["answers with what it finds in its memory"][0]), quick=True).result
    assert isinstance(result, Invalid)
    assert "is right" in result.rule


def hostile(code: str) -> dict[str, bytes]:
    """The baseline with `code` at the end of the module that is timed."""
    files = tree("function_speed")
    path = "solution/warp/matrix.py"
    return {**files, path: files[path] + code.encode()}


HOSTILE = {
    "stops the clocks": (
        "\nimport time\nfor name in ('time', 'perf_counter', 'process_time', 'monotonic'):\n"
        "    setattr(time, name, lambda: 0.0)\n",
        Measured,
    ),
    "answers at once and computes later": (
        "\nimport threading\n_whole = matrix\n_last = np.zeros((8, 8))\n\ndef matrix(series):\n"
        "    def work():\n        _last[:] = _whole(series)\n    threading.Thread(target=work).start()\n"
        "    return _last\n",
        Invalid,
    ),
    "answers with what it finds in its memory": ("\ndef matrix(series):\n    return np.zeros((8, 8))\n", Invalid),
    "leaves": ("\ndef matrix(series):\n    import os\n    os._exit(0)\n", Failed),
    "hangs": ("\ndef matrix(series):\n    import time\n    time.sleep(1000)\n", Failed),
    "answers too much": ("\ndef matrix(series):\n    return np.zeros((80, 8))\n", Failed),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_candidate_wins_nothing(name: str, room: LocalExecutor) -> None:
    code, kind = HOSTILE[name]
    result = outcome(room, hostile(code)).result
    if isinstance(result, Failed) and "did not answer in time" in result.reason and kind is not Failed:
        result = outcome(room, hostile(code)).result  # the machine itself was away for all of the evaluator's patience
    assert isinstance(result, kind), result
    if isinstance(result, Measured):
        assert result.metrics["milliseconds"] > 1, "the baseline's loops take longer than that on any machine"


# The ideas


def computed(files: dict[str, bytes], folder: Path) -> list[Array]:
    """What a candidate makes of a few inputs, the same input twice among them; in another process."""
    code = (
        "import sys, pathlib\nimport numpy as np\nsys.path.insert(0, 'solution')\nfrom warp.matrix import matrix\n"
        "drawn = np.load('series.npz')\nanswers = [matrix(drawn[f'arr_{k}']) for k in range(len(drawn.files))]\n"
        "np.savez('answers.npz', *answers)\n"
    )
    np.savez(write(files, folder) / "series.npz", *inputs())
    subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, check=True, timeout=60)
    with np.load(folder / "answers.npz") as answers:
        return [answers[f"arr_{k}"] for k in range(len(answers.files))]


def inputs() -> list[Array]:
    rng = np.random.default_rng(3)
    score = evaluator("function_speed")
    first = score.fresh(rng)[:5, :20]
    return [first, score.fresh(rng)[:3, :9], first, first[:2], first[:1], first[:, :1]]


@pytest.fixture(scope="module")
def right() -> list[Array]:
    return [evaluator("function_speed").matrix(series) for series in inputs()]


@pytest.mark.parametrize("name", ["", *library("function_speed").ordinary])
def test_an_idea_computes_the_same(name: str, right: list[Array], tmp_path: Path) -> None:
    names = [name] if name else []
    for found, expected in zip(computed(tree("function_speed", *names), tmp_path), right, strict=True):
        evaluator("function_speed").check(np.ascontiguousarray(found, dtype="<f8").tobytes(), expected)


@pytest.mark.parametrize("last", ["line-scan", "pairs-last", "kept-buffers", "two-lines"])
def test_ideas_together_compute_the_same(last: str, right: list[Array], tmp_path: Path) -> None:
    files = tree("function_speed", "half-the-pairs", "costs-in-place", "blocks", last)
    for found, expected in zip(computed(files, tmp_path), right, strict=True):
        evaluator("function_speed").check(np.ascontiguousarray(found, dtype="<f8").tobytes(), expected)
