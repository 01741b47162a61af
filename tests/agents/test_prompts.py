from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aster.agents import prompts
from aster.agents.prompts import FILES, CriticPrompt, ProblemPrompt, fill, text_of, variables_of


@pytest.mark.parametrize("kind", FILES)
def test_each_variable_of_a_prompt_is_given_and_each_one_given_is_used(kind: type[ProblemPrompt]) -> None:
    assert variables_of(text_of(FILES[kind])) == {field.name for field in msgspec.structs.fields(kind)}


def test_each_file_of_prompts_belongs_to_a_record() -> None:
    found = {path.name for path in Path(prompts.__file__).parent.glob("*.md")}
    assert found == set(FILES.values())


def test_what_is_filled_in_is_not_read_for_variables() -> None:
    text = fill(CriticPrompt("{{objective}}", "the {{title}} of it", "much", "often"))
    assert "{{objective}}" in text
    assert "the {{title}} of it" in text
    assert "{{statement}}" not in text
