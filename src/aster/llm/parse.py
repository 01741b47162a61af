"""Models and prices as people write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

from aster.domain.research import ROLES, ModelChoice, Price, Role
from aster.errors import UserError
from aster.llm.limits import Rates
from aster.llm.prices import price_of

PROVIDERS = (
    "anthropic", "openai", "google",
    "ollama", "vllm", "litellm",
    "alibaba", "cerebras", "deepseek", "fireworks", "meta", "moonshotai", "nebius", "openai-chat", "openai-responses",
    "openrouter", "ovhcloud", "sambanova", "together", "zai",
)  # fmt: skip
"""Whose models can be asked: all of these speak one of three ways, as OpenAI, Anthropic or Google do."""

OWN = ("openai", "openai-chat", "openai-responses", "ollama", "vllm", "litellm")
"""Whose models may run on a server of one's own."""

USUAL = {
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
    "litellm": "http://localhost:4000/v1",
}
"""Where such servers are, unless an address is given."""

FORM = "[ROLE[,ROLE]=]PROVIDER:NAME[*WEIGHT]"
EXAMPLES = "anthropic:claude-sonnet-5, planner=openai:gpt-5 or subagent=ollama:qwen3:32b*2"


def parse_model(text: str, base_url: str = "", prices: Mapping[str, Price] | None = None) -> ModelChoice:
    """Return the model that a text such as "planner,worker=anthropic:claude-sonnet-5*2" names.

    Args:
        base_url: of an OpenAI-compatible server, for models that run on such; "": where they usually are.
        prices: by "PROVIDER:NAME", instead of the public list's.

    Raises:
        UserError: it names none.
    """
    rest = text.strip()
    roles: tuple[Role, ...] = ()
    head, equals, tail = rest.partition("=")
    if equals and ":" not in head:
        rest, roles = tail, _roles(head, text)
    rest, star, weight = rest.partition("*")
    provider, colon, name = rest.partition(":")
    if not colon or not provider.strip() or not name.strip():
        raise UserError(
            f"{text!r} is not a model: write {FORM}, such as {EXAMPLES}. "
            "A model on a server of your own is openai:NAME with --base-url."
        )
    if provider not in PROVIDERS:
        raise UserError(
            f"{provider!r} is not a provider that can be asked. There are {', '.join(PROVIDERS)}; "
            f"a model on a server of your own is openai:NAME with --base-url: openai:{rest}, for instance."
        )
    where = (checked_url(base_url) or USUAL.get(provider, "")) if provider in OWN else ""
    choice = ModelChoice(rest, None, roles, _weight(weight, text) if star else 1.0, where)
    given = (prices or {}).get(rest)
    return ModelChoice(rest, given or price_of(choice), roles, choice.weight, choice.base_url)


def check_pool(pool: Sequence[ModelChoice], base_url: str = "") -> None:
    """Make sure that models can be used together.

    Args:
        base_url: the address that was given for some of them.

    Raises:
        UserError: one comes twice, a role has none, or the address is for none of them.
    """
    names = [choice.name for choice in pool]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"The model {name} is given twice: give it once, with all of its roles: planner,worker={name}."
            )
    for role in ROLES if pool else ():
        if not any(not choice.roles or role in choice.roles for choice in pool):
            raise UserError(
                f"No model is left for the {role}: give one without roles, or --model {role}=PROVIDER:NAME."
            )
    if pool and base_url and not any(choice.base_url == checked_url(base_url) for choice in pool):
        raise UserError(
            f"None of the models is asked at {base_url}: an address of its own is for models of {', '.join(OWN)}."
        )


def parse_price(text: str) -> tuple[str, Price]:
    """Return the model's name and price of a text such as "openai:my-model=0.25,2" (dollars per million tokens).

    The numbers are for input, output, and, where they differ from input, cache reads and cache writes.

    Raises:
        UserError: it is none.
    """
    name, equals, numbers = text.strip().rpartition("=")
    try:
        amounts = [float(each) for each in numbers.split(",")]
    except ValueError:
        amounts = []
    if not equals or ":" not in name or not 2 <= len(amounts) <= 4 or not all(0 <= each < math.inf for each in amounts):
        raise UserError(
            f"{text!r} is not a price: write PROVIDER:NAME=INPUT,OUTPUT[,CACHE_READ,CACHE_WRITE] in dollars for a "
            "million tokens, such as openai:my-model=0.25,2."
        )
    return name, Price(*amounts)


def parse_prices(texts: Iterable[str]) -> dict[str, Price]:
    """Return prices by model.

    Raises:
        UserError: one is none, or a model has two.
    """
    prices: dict[str, Price] = {}
    for name, price in map(parse_price, texts):
        if name in prices:
            raise UserError(f"The model {name} has two prices: give one.")
        prices[name] = price
    return prices


def parse_rates(texts: Iterable[str]) -> dict[str, Rates]:
    """Return limits by provider, from texts such as "anthropic=requests:50,tokens:40000,at-once:20".

    Raises:
        UserError: one is none, or a provider comes twice.
    """
    found: dict[str, Rates] = {}
    for text in texts:
        provider, _, rest = text.strip().partition("=")
        given = dict(each.partition(":")[::2] for each in rest.split(","))
        if provider not in PROVIDERS or provider in found or not given.keys() <= {"requests", "tokens", "at-once"}:
            raise UserError(_no_limit(text))
        try:
            numbers = {name: float(value) for name, value in given.items()}
        except ValueError:
            raise UserError(_no_limit(text)) from None
        if not all(1 <= number < math.inf for number in numbers.values()):
            raise UserError(_no_limit(text))
        at_once = numbers.get("at-once")
        found[provider] = Rates(
            numbers.get("requests"), numbers.get("tokens"), None if at_once is None else int(at_once)
        )
    return found


def _no_limit(text: str) -> str:
    return (
        f"{text!r} does not say what a provider takes: write PROVIDER=requests:NUMBER,tokens:NUMBER,at-once:NUMBER "
        "(any of the three; the first two a minute), each provider once, such as anthropic=requests:50,at-once:20."
    )


def checked_url(base_url: str) -> str:
    """Return a server's address without a slash at its end.

    Raises:
        UserError: it is none.
    """
    if not base_url:
        return ""
    try:
        parts = urlsplit(base_url)
        found = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        found = False
    if not found:
        raise UserError(
            f"{base_url!r} is not a server's address: write --base-url http://localhost:8000/v1, for instance."
        )
    if parts.username or parts.password:
        raise UserError("A server's address is recorded: set its key as OPENAI_API_KEY in the environment instead.")
    return base_url.rstrip("/")


def _roles(head: str, text: str) -> tuple[Role, ...]:
    named = tuple(dict.fromkeys(each.strip() for each in head.split(",")))
    for each in named:
        if each not in ROLES:
            raise UserError(f"{each!r} in {text!r} is not a role: there are {', '.join(ROLES)}.")
    return cast("tuple[Role, ...]", named)


def _weight(weight: str, text: str) -> float:
    try:
        number = float(weight)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise UserError(f"{weight!r} in {text!r} is not a weight: write a number above 0, such as *2.")
    return number
