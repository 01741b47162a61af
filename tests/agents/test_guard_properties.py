"""Whatever is done to a file line by line, what the guard lets pass has left alone all that it should."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.test_guard import SOURCE

from aster.agents.definitions import outside_change

LINES = SOURCE.split("\n")
NEW = [
    "    return 9",
    "def helper(x):",
    "def other(x):",
    "STEP = 2",
    "EXTRA = 1",
    "import sys",
    "    x = 3",
    "",
    "print(1)",
    "@cached",
]

edits = st.lists(
    st.tuples(
        st.sampled_from(["drop", "twice", "swap", "put", "over"]),
        st.integers(0, len(LINES) - 1),
        st.integers(0, len(LINES) - 1),
        st.sampled_from(NEW),
    ),
    max_size=4,
)


def edited(steps: list[tuple[str, int, int, str]]) -> str:
    lines = list(LINES)
    for what, first, second, new in steps:
        at, to = first % len(lines), second % len(lines)
        if what == "drop" and len(lines) > 1:
            del lines[at]
        elif what == "twice":
            lines.insert(to, lines[at])
        elif what == "swap":
            lines[at], lines[to] = lines[to], lines[at]
        elif what == "put":
            lines.insert(at, new)
        else:
            lines[at] = new
    return "\n".join(lines)


def outside(source: str) -> list[str]:
    """Return what is outside of the definition `improve` and no import, as it stands, with what is new left out."""
    known = {"STEP", "other", "Walk"}
    found = []
    for node in ast.parse(source).body:
        names = {getattr(node, "name", None), *(each.id for each in getattr(node, "targets", ()))}
        if names & known or isinstance(node, ast.Expr | ast.If):
            found.append(ast.dump(node))
    return found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(edits)
def test_what_passes_has_left_the_rest_as_it_was(steps: list[tuple[str, int, int, str]]) -> None:
    after = edited(steps)
    if outside_change(SOURCE.encode(), after.encode(), ("improve",)) is None:
        assert outside(after) == outside(SOURCE)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet="abc =+\n()1", max_size=40))
def test_any_body_that_parses_may_stand_in_the_definition(body: str) -> None:
    lines = "\n".join(f"    {line}" for line in ["pass", *body.split("\n")])
    after = SOURCE.replace("    return x + STEP", lines)
    try:
        ast.parse(after)
    except SyntaxError:
        return
    assert outside_change(SOURCE.encode(), after.encode(), ("improve",)) is None
