from __future__ import annotations

import os
from pathlib import Path

import pytest

from aster.domain.records import Cancelled, Failed, Invalid, Measured, Result, Said, TimedOut
from aster.execution.arrivals import outcome_of, read_plain, result_of
from aster.sandbox.keeper.spec import RawOutcome, Status


def raw(status: Status = "done", **fields: object) -> RawOutcome:
    values = {
        "attempt": "x-1.1",
        "status": status,
        "reason": "why",
        "stage": "solve",
        "limit_s": 2.0,
        "score": "1.5",
        "wall_s": 3.0,
        "cpu_s": 1.0,
        "max_rss_mb": 9.0,
        "started": 10.0,
        "ended": 13.0,
        "gpus": ["GPU-1", "GPU-2"],
        "artifacts": [],
        "pictures": [],
        "pictures_folder": "",
    }
    return RawOutcome(**{**values, **fields})  # type: ignore[arg-type]


def judge(score: str, said: Said) -> Measured:
    return Measured({"v": float(score)})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("done", Measured({"v": 1.5})),
        ("failed", Failed("why")),
        ("timed_out", TimedOut("solve", 2.0)),
        ("invalid", Invalid("why")),
        ("cancelled", Cancelled("why")),
    ],
)
def test_results(status: Status, expected: Result) -> None:
    assert result_of(raw(status), judge) == expected


def test_a_check_is_not_asked_for_a_score() -> None:
    assert result_of(raw(score="", quick=True), judge) == Measured({})
    assert result_of(raw("failed", quick=True), judge) == Failed("why")


def test_gpu_seconds_count_every_device(tmp_path: Path) -> None:
    outcome, blobs = outcome_of(raw(), tmp_path, "x-1", "gpu: A", judge)
    assert outcome.usage.gpu_s == 6.0
    assert (outcome.log, blobs) == (None, {})


def test_files_swapped_after_the_end_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/good").write_text("good")
    (tmp_path / "outputs/link").symlink_to(tmp_path / "secret")
    outcome, blobs = outcome_of(raw(artifacts=["good", "link", "gone"]), tmp_path, "x-1", "cpu: A", judge)
    assert list(outcome.artifacts) == ["good"]
    assert list(blobs.values()) == [b"good"]


def test_read_plain_is_bounded_and_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    assert read_plain(tmp_path / "file", 5) == b"12345"
    assert read_plain(tmp_path / "file", 4) is None
    assert read_plain(tmp_path / "pipe") is None
    assert read_plain(tmp_path) is None
