"""What an error of a provider means for the money: it refused, or nobody knows. Imported late: it loads pydantic-ai."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_ai import exceptions as wrong

from aster.llm.protocol import ModelError, Refusal, Unknown

LONGEST = 400
"""Characters of a provider's own words that are kept."""

AGAIN = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may be taken."""

GONE = frozenset({401, 402, 403, 404})
"""No key, no money, no leave, no such model: whatever is asked."""

LATE = frozenset({504, 524})
"""A gateway gave up waiting: the work behind it may have been done."""


def error_of(error: Exception, sent: bool) -> ModelError:
    """Return what an error comes to.

    Args:
        sent: the request may have reached the provider.
    """
    if isinstance(error, wrong.ModelHTTPError):
        return _answered(error)
    if isinstance(error, wrong.UserError):
        return Refusal(f"The request cannot be made: {_short(cause_of(error))}", fatal=True)
    said = _short(cause_of(error))
    if not sent:
        if isinstance(error, wrong.ModelConnectionError):
            return Refusal(f"The provider cannot be reached: {said}")
        return Refusal(f"The request cannot be sent: {type(error).__name__}: {said}", fatal=True)
    if isinstance(error, wrong.ModelConnectionError):
        return Unknown(f"The connection broke: {said}")
    return Unknown(f"The answer cannot be read: {said}")


def cause_of(error: BaseException) -> str:
    """Return what the first of a chain of errors said: those that wrap it say less."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    try:
        return str(error) or type(error).__name__
    except TypeError:  # a library's error that was made of an odd answer cannot be put into words
        return type(error).__name__


def _answered(error: wrong.ModelHTTPError) -> ModelError:
    """Return what an answer with an error's status comes to."""
    status, words = error.status_code, _words(error.body)
    text = f"The provider answered {status}" + (f": {words}" if words else ".")
    if status in LATE or (status >= 500 and not words):
        return Unknown(text)
    unusable = status in GONE or isinstance(error, wrong.ModelQuotaExceededError)
    fatal = unusable or (status < 500 and status not in AGAIN)
    return Refusal(text, None if fatal else error.retry_after, fatal, unusable)


def _words(body: object) -> str:
    """Return a provider's own words from an error that it made itself; "" if a machine on the way made it."""
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    if isinstance(inner, str):
        return _short(inner)
    if isinstance(inner, Mapping):
        words = inner.get("message") or inner.get("detail") or inner.get("type") or inner.get("code")
        return _short(str(words)) if words else ""
    return ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
