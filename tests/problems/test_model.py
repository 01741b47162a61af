from __future__ import annotations

import pytest

from aster.problems.model import parse_mib, parse_seconds, relative_path


@pytest.mark.parametrize(
    ("value", "seconds"), [("60s", 60), ("2m", 120), ("1.5h", 5400), (" 0.5 s ", 0.5), (7, 7), (0.25, 0.25)]
)
def test_durations(value: object, seconds: float) -> None:
    assert parse_seconds(value) == seconds


@pytest.mark.parametrize(
    "value", ["", "60", "1d", "-1s", "1e3s", "s", 0, -1, float("inf"), float("nan"), True, None, ["60s"]]
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_seconds(value)


@pytest.mark.parametrize(("value", "mib"), [("2GiB", 2048), ("512MiB", 512), ("0.5 TiB", 524288), ("100KiB", 1)])
def test_memory(value: object, mib: int) -> None:
    assert parse_mib(value) == mib


@pytest.mark.parametrize("value", ["2GB", "2", 2048, "0GiB", "-1GiB", "GiB", True])
def test_what_is_no_memory(value: object) -> None:
    with pytest.raises(ValueError, match='such as "2GiB"'):
        parse_mib(value)


@pytest.mark.parametrize(("path", "tidy"), [("a/b", "a/b"), ("./a/", "a"), ("a//b", "a/b")])
def test_relative_paths(path: str, tidy: str) -> None:
    assert relative_path(path) == tidy


@pytest.mark.parametrize("path", ["", ".", "./", "/a", "../a", "a/../.."])
def test_paths_that_leave_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="below the problem folder"):
        relative_path(path)
