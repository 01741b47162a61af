from __future__ import annotations

import ast
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.domain.records import Knob
from aster.proposers.knobs import KnobError, is_knob, parse_python, read_knob, same_value, set_knob

SCALARS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]))
)
KNOBS = SCALARS | st.lists(SCALARS, max_size=4)

PLACES = [  # what stands before the literal, the literal, what stands after it, the knob's name
    ("N = ", "3", "  # how many\n", "N"),
    ("\ufeffN = ", "-3", "\r\nM = 4\r\n", "N"),
    ("é = 'ü'; N: float = ", "1e-3", "; M = 2\n", "N"),
    ("class A:\n    b: int\n    N = ", "(1, 2)", "\n\n    def N2(self): ...\n", "A.N"),
    ("class A:\n    def f(self):\n        'doc\x0c'\n        N = ", "[\n 1,  # one\n 2,\n]", "\n", "A.f.N"),
    ("async def f(a):\n    if a:\n        N = (", "'a' \n  'b'", ")\n    return a\n", "f.N"),
    ("N = ", "1, 2", "", "N"),
    ("x = '\u2028'; N = ", "True", "", "N"),
]


@pytest.mark.parametrize(("before", "literal", "after", "name"), PLACES)
@given(value=KNOBS)
def test_set_then_read_gives_the_value_and_touches_nothing_else(
    before: str, literal: str, after: str, name: str, value: Knob
) -> None:
    changed = set_knob(before + literal + after, name, value)
    found = read_knob(changed, name)
    assert found is not None
    assert same_value(found, value)
    assert changed.startswith(before)
    assert changed.endswith(after)
    written = ast.literal_eval(changed[len(before) : len(changed) - len(after)])
    assert same_value(list(written) if isinstance(written, tuple) else written, value)


@pytest.mark.parametrize(("before", "literal", "after", "name"), PLACES)
def test_setting_back_restores_the_meaning(before: str, literal: str, after: str, name: str) -> None:
    source = before + literal + after
    original = read_knob(source, name)
    assert original is not None
    again = set_knob(set_knob(source, name, 77), name, original)
    assert ast.dump(parse_python(again)) == ast.dump(parse_python(source)) or isinstance(original, list)


@pytest.mark.parametrize(
    ("literal", "value"), [("3", 3), ("-2.5", -2.5), ("+1", 1), ("'a'", "a"), ("False", False), ("(1, -2)", [1, -2])]
)
def test_reads_literals_with_their_types(literal: str, value: Knob) -> None:
    found = read_knob(f"N = {literal}", "N")
    assert found == value
    assert type(found) is type(value)


def test_a_tuple_stays_a_tuple() -> None:
    assert set_knob("N = (1, 2)\n", "N", [5]) == "N = (5,)\n"
    assert set_knob("N = [1, 2]\n", "N", [5]) == "N = [5]\n"


def test_a_list_that_was_read_is_the_callers() -> None:
    first = read_knob("N = [1, 2]", "N")
    assert isinstance(first, list)
    first.append(3)
    assert read_knob("N = [1, 2]", "N") == [1, 2]


def test_floats_are_written_in_full() -> None:
    assert set_knob("N = 1.0", "N", 0.1 + 0.2) == "N = 0.30000000000000004"


@pytest.mark.parametrize(
    "source",
    [
        "M = 1",
        "N = 1\nN = 2",
        "N = 1\nN += 1",
        "N = 1\nfor N in range(3): pass",
        "N = 1\nimport x as N",
        "N = 1\ndef N(): pass",
        "N = 1\ndef f():\n    global N\n    N = 2",
        "N = 1\ntry: pass\nexcept ValueError as N: pass",
        "N = 1\nif (N := 2): pass",
        "N = 1\ndel N",
        "N = M = 1",
        "N, M = 1, 2",
        "N: int",
        "N = None",
        "N = 1 + x",
        "N = [[1]]",
        "N = {1: 2}",
        "N = 1e999",
        "N = b'x'",
        "def f():\n    N = 1",
        "class A:\n    N = 1",
        "N = (",
        "N = 1\0",
    ],
)
def test_what_is_no_constant_is_no_knob(source: str) -> None:
    assert read_knob(source, "N") is None
    with pytest.raises(KnobError):
        set_knob(source, "N", 5)


def test_a_name_in_another_scope_does_not_count() -> None:
    source = "N = 1\ndef f(N):\n    return N\nclass A:\n    N = 2\n"
    assert read_knob(source, "N") == 1
    assert read_knob(source, "A.N") == 2
    assert set_knob(source, "N", 9) == source.replace("N = 1", "N = 9")


def test_an_argument_is_a_binding_of_its_function() -> None:
    assert read_knob("def f(N):\n    N = 1\n", "f.N") is None


def test_a_scope_defined_twice_is_ambiguous() -> None:
    assert read_knob("def f():\n    N = 1\ndef f():\n    N = 2\n", "f.N") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, [[1]], [float("nan")], "\ud800", None, b"x"])
def test_refuses_values_that_a_ledger_cannot_hold(value: object) -> None:
    assert not is_knob(value)
    with pytest.raises(KnobError, match="cannot be"):
        set_knob("N = 1", "N", value)  # type: ignore[arg-type]


def test_true_is_not_one() -> None:
    assert not same_value(True, 1)
    assert not same_value([True], [1])
    assert same_value(1, 1.0)


def test_reading_gives_no_warnings_about_style() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_knob("p = '\\d'; N = 1", "N") == 1
