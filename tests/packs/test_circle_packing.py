"""The circle-packing problem: its evaluator against hostile files, its baseline, its ideas."""

from __future__ import annotations

import ast
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import whatthepatch
from merge3 import Merge3
from tests.packs.pack import evaluate as evaluate_in

PACK = Path(__file__).parents[2] / "packs" / "circle_packing"
EVALUATOR = PACK / "evaluate.py"
Rows = list[list[float]]
Tree = dict[str, str]


def spread_rows() -> Rows:
    """26 circles of radius 0.08 on a grid of 6 columns and 5 rows: valid, nothing touches."""
    return [[(k % 6 + 0.5) / 6, (k // 6 + 0.5) / 5, 0.08] for k in range(26)]


def evaluate(path: Path, folder: Path, *extra: str) -> dict[str, Any]:
    return evaluate_in("circle_packing", path, folder / "score.json", *extra)


def judge_text(text: str | bytes, folder: Path) -> dict[str, Any]:
    path = folder / "circles.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return evaluate(path, folder)


def with_row(index: int, row: object) -> str:
    rows: list[Any] = spread_rows()
    rows[index] = row
    return json.dumps({"circles": rows})


def raw_number(token: str) -> str:
    """The valid packing with the x of circle 0 replaced by a raw token."""
    return with_row(0, ["@", 0.1, 0.05]).replace('"@"', token)


def touching(gap: float) -> str:
    """Circles 0 and 1 with the given gap between them (negative: an overlap), far from the rest."""
    rows = spread_rows()
    rows[0], rows[1] = [0.08, 0.1, 0.0625], [0.08 + 0.125 + gap, 0.1, 0.0625]
    return json.dumps({"circles": rows})


def leaning(gap: float) -> str:
    """Circle 0 with the given gap to the left wall (negative: an overhang)."""
    return with_row(0, [0.0625 + gap, 0.1, 0.0625])


INVALID: dict[str, tuple[str | bytes, str]] = {
    "nan": (raw_number("NaN"), "NaN"),
    "infinity": (raw_number("Infinity"), "Infinity"),
    "minus-infinity": (raw_number("-Infinity"), "-Infinity"),
    "1e400": (raw_number("1e400"), "x of circle 0 is not finite"),
    "huge-integer": (raw_number("1" + "0" * 400), "x of circle 0 lies far outside"),
    "integer-of-5000-digits": (raw_number("1" * 5000), "not valid JSON"),
    "minus-1e308": (raw_number("-1e308"), "x of circle 0 lies far outside"),
    "boolean": (raw_number("true"), "x of circle 0 is not a number"),
    "null": (raw_number("null"), "x of circle 0 is not a number"),
    "string": (raw_number('"0.1"'), "x of circle 0 is not a number"),
    "list-for-number": (raw_number("[0.1]"), "x of circle 0 is not a number"),
    "leading-zero": (raw_number("01"), "not valid JSON"),
    "overlap-2e-9": (touching(-2e-9), "Circles 0 and 1 overlap by 2.000e-09"),
    "overhang-2e-9": (leaning(-2e-9), "Circle 0 reaches 2.000e-09 outside"),
    "overlap-large": (with_row(1, spread_rows()[0]), "Circles 0 and 1 overlap by 1.600e-01"),
    "outside": (with_row(3, [1.5, 0.5, 0.01]), "Circle 3 reaches"),
    "point-inside-circle": (with_row(1, [0.1, 0.1, 0]), "Circles 0 and 1 overlap"),
    "negative-radius": (with_row(5, [0.5, 0.5, -0.01]), "radius of circle 5 is negative"),
    "25-circles": (json.dumps({"circles": spread_rows()[:25]}), "there are 25"),
    "27-circles": (json.dumps({"circles": [*spread_rows(), [0.5, 0.9, 0.01]]}), "there are 27"),
    "no-circles": ('{"circles": []}', "there are 0"),
    "two-numbers": (with_row(2, [0.5, 0.1]), "Circle 2 must be"),
    "four-numbers": (with_row(2, [0.5, 0.1, 0.01, 0]), "Circle 2 must be"),
    "row-is-object": (with_row(2, {"x": 0.5}), "Circle 2 must be"),
    "row-is-string": (with_row(2, "abc"), "Circle 2 must be"),
    "circles-is-object": ('{"circles": {"0": [0.5, 0.5, 0.1]}}', "must be a list"),
    "extra-key": (json.dumps({"circles": spread_rows(), "sum_of_radii": 3}), "single key"),
    "repeated-key": ('{"circles": [], "circles": []}', "repeated key"),
    "repeated-key-inside": (with_row(2, "@").replace('"@"', '{"a": 1, "a": 2}'), "repeated key"),
    "top-level-list": (json.dumps(spread_rows()), "single key"),
    "top-level-number": ("2.7", "single key"),
    "empty": ("", "not valid JSON"),
    "two-documents": ('{"circles": []} {"circles": []}', "not valid JSON"),
    "deep-lists": ("[" * 60_000, "too deeply"),
    "deep-objects": ('{"circles":' * 5_000, "too deeply"),
    "not-utf-8": (b'{"circles": "\xff"}', "not valid JSON"),
    "byte-order-mark": (b"\xef\xbb\xbf" + json.dumps({"circles": spread_rows()}).encode(), "not valid JSON"),
    "nul-bytes": (b"\0" * 100, "not valid JSON"),
    "surrogate": ('{"\\ud800": 1}', "single key"),
    "64-KiB-and-one": (json.dumps({"circles": spread_rows()}).ljust(64 * 1024 + 1), "larger than"),
}


@pytest.mark.parametrize("name", INVALID)
def test_evaluator_rejects(name: str, tmp_path: Path) -> None:
    text, message = INVALID[name]
    report = judge_text(text, tmp_path)
    assert list(report) == ["invalid"]
    assert message in report["invalid"]


def _missing(path: Path) -> None:
    pass


def _folder(path: Path) -> None:
    path.mkdir()


def _symlink(path: Path) -> None:
    target = path.with_name("target.json")
    target.write_text(json.dumps({"circles": spread_rows()}))
    path.symlink_to(target)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # sparse


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "cannot be opened"),
        (_folder, "not a regular file"),
        (_symlink, "cannot be opened"),
        (os.mkfifo, "not a regular file"),
        (_huge, "larger than"),
    ],
)
def test_evaluator_rejects_files_that_are_not_plain(make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "circles.json"
    make(path)
    assert message in evaluate(path, tmp_path)["invalid"]


def test_a_valid_packing_loses_nothing(tmp_path: Path) -> None:
    report = judge_text(json.dumps({"circles": spread_rows()}), tmp_path)
    assert report["sum_of_radii"] == pytest.approx(26 * 0.08, abs=1e-15)
    assert report["radius_spread"] == pytest.approx(0, abs=1e-15)
    assert (report["contacts"], report["wall_circles"]) == (0, 0)


@pytest.mark.parametrize("text", [touching(-0.5e-9), leaning(-0.5e-9)])
def test_half_the_tolerance_is_accepted_but_earns_nothing(text: str, tmp_path: Path) -> None:
    report = judge_text(text, tmp_path)
    total = math.fsum(row[2] for row in json.loads(text)["circles"])
    reduction = 0.25e-9 if text == touching(-0.5e-9) else 0.5e-9
    assert report["sum_of_radii"] == pytest.approx(total - 26 * reduction, abs=1e-13)


@pytest.mark.parametrize(
    ("past", "accepted"), [(-1e-9 + 1e-16, True), (-1e-9 - 1e-16, False), (-(2**-30), True), (0.0, True)]
)
def test_the_tolerance_is_decided_exactly(past: float, accepted: bool, tmp_path: Path) -> None:
    """A radius of 1/8 at x = 1/8 + past; the doubles near 1/8 lie 3e-17 apart."""
    rows = [[0.5, 0.5, 0.0]] * 25
    report = judge_text(json.dumps({"circles": [[0.125 + past, 0.125, 0.125], *rows]}), tmp_path)
    assert ("invalid" not in report) == accepted


def test_integers_and_points_are_fine(tmp_path: Path) -> None:
    report = judge_text(json.dumps({"circles": [[0, 1, 0]] * 26}), tmp_path)
    assert report["sum_of_radii"] == 0


def test_the_picture_is_well_formed(tmp_path: Path) -> None:
    path = tmp_path / "circles.json"
    path.write_text(touching(0.0))
    evaluate(path, tmp_path, "--pictures", str(tmp_path / "pictures"))
    text = (tmp_path / "pictures" / "packing.svg").read_text()
    # Parsed only for its tags: the text was written by our own evaluator.
    assert text.startswith("<svg ")
    assert text.rstrip().endswith("</svg>")
    assert text.count("<circle ") == 26
    assert not re.search(r"nan|inf\b|#-", text)


# The solution


def read_tree() -> Tree:
    """The baseline: path relative to the problem folder -> text."""
    files = sorted((PACK / "solution").rglob("*.py"))
    return {path.relative_to(PACK).as_posix(): path.read_text() for path in files}


def write_tree(tree: Tree, folder: Path) -> Path:
    for name, text in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "solution"


@contextmanager
def imported(folder: Path, name: str) -> Iterator[ModuleType]:
    """A module of a solution folder; its modules are forgotten afterwards."""
    before, path, environment = set(sys.modules), list(sys.path), dict(os.environ)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(name)
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
        for key in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[key], "__file__", "")):
                del sys.modules[key]


@cache
def evaluator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("circle_packing_evaluate", EVALUATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def solved(tree: Tree, folder: Path, seed: int = 0) -> float:
    """The score of a solution tree, solved in this process; asserts that it is valid."""
    with imported(write_tree(tree, folder), "solve") as solve:
        packing = solve.solve(seed)
    rows = [[*map(float, c), float(r)] for c, r in zip(packing.centres, packing.radii, strict=True)]
    path = folder / "circles.json"
    path.write_text(json.dumps({"circles": rows}))
    score, _ = evaluator().judge(str(path))
    assert "invalid" not in score, score
    assert score["sum_of_radii"] == pytest.approx(packing.total, abs=1e-12)
    return float(score["sum_of_radii"])


def test_the_baseline_is_valid_modest_and_deterministic(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a.json", "0"), ("b.json", "0"), ("c.json", "1")):
        command = [sys.executable, "-B", "solution/solve.py", "--out", str(tmp_path / name), "--seed", seed]
        subprocess.run(command, cwd=PACK, check=True, capture_output=True, timeout=20)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1] != texts[2]
    assert 2.0 < evaluate(tmp_path / "a.json", tmp_path)["sum_of_radii"] < 2.4


def test_problem_file_names_what_exists() -> None:
    problem = tomllib.loads((PACK / "problem.toml").read_text())
    assert problem["problem"]["name"] == "circle-packing"
    metrics = {metric["name"] for metric in problem["metric"]}
    assert set(problem["archive"]["descriptors"]) <= metrics
    rows = [evaluator().Circle(*row) for row in spread_rows()]
    assert set(evaluator().describe(rows)) == metrics
    assert (PACK / problem["problem"]["statement"]).is_file()


# The ideas


class Idea(NamedTuple):
    """One file of ideas/: its front matter, its prose, its diff."""

    meta: dict[str, Any]
    prose: str
    diff: str


@cache
def ideas() -> dict[str, Idea]:
    found = {}
    for path in sorted((PACK / "ideas").glob("*.md")):
        _, front, body = path.read_text().split("+++\n", 2)
        match = re.fullmatch(r"(.*?)```diff\n(.*?)```\n", body, re.DOTALL)
        assert match is not None, path.name
        found[path.stem] = Idea(tomllib.loads(front), match[1].strip(), match[2])
    return found


IDEAS = sorted(path.stem for path in (PACK / "ideas").glob("*.md"))


def patch(tree: Tree, diff: str) -> Tree:
    """The tree with a unified diff applied exactly."""
    result = dict(tree)
    for part in whatthepatch.parse_patch(diff):
        new = part.header.new_path.removeprefix("b/")
        if part.header.old_path == "/dev/null":
            assert new not in result
            lines = [change.line for change in part.changes]
        else:
            old = result[part.header.old_path.removeprefix("a/")]
            lines = whatthepatch.apply_diff(part, old.splitlines())
        result[new] = "\n".join(lines) + "\n"
    return result


@cache
def trees(name: str) -> tuple[Tree, Tree]:
    """What an idea's diff is made against, and what it makes of that."""
    base = read_tree()
    for required in ideas()[name].meta["requires"]:
        base = trees(required)[1]
    return base, patch(base, ideas()[name].diff)


def compose(names: tuple[str, ...]) -> Tree | None:
    """The merge of several ideas in their canonical order; None when two of them conflict."""
    ordered: list[str] = []
    for name in sorted(names):
        ordered += [n for n in (*ideas()[name].meta["requires"], name) if n not in ordered]
    result = read_tree()
    for base, patched in map(trees, ordered):
        for path in patched:
            before, ours = base.get(path, ""), result.get(path, "")
            if before == patched[path]:
                result.setdefault(path, before)
                continue
            merge = Merge3(before.splitlines(True), ours.splitlines(True), patched[path].splitlines(True))
            if any(group[0] == "conflict" for group in merge.merge_groups()):
                return None
            result[path] = "".join(merge.merge_lines())
    return result


def constants(text: str) -> dict[str, list[Any]]:
    """The literals that module-level names are assigned, in order."""
    found: dict[str, list[Any]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                assert isinstance(target, ast.Name)
                found.setdefault(target.id, []).append(node.value.value)
    return found


def quick(tree: Tree) -> Tree:
    """The tree with few hops, so that it runs in a fraction of a second."""
    search = re.sub(r"^HOPS = \d+", "HOPS = 4", tree["solution/search.py"], flags=re.MULTILINE)
    return {**tree, "solution/search.py": search}


def test_there_are_ideas_on_many_surfaces() -> None:
    assert len(ideas()) >= 10
    assert len({idea.meta["surface"] for idea in ideas().values()}) >= 6


@pytest.mark.parametrize("name", IDEAS)
def test_idea_states_its_case(name: str) -> None:
    meta, prose, diff = ideas()[name]
    assert meta["name"] == name
    assert meta["title"]
    assert meta["source"]
    assert meta["predicts"] >= 0
    assert len(prose) > 150
    assert diff.startswith("--- ")
    others = {*meta["requires"], *meta["conflicts"], *meta.get("resolves", [])}
    assert others <= {other for other in ideas() if "+" not in other} - {name}
    if "resolves" in meta:
        assert "+".join(sorted(meta["resolves"])) == name
    assert not re.search(r"\d\.\d{5,}", diff), "a packing's coordinates do not belong in an idea"


@pytest.mark.parametrize("name", IDEAS)
def test_idea_knobs_resolve_to_constants(name: str) -> None:
    _, patched = trees(name)
    for knob in ideas()[name].meta.get("knob", []):
        path, _, constant = knob["name"].partition("::")
        values = constants(patched[path])[constant]
        assert len(values) == 1, f"{constant} is assigned more than once"
        assert values[0] in knob["values"]
        assert len(knob["values"]) >= 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", IDEAS)
def test_idea_runs_and_is_valid(name: str, tmp_path: Path) -> None:
    base, patched = trees(name)
    assert base != patched
    assert 1.0 < solved(quick(patched), tmp_path) < 2.636


def test_conflicts_are_declared_or_resolved_and_the_rest_merges() -> None:
    ordinary = [name for name in IDEAS if "+" not in name]
    resolved = {tuple(ideas()[name].meta["resolves"]) for name in IDEAS if "+" in name}
    assert resolved
    for pair in combinations(ordinary, 2):
        declared = pair[1] in ideas()[pair[0]].meta["conflicts"]
        assert declared == (pair[0] in ideas()[pair[1]].meta["conflicts"])
        needed = {*pair, *ideas()[pair[0]].meta["requires"], *ideas()[pair[1]].meta["requires"]}
        excused = any(needed.issuperset(parts) for parts in resolved)  # a hand-made resolution takes their place
        assert (compose(pair) is None) == (declared or excused), pair
        assert not (declared and pair in resolved)


@pytest.mark.filterwarnings("ignore")
def test_a_combination_beats_its_parts(tmp_path: Path) -> None:
    names = ("lp-radii", "mirror-half", "sequential-lp", "shake-all", "several-chains", "staggered-rows")
    tree = compose(names)
    assert tree is not None
    assert solved(quick(tree), tmp_path) > 2.5


@pytest.mark.parametrize(("path", "text", "code"), [("moves/nudge.py", "1 +", 1), ("search.py", None, 0)])
def test_the_check_tells_a_broken_solution(path: str, text: str | None, code: int, tmp_path: Path) -> None:
    problem = tomllib.loads((PACK / "problem.toml").read_text())
    [stage] = [each for each in problem["stage"] if each.get("quick")]
    shutil.copytree(PACK / "solution", tmp_path / "solution")
    if text is not None:
        (tmp_path / "solution" / path).write_text(text)
    command = [word.replace("{seed}", "7") for word in stage["command"][1:]]
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (code, ""), done.stderr  # it says nothing that could pass for a score


def test_the_check_has_the_seed_of_the_run() -> None:
    problem = tomllib.loads((PACK / "problem.toml").read_text())
    check, run = (" ".join(each["command"]) for each in problem["stage"][:2])
    assert "solve.solve({seed})" in check
    assert run.endswith("--seed {seed}")
