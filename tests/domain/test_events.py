"""Events: every kind survives being stored, and only known kinds are read."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from aster.domain.events import (
    FACTS,
    AttemptLost,
    Decision,
    Event,
    Fact,
    Heartbeat,
    MergeConflicted,
    OutcomeRecorded,
    StopRequested,
    decode,
    encode,
    natural_key,
)
from aster.domain.records import Cancelled, Failed, Measured, Outcome, Result, Usage

KINDS: tuple[type[Struct], ...] = get_args(Event)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SIMPLE: dict[type, st.SearchStrategy[Any]] = {
    str: TEXT,
    float: NUMBER,
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    type(None): st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of the field type `kind`, as msgspec describes it."""
    described = msgspec.inspect.type_info(kind)
    return _values(described)


def _values(info: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    match info:
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: _values(field.type) for field in fields})
        case msgspec.inspect.UnionType(types=types):
            return st.one_of([_values(each) for each in types])
        case msgspec.inspect.LiteralType(values=choices):
            return st.sampled_from(sorted(choices, key=str))
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=3).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*map(_values, items))
        case msgspec.inspect.ListType(item_type=item):
            return st.lists(_values(item), max_size=3)
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key), _values(value), max_size=3)
        case msgspec.inspect.IntType():
            return SIMPLE[int]
        case msgspec.inspect.FloatType():
            return SIMPLE[float]
        case msgspec.inspect.StrType():
            return SIMPLE[str]
        case msgspec.inspect.BoolType():
            return SIMPLE[bool]
        case msgspec.inspect.NoneType():
            return SIMPLE[type(None)]
    raise AssertionError(f"a record has a field of a type that this test does not make: {info}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_kind_survives_being_stored(kind: type[Struct], data: st.DataObject) -> None:
    event = data.draw(values(kind))
    stored = encode(event)
    read = decode(stored)
    assert read == event
    assert type(read) is kind
    assert encode(read) == stored


def test_every_event_is_a_fact_or_a_decision() -> None:
    assert set(get_args(Fact)) == set(FACTS)
    assert set(KINDS) == set(get_args(Decision)) | set(FACTS)
    assert not set(get_args(Decision)) & set(FACTS)


def test_kinds_are_told_by_name() -> None:
    assert msgspec.json.decode(encode(StopRequested("r", "why"))) == {
        "type": "StopRequested",
        "request": "r",
        "reason": "why",
    }


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"Unheard","reason":"x"}',
        b'{"reason":"x"}',
        b'{"type":"CampaignEnded"}',
        b'{"type":"CampaignEnded","reason":7}',
        b'{"type":"CampaignEnded","reason":"x"',
        b"[]",
        b"",
    ],
    ids=["unknown kind", "no kind", "a field missing", "a wrong type", "cut short", "a list", "nothing"],
)
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(data)


def test_a_later_field_does_not_stop_an_older_reader() -> None:
    assert decode(b'{"type":"StopRequested","request":"r","reason":"why","later":1}') == StopRequested("r", "why")


def ended(attempt: str, result: Result) -> OutcomeRecorded:
    return OutcomeRecorded(Outcome(attempt, "x-1", result, "cpu", Usage(), 0.0, 1.0))


def test_an_attempt_ends_once_however_it_ends() -> None:
    endings: list[Event] = [
        ended("x-1.1", Measured({"score": 1.0})),
        ended("x-1.1", Failed("crash")),
        ended("x-1.1", Cancelled("stop")),
        AttemptLost("x-1.1", "x-1", "keeper died"),
    ]
    assert len({natural_key(event) for event in endings}) == 1


def test_different_facts_have_different_keys() -> None:
    facts: list[Event] = [
        ended("x-1.1", Failed("crash")),
        ended("x-1.2", Failed("crash")),
        MergeConflicted(("a", "b"), "solve.py"),
        MergeConflicted(("a", "c"), "solve.py"),
        Heartbeat(1, 10.0),
        Heartbeat(1, 20.0),
        Heartbeat(2, 10.0),
        StopRequested("a", ""),
        StopRequested("b", ""),
    ]
    assert len({natural_key(event) for event in facts}) == len(facts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=5, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_facts_and_only_facts_have_a_key(kind: type[Struct], data: st.DataObject) -> None:
    assert (natural_key(data.draw(values(kind))) is not None) == (kind in FACTS)
