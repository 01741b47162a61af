from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from msgspec.structs import replace
from pydantic import BaseModel, Field

from aster.agents.converse import MOST_CALLS, Misuse, Place, Submit, Tool, converse, read_arguments, schema_of
from aster.agents.protocol import Spent, Unanswered
from aster.domain.research import Allowance, Assignment
from aster.llm.protocol import Returned, Said, Told
from aster.testing.desks import Answer, FakeDesk, says, scripted


class Add(BaseModel):
    first: int
    second: int = 1


class Item(BaseModel):
    title: str
    kind: Literal["a", "b"] = "a"


class Done(BaseModel):
    total: int = Field(ge=0, description="the sum")
    items: list[Item] = []


ASSIGNMENT = Assignment("a-1", "subagent", "fake:one", Allowance(20, 100_000, 3), "i", "b")


class Adding:
    """Tools that add up, with a record of what ran."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, Place]] = []

    def tools(self) -> list[Tool[Add]]:
        return [
            Tool("add", "Adds.", Add, self._add),
            Tool("look", "Looks.", Add, self._look, outside=True),
        ]

    async def _add(self, args: Add, place: Place) -> str:
        self.ran.append(("add", place))
        if args.first == 13:
            raise Misuse("13 cannot be added")
        return str(args.first + args.second)

    async def _look(self, args: Add, place: Place) -> str:
        self.ran.append(("look", place))
        if args.first == 13:
            raise Misuse("13 cannot be looked at")
        return f"seen {args.first}"


def run(desk: FakeDesk, adding: Adding | None = None, *, turns: int = 10, submit: Submit[Done] | None = None) -> Done:
    tools = (adding or Adding()).tools()
    submit = submit or Submit("finish", "Ends it.", Done)
    return asyncio.run(converse(desk, "a-1", "subagent", "I", "B", tools, submit, most_turns=turns, max_output=1000))


def desk_of(answer: Answer) -> FakeDesk:
    return FakeDesk(ASSIGNMENT, answer)


def test_calls_of_one_reply_run_in_order_and_their_results_go_back_in_order() -> None:
    desk = desk_of(scripted(says(("add", {"first": 2}), ("look", {"first": 5})), says(("finish", {"total": 3}))))
    adding = Adding()
    assert run(desk, adding) == Done(total=3)
    assert [name for name, _ in adding.ran] == ["add", "look"]
    assert desk.calls[1].prompt.messages[-2:] == (
        Returned("call-1", "add", "3"),
        Returned("call-2", "look", "seen 5"),
    )
    assert desk.steps == {("a-1", 1, 2): "seen 5"}


def test_what_a_tool_cannot_do_goes_back_and_the_conversation_goes_on() -> None:
    wrong = says(
        ("add", {"first": 13}), ("nothing", {}), ("add", {"second": "x"}), ("add", '{"first": 1'), ("add", "[]")
    )
    desk = desk_of(scripted(wrong, says(("finish", {"total": 1}))))
    run(desk)
    texts = [each.text for each in desk.calls[1].prompt.messages if isinstance(each, Returned)]
    assert texts[0] == "Error: 13 cannot be added"
    assert "add, look, finish" in texts[1]
    assert "first: Field required" in texts[2]
    assert "second: Input should be a valid integer" in texts[2]
    assert "not valid JSON" in texts[3]
    assert "object" in texts[4]


def test_a_failing_outside_tool_is_recorded_too() -> None:
    desk = desk_of(scripted(says(("look", {"first": 13})), says(("finish", {"total": 1}))))
    run(desk)
    assert desk.steps == {("a-1", 1, 1): "Error: 13 cannot be looked at"}


def test_a_submission_that_does_not_validate_goes_back() -> None:
    desk = desk_of(scripted(says(("finish", {"total": -1})), says(("finish", {"total": 1, "items": [{"title": "t"}]}))))
    assert run(desk).items == [Item(title="t")]
    assert "total: Input should be greater than or equal to 0" in desk.told()[1]


def test_a_submission_that_is_not_accepted_goes_back() -> None:
    async def check(done: Done, place: Place) -> None:
        if done.total < 5:
            raise Misuse(f"{done.total} is too little")

    desk = desk_of(scripted(says(("finish", {"total": 1})), says(("finish", {"total": 7}))))
    assert run(desk, submit=Submit("finish", "Ends it.", Done, check)).total == 7
    assert "1 is too little" in desk.told()[1]


def test_calls_behind_the_submission_are_not_carried_out() -> None:
    adding = Adding()
    run(desk_of(scripted(says(("finish", {"total": 1}), ("add", {"first": 1})))), adding)
    assert adding.ran == []


def test_a_reply_without_a_call_is_reminded_and_the_next_one_must_call() -> None:
    desk = desk_of(scripted(Said("Hm."), Said("Well."), says(("add", {"first": 1})), says(("finish", {"total": 1}))))
    run(desk)
    assert [each.prompt.must_call for each in desk.calls] == [False, True, True, False]
    assert "end your work by calling finish" in desk.told()[1]


def test_a_model_that_never_calls_a_tool_does_not_answer() -> None:
    desk = desk_of(lambda asked: Said("I would rather talk."))
    with pytest.raises(Unanswered, match="3 times in a row"):
        run(desk)
    assert len(desk.calls) == 3


def test_the_model_is_told_when_its_turns_end_and_then_it_is_over() -> None:
    desk = desk_of(lambda asked: says(("add", {"first": 1})))
    with pytest.raises(Spent, match="in 4 turns"):
        run(desk, turns=4)
    assert "3 replies left" in desk.told()[1]
    assert "the last one" in desk.told()[3]
    assert len(desk.calls) == 4


def test_the_model_is_told_when_its_tokens_end() -> None:
    desk = FakeDesk(replace(ASSIGNMENT, allowance=Allowance(20, 12_000)), lambda asked: says(("add", {"first": 1})))
    with pytest.raises(Spent):
        run(desk, turns=20)
    warned = [number for number, told in enumerate(desk.told()) if "replies left" in told]
    assert warned == [8]
    assert all("the last one" in told for told in desk.told()[9:])


def test_lists_written_as_text_and_nulls_are_taken_for_what_they_mean() -> None:
    desk = desk_of(
        scripted(says(("add", {"first": 1, "second": None}), ("finish", {"total": 1, "items": '[{"title": "t"}]'})))
    )
    assert run(desk).items == [Item(title="t")]
    assert read_arguments(Add, '{"first": 1, "second": null}') == Add(first=1)
    for wrong in ('{"total": 1, "items": "[{"}', '{"total": 1, "items": "[1]"}', '{"total": null}', '"[]"', "[]"):
        with pytest.raises(Misuse):
            read_arguments(Done, wrong)


def test_a_reply_with_very_many_calls_is_bounded() -> None:
    adding = Adding()
    desk = desk_of(scripted(says(*[("add", {"first": 1})] * 40), says(("finish", {"total": 1}))))
    run(desk, adding)
    assert len(adding.ran) == MOST_CALLS
    assert sum(isinstance(each, Returned) for each in desk.calls[1].prompt.messages) == 40


def test_run_again_it_takes_everything_from_the_desk() -> None:
    desk = desk_of(scripted(says(("look", {"first": 2})), Said("Hm."), says(("finish", {"total": 3}))))
    first, again = Adding(), Adding()
    assert run(desk, first) == run(desk, again)
    assert [name for name, _ in first.ran] == ["look"]
    assert again.ran == []
    assert len(desk.calls) == 3


def test_schemas_hold_no_references_and_no_titles() -> None:
    class Titled(BaseModel):
        title: str
        parts: list[Item] = []

    schema = schema_of(Titled)
    assert schema["properties"]["title"] == {"type": "string"}
    assert "$ref" not in str(schema)
    assert schema["properties"]["parts"]["items"]["properties"]["kind"]["enum"] == ["a", "b"]


def test_the_first_request_holds_instructions_brief_and_all_tools() -> None:
    desk = desk_of(scripted(says(("finish", {"total": 1}))))
    run(desk)
    prompt = desk.calls[0].prompt
    assert (prompt.instructions, prompt.messages, prompt.max_output) == ("I", (Told("B"),), 1000)
    assert [tool.name for tool in prompt.tools] == ["add", "look", "finish"]
