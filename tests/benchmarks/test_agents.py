"""A small run of the benchmark of agents: each way comes to figures, and every call to an answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("benchmarks.agents", reason="the benchmarks are not in a source distribution")

from aster.llm.protocol import Prompt, Said, Told
from benchmarks import agents

ROOT = Path(__file__).parents[2]


def test_the_script_ends_with_a_finding_at_the_last_call() -> None:
    prompt = Prompt("", (Told("brief"),))
    for turn in range(1, 5):
        reply = agents.script(4, prompt)
        finishes = [call.name for call in reply.said.calls] == ["finish"]
        assert finishes == (turn == 4)
        prompt = Prompt("", (*prompt.messages, Said("", reply.said.calls)))


@pytest.mark.parametrize("way", agents.WAYS)
def test_every_way_comes_to_figures(way: str) -> None:
    load = agents.Load(4, 3, 0.01)
    found = agents.measure(way, load, profile=0)
    assert 0 < found["share"] < 1
    assert found["cpu_ms"] > 0
    assert found["mib"] > 10
    assert (found["most"] > 0) == (way != "no network")
    assert f"| {way} | {found['wall_s']:.2f} |" in agents.report({way: found}, load)


def test_an_unknown_way_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "agents.py"), "--ways", "none"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
    assert agents.WAYS[0] in done.stderr
