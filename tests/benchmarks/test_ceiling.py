"""A small run of the benchmark of ceilings: killed and resumed, it comes to a table."""

from __future__ import annotations

import pytest

pytest.importorskip("benchmarks.ceiling", reason="the benchmarks are not in a source distribution")

from benchmarks import ceiling


def test_a_campaign_that_is_killed_and_resumed_comes_to_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "DELAY_S", 0.1)
    monkeypatch.setattr(ceiling, "TIMEOUT_S", 1.5)
    run = ceiling.campaign(16, 0.5, kill=True)
    assert run.killed is not None
    assert run.books.written_off == run.killed.open
    assert run.books.most <= 0.5 + 1e-9
    page = ceiling.page({"killed": run}, 16, 0.5)
    assert f"| most reserved and settled together, at any entry | ${run.books.most:.6f} of $0.50 |" in page
    assert run.books.ended in page
