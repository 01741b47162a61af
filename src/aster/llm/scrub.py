"""Secrets are taken out of text before it is stored or shown."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

HIDDEN = "[secret]"
SHORTEST = 8

_NAMES = re.compile(r"(^|_)(API_?)?(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PAT)S?(_|$)", re.IGNORECASE)
_SHAPES = re.compile(
    r"(?P<label>\b(?:bearer|basic)\s+|\b(?:x-)?(?:goog-)?api[-_]?key[\"']?\s*[:=]\s*[\"']?|[?&]key=)"
    r"[A-Za-z0-9._~+/=-]{8,}"
    r"|\b(?:sk|pk|rk|gsk|xai|hf|ghp|gho|github_pat|glpat)[-_][A-Za-z0-9_-]{12,}"
    r"|\bAIza[A-Za-z0-9_-]{20,}",
    re.IGNORECASE,
)


class Scrubber:
    """Knows what is secret, and replaces it.

    Args:
        secrets: texts that must not be seen. Whatever has the shape of a key goes too: bearer tokens, "sk-...".
    """

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def scrub(self, text: str) -> str:
        """Return the text with "[secret]" in place of each secret."""
        text = self.hide(text)
        return _SHAPES.sub(lambda match: f"{match['label'] or ''}{HIDDEN}", text)

    def hide(self, text: str) -> str:
        """Return the text with "[secret]" in place of what is known to be secret, and of nothing else."""
        return self._known.sub(HIDDEN, text) if self._known is not None else text


def secrets_of(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values of variables that are called a key, token, secret or password; paths of files are none."""
    return frozenset(
        value
        for name, value in environment.items()
        if _NAMES.search(name) and len(value) >= SHORTEST and not (value.startswith("/") and Path(value).exists())
    )


def scrub(text: str) -> str:
    """Return the text without the secrets of this process's environment, and without what has the shape of a key."""
    return scrubber().scrub(text)


def scrubber() -> Scrubber:
    """Return the scrubber that knows the secrets of this process's environment."""
    return _of_environment(secrets_of(os.environ))


@lru_cache(maxsize=4)
def _of_environment(secrets: frozenset[str]) -> Scrubber:
    return Scrubber(secrets)


def _forms(secret: str) -> set[str]:
    """Return a secret as it may stand in plain text, in JSON and in an address."""
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}
