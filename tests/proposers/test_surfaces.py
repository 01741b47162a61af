"""The surface of a constant."""

from __future__ import annotations

from aster.proposers.surfaces import SurfaceMap


def test_a_problem_s_own_table_goes_first_and_definitions_before_files() -> None:
    named = SurfaceMap("solution", {"all": ["solution/*.py"], "polish": ["solution/solve.py::Solver.polish"]})
    assert named.of("solution/solve.py", "Solver.polish.STEP") == "polish"
    assert named.of("solution/solve.py", "Solver.polisher") == "all"
    assert named.of("solution/deep/x.py", "X") == "constants: deep/x.py"


def test_otherwise_a_constant_is_on_its_file_s_surface_or_its_outermost_scope_s() -> None:
    named = SurfaceMap("solution")
    assert named.of("solution/solve.py", "STEP") == "constants: solve.py"
    assert named.of("solution/solve.py", "Solver.polish.STEP") == "constants: solve.py::Solver"
