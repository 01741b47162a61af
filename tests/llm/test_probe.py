"""Each kind of call is tried, and what fails is said with the reason why it matters."""

from __future__ import annotations

import asyncio
import re

import pytest

from aster.domain.research import ModelChoice
from aster.llm.probe import CONTEXT, WORD, Probe, Probed
from aster.llm.protocol import Prompt, Refusal, Reply, Returned, Said, Told, Unknown
from aster.testing.clients import Answer, ScriptedClient, calls, says

MODEL = ModelChoice("openai:fake")


def able(prompt: Prompt) -> Reply:
    """A model that can do all of it."""
    last = prompt.messages[-1]
    if isinstance(last, Returned):
        return calls(prompt, ("read_file", {"path": "plan.md"})) if "not JSON" in last.text else says(prompt, last.text)
    assert isinstance(last, Told)
    if prompt.tools and prompt.tools[0].name == "submit":
        parts = [{"name": "a", "expected": 1}, {"name": "b", "expected": 0.5}]
        return calls(prompt, ("submit", {"title": "try", "parts": parts}))
    if prompt.tools:
        return calls(prompt, *(("read_file", {"path": path}) for path in re.findall(r"\w+\.md", last.text)))
    return says(prompt, WORD if "Remember" in last.text else "ready")


def probed(answer: Answer) -> dict[str, Probed]:
    heard: list[Probed] = []
    found = asyncio.run(Probe(ScriptedClient(answer), MODEL).run(heard.append))
    assert found == heard
    return {each.what: each for each in found}


def test_a_model_that_can_do_it_all_works_throughout() -> None:
    found = probed(able)
    assert {each.verdict for each in found.values()} == {"works"}, found
    assert list(found) == ["words", "tools", "results", "typed", "parallel", "mended", "together", "length", "counts"]
    assert not any(each.why for each in found.values())


def test_a_model_that_cannot_be_asked_is_asked_once() -> None:
    asked: list[Prompt] = []

    def answer(prompt: Prompt) -> Reply:
        asked.append(prompt)
        raise Refusal("no such model", unusable=True)

    found = probed(answer)
    assert found["words"].verdict == "fails"
    assert "the name of the model" in found["words"].why
    assert len(asked) == len(found) == 1


def without_tools(prompt: Prompt) -> Reply:
    return says(prompt, "I would read plan.md.") if prompt.tools else able(prompt)


def invents_tools(prompt: Prompt) -> Reply:
    return calls(prompt, ("open", {"path": "plan.md"})) if prompt.tools else able(prompt)


def breaks_json(prompt: Prompt) -> Reply:
    return calls(prompt, (prompt.tools[0].name, '{"path": ')) if prompt.tools else able(prompt)


@pytest.mark.parametrize("answer", [without_tools, invents_tools, breaks_json])
def test_without_proper_calls_of_tools_there_are_no_agents(answer: Answer) -> None:
    found = probed(answer)
    assert {what for what, each in found.items() if each.verdict == "fails"} >= {"tools", "results", "typed"}
    assert "Agents read, edit and run experiments" in found["tools"].why


def test_a_server_that_refuses_a_tools_result_is_found_out() -> None:
    def answer(prompt: Prompt) -> Reply:
        if isinstance(prompt.messages[-1], Returned):
            raise Refusal("roles must alternate", fatal=True)
        return able(prompt)

    found = probed(answer)
    assert found["results"].verdict == found["mended"].verdict == "fails"
    assert "roles must alternate" in found["results"].detail


def test_arguments_that_do_not_fit_are_found_out() -> None:
    def answer(prompt: Prompt) -> Reply:
        flat = prompt.tools and prompt.tools[0].name == "submit"
        return calls(prompt, ("submit", {"title": "try", "parts": "a, b"})) if flat else able(prompt)

    assert probed(answer)["typed"].verdict == "fails"


def test_a_context_that_is_cut_at_its_beginning_is_found_out() -> None:
    def answer(prompt: Prompt) -> Reply:
        told = prompt.messages[-1]
        return says(prompt, "which word?") if isinstance(told, Told) and len(told.text) > 3 * CONTEXT else able(prompt)

    found = probed(answer)
    assert found["length"].verdict == "fails"
    assert "OLLAMA_CONTEXT_LENGTH" in found["length"].why


def test_one_call_a_reply_and_odd_counts_can_be_lived_with() -> None:
    def answer(prompt: Prompt) -> Reply:
        reply = able(prompt)
        return Reply(Said(reply.said.text, reply.said.calls[:1]), reply.tokens, reply.finish, "no usable counts")

    found = probed(answer)
    assert {what for what, each in found.items() if each.verdict != "works"} == {"parallel", "counts"}
    assert found["parallel"].verdict == found["counts"].verdict == "weak"


def test_a_server_that_takes_few_at_once_is_found_out() -> None:
    under_way = 0

    async def answer(prompt: Prompt) -> Reply:
        nonlocal under_way
        under_way += 1
        try:
            if under_way > 2:
                raise Unknown("too many connections")
            await asyncio.sleep(0)
            return able(prompt)
        finally:
            under_way -= 1

    found = probed(answer)
    assert found["together"].verdict == "weak"
    assert "ASTER_RATES" in found["together"].why
