"""The dollar ceiling, through all that a campaign has between its agents and servers that misbehave."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aster.board.research import CEILING
from aster.domain.research import Price
from aster.ledger.sqlite import SqliteStore
from aster.testing.model_server import ModelServer, serving
from aster.testing.trouble import LEDGER, TIMEOUT_S, Books, Faults, Lies, Script, audit, begin, run_term

USD = 1.00
WAIT_S = 6.0
"""How long the client waits for a reply of 0.2 s: on a busy machine no other than those held back come too late."""
AGENTS = 60
PRICE = Price(0.26, 0.5)
"""All agents' first calls have room together, and a few hundred calls later there is none."""


@contextmanager
def troubled(folder: Path, wait_s: float = TIMEOUT_S) -> Iterator[tuple[Faults, Script, ModelServer]]:
    """Begin a campaign in a folder, and serve its models as badly as can be."""
    faults, script = Faults(timeout_s=wait_s), Script()
    with (
        serving(script, fault=faults, delay_s=0.2, keep=False) as steady,
        serving(Script(1), fault=Lies(), delay_s=0.2, keep=False) as liar,
    ):
        begin(folder, AGENTS, USD, PRICE, steady.base_url, liar.base_url)
        yield faults, script, steady


def check(books: Books) -> None:
    """What holds however a campaign ran, once it has ended."""
    assert books.most <= USD + 1e-9
    assert books.settled > 0.95 * USD  # what is left has no room for one more call
    assert books.ended.startswith(CEILING), books.ended
    assert books.open == 0
    assert (books.unpaid, books.lost, books.faults) == ([], [], [])
    assert {"answered", "refused", "unknown"} <= set(books.statuses)
    assert books.over_usd > 100.0
    assert list(books.cut_off) == ["openai:liar"]
    assert "it reported" in books.cut_off["openai:liar"]


def test_the_ceiling_holds_whatever_providers_do(tmp_path: Path) -> None:
    with troubled(tmp_path, WAIT_S) as (faults, script, steady):
        asyncio.run(run_term(tmp_path, WAIT_S))
    books = audit(tmp_path)
    check(books)
    assert books.notes
    assert books.in_flight > AGENTS / 2
    assert len(faults.made) == 10
    assert script.malformed
    late = faults.made["no answer in time"]
    assert books.statuses["answered"] >= steady.answered - late


def test_killed_in_the_middle_it_charges_what_was_open_and_goes_on(tmp_path: Path) -> None:
    with troubled(tmp_path) as (_, _, steady):
        term = subprocess.Popen([sys.executable, "-m", "aster.testing.trouble", str(tmp_path), "1.5"])
        try:
            until_calls(tmp_path, steady, term)
        finally:
            term.kill()
            term.wait()
        killed = audit(tmp_path)
        assert killed.open > 0
        assert killed.most <= USD + 1e-9
        asyncio.run(run_term(tmp_path))
    books = audit(tmp_path)
    check(books)
    assert books.written_off == killed.open


def until_calls(folder: Path, server: ModelServer, term: subprocess.Popen[bytes]) -> None:
    """Wait until calls were answered and others are under way."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert term.poll() is None, "it ended before it could be killed"
        if server.answered > AGENTS // 2 and server.in_flight > 5:
            return
        time.sleep(0.02)
    store = SqliteStore(folder / LEDGER, read_only=True)
    raise AssertionError(f"only {server.answered} calls were answered, {store.last_position()} entries are there")
