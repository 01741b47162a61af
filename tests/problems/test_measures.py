from __future__ import annotations

from collections.abc import Callable

import pytest

from aster.domain.records import Objective
from aster.errors import ProblemError
from aster.problems.checks import read_spec

from .conftest import Files

Toml = Callable[..., Files]

TRUSTED = """[[stage]]
name = "score"
command = ["python", "evaluate.py", "{outputs}/x.json", "{pictures}"]
trusted = true
timeout = 20
"""


def test_no_trusted_stage_is_needed_where_every_metric_is_printed(toml: Toml) -> None:
    files = toml(
        TRUSTED, "",
        'name = "total"', "name = 'total'\npattern = '^total (.+)'",
        'name = "spread"', "name = 'spread'\npattern = '^spread (.+)'",
    )  # fmt: skip
    spec = read_spec(files, "problem.toml")
    assert [stage.name for stage in spec.stages] == ["solve"]
    assert spec.objective == Objective("total", "maximize", 1e-9, self_reported=True)
    assert spec.objective.shown == "total (self-reported)"


def test_one_metric_that_is_not_printed_needs_one(toml: Toml) -> None:
    files = toml(TRUSTED, "", 'name = "total"', "name = 'total'\npattern = '^total (.+)'")
    with pytest.raises(ProblemError, match='nobody can report "spread"'):
        read_spec(files, "problem.toml")


def test_constraints_and_progress_are_read(toml: Toml) -> None:
    more = "[[constraint]]\nmetric = 'spread'\nmin = -1\nmax = 2.5\n[progress]\ngoal = 'minimize'\n[resources]"
    spec = read_spec(toml("[resources]", more), "problem.toml")
    assert [(each.metric, each.min, each.max) for each in spec.constraints] == [("spread", -1.0, 2.5)]
    assert spec.progress is not None
    assert (spec.progress.stop, spec.progress_goal) == (True, "minimize")
    assert read_spec(toml("[resources]", "[progress]\n[resources]"), "problem.toml").progress_goal == "maximize"
    assert read_spec(toml(), "problem.toml").progress is None


def test_one_metric_may_bound_its_mean_and_every_run(toml: Toml) -> None:
    bounds = [f"[[constraint]]\nmetric = 'spread'\nmax = {most}\n" for most in ("2\np = 0.01", "3")]
    spec = read_spec(toml("[resources]", "".join([*bounds, "[resources]"])), "problem.toml")
    assert [(each.max, each.p) for each in spec.bounds] == [(2.0, 0.01), (3.0, None)]


def test_a_mean_cannot_be_tested_where_claims_only_score_again(toml: Toml) -> None:
    more = "[[constraint]]\nmetric = 'spread'\nmax = 1\np = 0.01\n[resources]"
    files = toml("resolution = 1e-9", "exact = true", "[resources]", more)
    with pytest.raises(ProblemError, match=r"constraint\[0\].p: .*tells no mean"):
        read_spec(files, "problem.toml")


def test_a_printed_metric_cannot_be_constrained_where_claims_only_score_again(toml: Toml) -> None:
    files = toml(
        "resolution = 1e-9", "exact = true",
        'name = "spread"', "name = 'spread'\npattern = '^spread (.+)'",
        "[resources]", "[[constraint]]\nmetric = 'spread'\nmax = 1\n[resources]",
    )  # fmt: skip
    with pytest.raises(ProblemError, match=r"constraint\[0\].metric: .*only score outputs again"):
        read_spec(files, "problem.toml")
