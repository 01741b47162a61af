from __future__ import annotations

from pathlib import Path

import pytest
from tests.toys import toy_problem

from aster.campaign.budget import Budget, set_aside
from aster.errors import BudgetError, ProblemError
from aster.problems.problem import load_problem
from aster.rehearsal import Ground, rehearse
from aster.setup import make_setup


@pytest.mark.parametrize("total", [10, 13, 40, 100, 1000])
def test_the_parts_make_up_the_budget(tmp_path: Path, total: int) -> None:
    problem = load_problem(toy_problem(tmp_path / "toy"))
    plan = rehearse(problem, Budget(experiments=total), slots=2, campaigns=tmp_path)
    assert plan.search is not None
    assert plan.held_back is not None
    assert plan.held_back == set_aside(make_setup(problem, Budget(experiments=total), "ideas", 2, 0, None))
    assert plan.baseline + plan.search + plan.held_back == total
    assert plan.held_back >= plan.claim[0]


def test_small_budgets_tell_only_large_gains(tmp_path: Path) -> None:
    problem = load_problem(toy_problem(tmp_path / "toy"))
    small, large = (rehearse(problem, Budget(experiments=n), campaigns=tmp_path).reach for n in (13, 400))
    assert [each.pairs for each in small] == [3]
    assert [each.pairs for each in large] == [3, 10]
    assert small[-1].gain > 2 * large[-1].gain


def test_a_damaged_campaign_is_no_reason_not_to_plan(tmp_path: Path) -> None:
    (tmp_path / "campaigns" / "toy-1").mkdir(parents=True)
    (tmp_path / "campaigns" / "toy-1" / "ledger.db").write_bytes(b"no ledger")
    problem = load_problem(toy_problem(tmp_path / "toy"))
    assert rehearse(problem, Budget(experiments=40), campaigns=tmp_path / "campaigns").known is None


def test_what_could_not_be_run_is_not_planned(tmp_path: Path) -> None:
    problem = load_problem(toy_problem(tmp_path / "toy"))
    with pytest.raises(BudgetError, match="needs a budget"):
        rehearse(problem, Budget())
    for idea in (tmp_path / "toy" / "ideas").iterdir():
        idea.unlink()
    with pytest.raises(ProblemError, match="it has no ideas"):
        rehearse(load_problem(tmp_path / "toy"), Budget(experiments=40), researcher="ideas")


def test_what_each_researcher_has_to_work_on(tmp_path: Path) -> None:
    scale = {"solution/a.py": "A = 0.0\nSCALE = 2.0\nSTEPS = 30\n"}
    problem = load_problem(toy_problem(tmp_path / "toy", files=scale))

    def grounds(researcher: str | None) -> list[Ground]:
        return list(rehearse(problem, Budget(experiments=40), researcher=researcher, campaigns=tmp_path).grounds)

    ideas = [Ground("a", ideas=1, knobs=1), Ground("b", ideas=1, knobs=1)]
    constants = [Ground("constants: a.py", constants=3), Ground("constants: new code", constants=1)]  # an idea's knob
    assert grounds("ideas") == ideas
    assert grounds("tuner") == constants
    assert grounds("ideas+tuner") == [*ideas, *constants]
    assert grounds(None) == ideas
