from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aster.domain.records import Objective
from aster.errors import ProblemError
from aster.problems import problem as module
from aster.problems.problem import builtin_packs, load_problem, problem_from_files

Files = dict[str, bytes]


@pytest.fixture
def packs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of built-in problems with one in it, called small-pack."""
    home = folder.parent / "packs"
    home.mkdir()
    folder.rename(home / "small_pack")
    (home / "not_a_problem").mkdir()
    monkeypatch.setattr(module, "_places", lambda: [home])
    return home


def test_the_views_of_a_problem(files: Files) -> None:
    problem = problem_from_files(files, "here")
    assert problem.objective == Objective("total", "maximize", 1e-9, False)
    assert set(problem.solution_files) == {"solution/solve.py", "solution/lib/more.py", "solution/data.txt"}
    assert set(problem.editable_files) == {"solution/solve.py", "solution/lib/more.py"}
    assert set(problem.frozen_solution_files) == {"solution/data.txt"}
    assert set(problem.trusted_files) == {"problem.toml", "README.md", "evaluate.py", "solution/data.txt"}
    assert problem.idea_files == {"ideas/one.md": "+++\n+++\n"}
    assert problem.statement_text == "Make the total large.\n"
    assert "solution/new.py" in problem.editable
    assert "solution/new.txt" not in problem.editable


def test_a_problem_is_a_snapshot(files: Files) -> None:
    problem = problem_from_files(files, "here")
    files["README.md"] = b"changed"
    assert problem.statement_text == "Make the total large.\n"
    with pytest.raises(TypeError):
        problem.files["README.md"] = b"changed"  # type: ignore[index]


def test_texts_must_be_utf8(files: Files) -> None:
    problem = problem_from_files({**files, "README.md": b"\xff", "ideas/one.md": b"\xff"}, "here")
    with pytest.raises(ProblemError, match=r"here/README\.md: is not UTF-8"):
        _ = problem.statement_text
    with pytest.raises(ProblemError, match=r"here/ideas/one\.md: is not UTF-8"):
        _ = problem.idea_files


@pytest.mark.parametrize("suffix", ["", "problem.toml"])
def test_loads_a_folder_or_its_problem_toml(folder: Path, files: Files, suffix: str) -> None:
    problem = load_problem(folder / suffix)
    assert dict(problem.files) == files
    assert problem.source == str(folder)


def test_loads_a_relative_folder_as_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert load_problem(".").spec.problem.name == "small"
    assert load_problem("problem.toml").source == "."
    (folder / "problem.toml").write_text("x")
    with pytest.raises(ProblemError, match=r"^problem\.toml: is not valid TOML"):
        load_problem(".")


@pytest.mark.parametrize("name", ["small-pack", "small_pack"])
def test_loads_a_built_in_problem_by_name(packs: Path, name: str) -> None:
    assert builtin_packs() == ["small-pack"]
    assert load_problem(name).source == name


def test_a_folder_of_the_same_name_wins_only_with_a_problem_toml(
    packs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small-pack").mkdir()
    assert "README.md" in load_problem("small-pack").files
    (tmp_path / "small-pack/problem.toml").write_text("broken")
    with pytest.raises(ProblemError, match=r"small-pack/problem\.toml"):
        load_problem("small-pack")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("smal-pack", r'did you mean "small-pack"\? \(built-in problems: small-pack\)'),
        ("zzz", r"no such folder and no such built-in problem \(built-in problems: small-pack\)"),
        ("empty", r"is a folder without a problem\.toml"),
        ("file.txt", r"is neither a problem folder nor its problem\.toml"),
    ],
)
def test_says_what_there_is_instead(
    packs: Path, name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(ProblemError, match=f"^{name}: .*{why}"):
        load_problem(name)


def test_files_without_problem_toml() -> None:
    with pytest.raises(ProblemError, match=r"here: has no problem\.toml"):
        problem_from_files({}, "here")


def test_the_built_in_problems_are_in_order() -> None:
    for name in builtin_packs():
        problem = load_problem(name)
        assert problem.spec.problem.name == name
        assert problem.statement_text
        assert problem.editable_files


def test_errors_of_a_snapshot_are_raised_too(toml: Callable[..., Files]) -> None:
    with pytest.raises(ProblemError, match=r"snapshot/problem\.toml: metric\[0\]\.goal"):
        problem_from_files(toml('goal = "maximize"', ""), "snapshot")
