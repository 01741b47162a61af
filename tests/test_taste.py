"""Taste as tests: what a reviewer would otherwise say again and again."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("taste")  # the syntax trees are made once, not once a worker

ROOT = Path(__file__).resolve().parents[1]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
OURS = [
    *SOURCE,
    *TESTS,
    *(path for room in ("benchmarks", "examples", "scripts") for path in (ROOT / room).glob("*.py")),
]

MODULE_LINES, FUNCTION_LINES = 400, 60
MOST_BYTES = 12 << 20
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def here(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


@cache
def tracked() -> dict[str, Path]:
    """Return the files that git tracks or would track, by path; without git, those of the rooms that we know."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        rooms = ("src", "packs", "tests", "docs", "examples", "benchmarks", "scripts")
        found = [path for room in rooms for path in (ROOT / room).rglob("*") if "__pycache__" not in path.parts]
        return {path.relative_to(ROOT).as_posix(): path for path in [*found, *ROOT.glob("*.*")] if path.is_file()}
    return {name: ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()}


# --- size ----------------------------------------------------------------------------------------------------


def test_modules_are_short() -> None:
    long = [p.relative_to(ROOT).as_posix() for p in SOURCE if len(p.read_bytes().splitlines()) >= MODULE_LINES]
    assert not long, f"modules of {MODULE_LINES} lines or more: cut them where a second idea begins"


def test_functions_are_short() -> None:
    long = [
        f"{here(path, node)} {node.name}"
        for path in SOURCE
        for node in functions(path)
        if (node.end_lineno or node.lineno) - node.lineno + 1 >= FUNCTION_LINES
    ]
    assert not long


def test_the_tree_is_small() -> None:
    assert 0 < sum(path.stat().st_size for path in tracked().values()) < MOST_BYTES


# --- what code says ------------------------------------------------------------------------------------------


def broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes whatever comes."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(each is None or ast.unparse(each) in ("Exception", "BaseException") for each in caught)


def test_broad_excepts_say_why() -> None:
    silent = []
    for path in OURS:
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and broad(node) and not reraises(node):
                comment = lines[node.lineno - 1].partition("#")[2]
                reason = re.sub(r"noqa(: ?[A-Z0-9, ]+)?", "", comment).strip(" -:")
                if not reason:
                    silent.append(here(path, node))
    assert not silent, "a broad except has its reason in a comment on its line"


def reraises(handler: ast.ExceptHandler) -> bool:
    """Whether a handler only tidies up: its last word is a bare `raise`."""
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def test_public_things_have_docstrings() -> None:
    bare = [name for path in SOURCE for name in undocumented(tree(path), path.relative_to(ROOT).as_posix())]
    assert not bare


@cache
def seams() -> frozenset[str]:
    """Return the names of the methods that protocols document; who implements one need not say it again."""
    protocols = [
        node
        for path in SOURCE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
    ]
    return frozenset(m.name for p in protocols for m in p.body if isinstance(m, Function) and ast.get_docstring(m))


def undocumented(node: ast.Module | ast.ClassDef, where: str, inherits: bool = False) -> Iterator[str]:
    """Yield public modules, classes, functions and methods without a docstring.

    Free of one: private names, tests, overrides in a class that inherits, methods that a protocol documents, records
    whose fields speak, what has one statement, and a module that holds nothing.
    """
    if isinstance(node, ast.Module) and node.body and ast.get_docstring(node) is None:
        yield where
    for child in node.body:
        if not isinstance(child, ast.ClassDef | Function) or child.name.startswith("_"):
            continue
        name = f"{where}:{child.lineno} {child.name}"
        if isinstance(child, ast.ClassDef):
            if ast.get_docstring(child) is None and not is_record(child):
                yield name
            yield from undocumented(child, name, inherits=bool(child.bases))
        elif ast.get_docstring(child) is None and not (inherits or len(child.body) == 1 or is_known(child, node)):
            yield name


def is_known(function: Function, owner: ast.Module | ast.ClassDef) -> bool:
    """Whether a function's name says it all: a test's, or a method's that a protocol documents."""
    return function.name.startswith("test_") or (isinstance(owner, ast.ClassDef) and function.name in seams())


def is_record(node: ast.ClassDef) -> bool:
    """Whether a class has nothing but annotated fields."""
    return all(isinstance(child, ast.AnnAssign | ast.Pass) for child in node.body)


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in OURS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert not left


def test_nothing_is_unimplemented() -> None:
    name = "NotImplemented" + "Error"
    names = [here(p, n) for p in OURS for n in ast.walk(tree(p)) if isinstance(n, ast.Name) and n.id == name]
    assert not names


# --- tests ---------------------------------------------------------------------------------------------------


def test_tests_can_fail() -> None:
    asserting = asserting_functions()
    toothless = [
        f"{here(path, node)} {node.name}"
        for path in TESTS
        for node in functions(path)
        if node.name.startswith("test_") and not (asserts(node) or called(node) & asserting)
    ]
    assert not toothless, "a test without an assertion"


def asserts(node: ast.AST) -> bool:
    """Whether there is an `assert`, or a pytest.raises, warns or fail, somewhere inside."""
    return any(
        isinstance(each, ast.Assert)
        or (isinstance(each, ast.Attribute) and ast.unparse(each) in ("pytest.raises", "pytest.warns", "pytest.fail"))
        for each in ast.walk(node)
    )


def called(node: ast.AST) -> set[str]:
    """Return the last names of everything that is called inside."""
    found = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in found}


def asserting_functions() -> set[str]:
    """Return the names of helpers that assert, or that call one that does."""
    helpers = {
        node.name: node
        for path in [*TESTS, *(ROOT / "src" / "aster" / "testing").glob("*.py")]
        for node in functions(path)
        if not node.name.startswith("test_")
    }
    found = {name for name, node in helpers.items() if asserts(node)}
    while more := {name for name, node in helpers.items() if name not in found and called(node) & found}:
        found |= more
    return found


# --- what stands beside the code -----------------------------------------------------------------------------


def test_the_changelog_has_a_place_for_changes() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## Unreleased\n\n(?!## )", changelog, flags=re.MULTILINE)


def test_the_readme_begins_with_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = readme.split("```")[1].splitlines()[1:]
    assert [line.partition("#")[0].strip() for line in first if line.strip()] == [
        "make demo",
        "pip install . && aster run circle-packing --experiments 60 --seed 1",
    ]
    assert readme.index("```") < 700, "something stands before them"
    assert re.search(r"^demo:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert "docs/figures/circle-packing.png" in readme
    assert (ROOT / "docs" / "figures" / "circle-packing.png").is_file()


PRIVATE = {
    "a package registry's host": re.compile(rb"files\.python" + rb"hosted\.org|pypi" + rb"\.org/simple|index-url *="),
    "somebody's machine": re.compile(
        rb"(?<![\w.~*}-])/(home/[a-z]\w*|root|work|Users/\w+)(?=[/\s\"'`]|$)", re.MULTILINE
    ),
}


@pytest.mark.parametrize("what", PRIVATE)
def test_no_file_names(what: str) -> None:
    assert tracked(), "nothing to look at"
    naming = [name for name, path in tracked().items() if PRIVATE[what].search(path.read_bytes())]
    assert not naming, f"files that name {what}"


def test_the_search_for_private_names_finds_them() -> None:
    machine, registry = PRIVATE["somebody's machine"], PRIVATE["a package registry's host"]
    for text in (b"see /ro" + b"ot/x", b'"/ho' + b'me/ann/a.py"', b"/wo" + b"rk/main\n", b"in /Us" + b"ers/ann"):
        assert machine.search(text), text
    assert registry.search(b"https://files.python" + b"hosted.org/packages")
    for text in (b"attempt/work/solution", b"{folder}/wo" + b"rk", b"the /rooted tree", b"~/home/ann/x"):
        assert not machine.search(text), text


def test_tests_of_one_group_run_in_one_process(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):  # set in a worker by --dist loadgroup
        pytest.skip("tests are not sent out in groups")
    assert request.node.nodeid.endswith("@taste")
