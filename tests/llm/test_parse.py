"""Models, prices and rates as people write them."""

from __future__ import annotations

import pytest

from aster.domain.research import ModelChoice, Price
from aster.errors import UserError
from aster.llm.limits import Rates
from aster.llm.parse import check_pool, checked_url, parse_model, parse_price, parse_prices, parse_rates

SONNET = "anthropic:claude-sonnet-5"


def test_a_model_is_a_provider_and_a_name() -> None:
    choice = parse_model(SONNET)
    assert (choice.name, choice.roles, choice.weight, choice.base_url) == (SONNET, (), 1.0, "")
    assert choice.price is not None


def test_roles_stand_before_it_and_a_weight_behind() -> None:
    choice = parse_model(f" planner,worker={SONNET}*2.5 ")
    assert (choice.name, choice.roles, choice.weight) == (SONNET, ("planner", "worker"), 2.5)


def test_names_may_hold_colons_and_slashes() -> None:
    assert parse_model("subagent=ollama:qwen3:32b*2").name == "ollama:qwen3:32b"
    assert parse_model("openrouter:openai/gpt-5").name == "openrouter:openai/gpt-5"


def test_a_given_price_takes_the_place_of_the_lists() -> None:
    assert parse_model(SONNET, "", {SONNET: Price(1.0, 2.0)}).price == Price(1.0, 2.0)


def test_a_model_on_a_server_of_ones_own_has_no_price_unless_one_is_given() -> None:
    address = "http://localhost:9000/v1"
    assert parse_model("openai:gpt-5", address) == ModelChoice("openai:gpt-5", base_url=address)
    assert parse_model("openai:gpt-5", address, {"openai:gpt-5": Price(1, 2)}).price == Price(1, 2)
    assert parse_model("ollama:qwen3").base_url == "http://localhost:11434/v1"


def test_an_address_is_not_for_models_that_only_their_makers_run() -> None:
    assert parse_model(SONNET, "http://localhost:9000/v1").base_url == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpt-5", "is not a model: write"),
        ("", "is not a model"),
        ("openai:", "is not a model"),
        (":gpt-5", "is not a model"),
        ("qwen3:8b", "openai:qwen3:8b, for instance"),
        ("boss=openai:gpt-5", "'boss' .* is not a role: there are planner, worker"),
        ("openai:gpt-5*0", "is not a weight"),
        ("openai:gpt-5*many", "is not a weight"),
        ("openai:gpt-5*inf", "is not a weight"),
    ],
)
def test_what_is_no_model_is_said_with_the_mend(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_model(text)


def test_prices_are_input_output_and_cached_input() -> None:
    assert parse_price("openai:x=0.25,2") == ("openai:x", Price(0.25, 2.0))
    assert parse_price("ollama:qwen3:8b=1,2,0.1,1.25") == ("ollama:qwen3:8b", Price(1.0, 2.0, 0.1, 1.25))
    assert parse_prices(["a:b=1,2", "a:c=1,3"]) == {"a:b": Price(1, 2), "a:c": Price(1, 3)}


@pytest.mark.parametrize(
    "text", ["openai:x", "openai:x=1", "x=1,2", "openai:x=1,-2", "openai:x=a,b", "openai:x=1,nan", "=1,2"]
)
def test_what_is_no_price_is_said(text: str) -> None:
    with pytest.raises(UserError, match="is not a price"):
        parse_price(text)


def test_a_model_has_one_price() -> None:
    with pytest.raises(UserError, match="two prices"):
        parse_prices(["a:b=1,2", "a:b=1,3"])


def test_a_pool_has_each_model_once_and_one_for_each_role() -> None:
    check_pool([parse_model(SONNET), parse_model("planner=openai:gpt-5")])
    check_pool([])
    with pytest.raises(UserError, match="given twice"):
        check_pool([parse_model(SONNET), parse_model(f"planner={SONNET}")])
    with pytest.raises(UserError, match="No model is left for the worker"):
        check_pool([parse_model(f"planner,critic,subagent={SONNET}")])
    with pytest.raises(UserError, match="None of the models is asked at"):
        check_pool([parse_model(SONNET)], "http://localhost:9000/v1")


def test_an_address_is_checked() -> None:
    assert checked_url("http://localhost:8000/v1/") == "http://localhost:8000/v1"
    assert checked_url("") == ""
    for bad in ("localhost:8000", "ftp://x/v1", "http://", "http://x:y/", "//x"):
        with pytest.raises(UserError, match="is not a server's address"):
            checked_url(bad)
    with pytest.raises(UserError, match="is recorded"):
        checked_url("http://me:secret@host/v1")


def test_rates_are_by_provider() -> None:
    assert parse_rates(["anthropic=requests:50,tokens:40000,at-once:20", "openai=at-once:3"]) == {
        "anthropic": Rates(50.0, 40000.0, 20),
        "openai": Rates(None, None, 3),
    }
    for bad in (
        "anthropic",
        "anthropic=",
        "nobody=requests:5",
        "openai=speed:5",
        "openai=requests:0",
        "openai=requests:x",
    ):
        with pytest.raises(UserError, match="does not say what a provider takes"):
            parse_rates([bad])
