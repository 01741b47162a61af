from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Aster, parse_lines
from tests.toys import toy_problem


def test_a_dry_run_prints_the_plan_and_writes_nothing(aster: Aster, toy: Path, campaigns: Path) -> None:
    result = aster("run", toy, "--experiments", 40, "--slots", 2, "--researcher", "ideas", "--dry-run")
    assert result.exit_code == 0
    assert not campaigns.exists()
    assert result.stdout.splitlines() == [
        "A toy with [bold]marks[/bold]: the plan; nothing runs and nothing is written",
        "budget: 40 experiments; 2 slots, ordered, seed 0",
        "baseline: 3 runs",
        "search: 17 experiments, and what confirmation leaves over",
        "confirmation: 20 experiments held back (a claim takes 6 to 20)",
        "detectable: a true gain of 4.19 sd by 3 pairs (80% power)",
        "detectable: a true gain of 1.36 sd by 10 pairs (80% power)",
        "  the noise (sd) is not known yet: `aster check` measures it",
        "researcher ideas: 2 ideas with 2 knobs on 2 surfaces",
        "  a: 1 idea with 1 knob",
        "  b: 1 idea with 1 knob",
        "cost: $0.00 for models; how long an experiment takes is not known yet: `aster check` measures it",
    ]


def test_an_exact_problem_under_a_wall_time(aster: Aster, tmp_path: Path) -> None:
    exact = toy_problem(tmp_path / "exact", exact=True)
    result = aster("run", exact, "--wall", "10m", "--slots", 2, "--dry-run")
    assert "budget: 10.0 min of wall time; 2 slots, arrival, seed 0\nbaseline: 1 run\n" in result.stdout
    assert "search: what the time allows; 20% of it is held back" in result.stdout
    assert "detectable: loss is exact" in result.stdout


def test_an_earlier_campaign_tells_noise_and_cost(aster: Aster, toy: Path) -> None:
    aster("run", toy, "--experiments", 12, "--slots", 2)
    [record] = parse_lines(aster("run", toy, "--wall", "10m", "--slots", 2, "--dry-run", "--json").stdout)
    assert record["known"]["n"] == 3
    assert record["known"]["campaign"].startswith("toy-")
    assert record["gains"][0]["gain"] > record["known"]["sd"]
    assert record["experiments"] == record["cost"]["experiments"] > 10
    text = aster("run", toy, "--experiments", 40, "--slots", 2, "--dry-run").stdout
    assert "  noise: sd 0." in text
    assert "cost: about 40 experiments of " in text
    with (toy / "solution" / "solve.py").open("a") as file:
        file.write("# another solution, whose noise nobody knows\n")
    assert "not known yet" in aster("run", toy, "--experiments", 40, "--dry-run").stdout


def test_a_budget_that_is_too_small_is_refused(aster: Aster, toy: Path) -> None:
    result = aster("run", toy, "--experiments", 5, "--dry-run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "budget too small: 5 experiments cannot hold 3 of the baseline" in result.stderr
