"""Secrets leave no trace in text."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from aster.llm.scrub import Scrubber, scrub, secrets_of

KEY = 'a"very\\odd/key+é'


def test_a_known_secret_goes_in_each_form_that_it_can_have() -> None:
    text = f"plain {KEY}, json {json.dumps({'k': KEY})}, address ?k={quote(KEY, safe='')}"
    cleaned = Scrubber(frozenset({KEY})).scrub(text)
    assert "odd" not in cleaned
    assert cleaned.count("[secret]") == 3


def test_the_longer_of_two_secrets_goes_whole() -> None:
    assert Scrubber(frozenset({"abcdefgh", "abcdefghijkl"})).scrub("abcdefghijkl") == "[secret]"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef0123456789",
        "key sk-ant-api03-abcdefghijklmnop_qrst given",
        "AIzaSyA1234567890abcdefghijk",
        "x-api-key: 0123456789abcdef",
        "https://host/path?key=0123456789abcdef",
        "ghp_0123456789abcdefABCD",
    ],
)
def test_what_has_the_shape_of_a_key_goes_too(text: str) -> None:
    cleaned = Scrubber().scrub(text)
    assert "[secret]" in cleaned
    assert "0123456789" not in cleaned
    assert "abcdefghij" not in cleaned


@pytest.mark.parametrize(
    "text", ["the bearer of news", "a risk-averse-optimizer-step", "key = value", "sk-learn", "task_list"]
)
def test_plain_words_stay(text: str) -> None:
    assert Scrubber().scrub(text) == text


def test_variables_called_keys_are_secret_and_paths_are_not(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.touch()
    environment = {
        "OPENAI_API_KEY": "0123456789",
        "HF_TOKEN": "abcdefghij",
        "DB_PASSWORD": "hunter2hunter2",
        "MONKEY": "banana-banana",
        "SHORT_KEY": "abc",
        "GOOGLE_APPLICATION_CREDENTIALS": str(file),
        "HOME": "/usr/share",
    }
    assert secrets_of(environment) == {"0123456789", "abcdefghij", "hunter2hunter2"}


def test_the_environment_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scrub("say plum-coloured-cow") == "say plum-coloured-cow"
    monkeypatch.setenv("SOME_SECRET", "plum-coloured-cow")
    assert scrub("say plum-coloured-cow") == "say [secret]"
