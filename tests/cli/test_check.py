from __future__ import annotations

import re
from pathlib import Path

from tests.checking.rods import LOOSE, rods_problem
from tests.cli.conftest import Aster, parse_lines
from tests.toys import toy_problem


def test_what_is_printed_about_a_noisy_problem(aster: Aster, toy: Path, campaigns: Path) -> None:
    result = aster("check", toy, "--seeds", 3, "--slots", 2, "--no-cheats", "--experiments", 60, "--device-price", 3600)
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in (
        "A toy with [bold]marks[/bold]\n",
        "loss, minimize: 1",
        " over 3 seeds of the baseline\n",
        "noise: sd 0.",
        "95% interval 0.",
        "paired: the same seed gave the same score again",
        "   10 pairs of seeds tell a true gain of 0.",
        "a campaign of 60 experiments: about ",
        "models: $0.00",
        "cheats: not tried",
    ):
        assert words in result.stdout, words
    assert re.search(r"devices: \$[\d,]+\.\d\d\n", result.stdout)
    assert not campaigns.exists()


def test_accepted_cheats_are_shown_and_fail_only_a_strict_check(aster: Aster, tmp_path: Path) -> None:
    problem = rods_problem(tmp_path / "rods", LOOSE)
    result = aster("check", problem, "--slots", 2, "--strict")
    assert result.exit_code == 1
    assert re.search(r"NaN but for \[rods\]\[\*\]\[1\], which is 1.05 times what it was +ACCEPTED ", result.stdout)
    assert "exact: its outputs scored again gave the same" in result.stdout
    assert "no price given (--device-price)" in result.stdout
    assert "what it accepts, a search will find" in result.stdout
    assert "hung" in result.stdout


def test_json_is_the_whole_record(aster: Aster, tmp_path: Path) -> None:
    exact = toy_problem(tmp_path / "exact", exact=True)
    result = aster("check", exact, "--slots", 2, "--no-cheats", "--json")
    [record] = parse_lines(result.stdout)
    assert result.exit_code == 0
    assert (record["metric"], record["goal"], record["exact"]) == ("loss", "minimize", True)
    assert (record["values"], record["rescored"], record["reach"]) == ([14.0], [14.0, 14.0], [])
    assert record["cost"]["experiments"] == 100
    assert record["cost"]["device_dollars"] is None


def test_what_cannot_be_checked_exits_with_2(aster: Aster, tmp_path: Path) -> None:
    broken = toy_problem(tmp_path / "broken", files={"problem.toml": "[problem\n"})
    dead = toy_problem(tmp_path / "dead", files={"solution/solve.py": "raise SystemExit('gone')\n"})
    for words, said in (
        ([broken], "not valid TOML"),
        ([dead], "gone"),
        ([dead, "--seeds", 0], "1 to 1000 seeds"),
        ([dead, "--wall", "20"], "lacks its unit"),
        (["no-such-problem"], "no such folder"),
    ):
        result = aster("check", *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
