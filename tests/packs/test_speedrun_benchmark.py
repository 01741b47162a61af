"""The script that trains variants of the speedrun in turns: its numbers, and its runs on a CPU."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.packs.trainer import LENGTH, TINY, ideas, script


def row(variant: str, seed: int, ms: float, loss: float = 3.3, **more: Any) -> dict[str, Any]:
    found = {"variant": variant, "seed": seed, "step_ms": ms, "train_seconds": ms / 10, "steps": 100, "val_loss": loss}
    return {
        **found,
        "device": "toy",
        "target": 3.28,
        "trace": [[1, 0.1, 5.0], [2, 0.2, 4.0 + more.pop("off", 0.0)]],
        **more,
    }


def test_chances_and_quantiles_are_students() -> None:
    assert script().t_probability(2.0, 1) == pytest.approx(0.5 + math.atan(2) / math.pi)
    assert script().t_probability(-1.5, 2) == pytest.approx(0.5 - 1.5 / (2 * math.sqrt(2 + 1.5**2)))
    assert script().t_quantile(0.975, 1) == pytest.approx(12.7062, abs=1e-3)
    assert script().t_quantile(0.975, 9) == pytest.approx(2.2622, abs=1e-4)


def test_the_chance_that_a_mean_is_above_the_target() -> None:
    losses = [3.2784, 3.2771, 3.2777, 3.2790, 3.2794, 3.2813, 3.2772, 3.2772, 3.2785, 3.2783]
    assert script().chance_above(losses, 3.28) == pytest.approx(0.0018, abs=1e-4)  # as the contest computes it
    assert script().chance_above([3.27], 3.28) is None
    assert script().chance_above([3.27, 3.27], 3.28) == 0.0


def test_ratios_are_of_pairs_and_the_least_effect_shrinks_with_their_number() -> None:
    mean, half = script().ratio([(98.0, 100.0), (99.0, 101.0), (97.0, 99.0)])
    assert mean == pytest.approx(0.98, abs=5e-4)
    assert half < 0.0006
    assert script().ratio([(1.0, 2.0)]) == (0.5, None)
    assert script().least_effect(1.0, 20) < script().least_effect(1.0, 5) / 2


def test_a_table_compares_with_the_first_variant_within_seeds() -> None:
    rows = [
        row("none", 1, 100.0),
        row("none", 2, 110.0),
        row("fast", 1, 98.0, 3.301),
        row("fast", 2, 107.9, 3.303, off=0.25),
    ]
    rows.append({"variant": "slow", "seed": 1, "error": "OutOfMemoryError"})
    lines = script().tables(rows).splitlines()
    [fast] = [line for line in lines if line.startswith("| fast |")]
    assert fast.startswith("| fast | 2 | 100 | 102.950 | 0.9805 [")
    assert "| +0.0020 |" in fast
    assert fast.endswith("| 0.2500 |")
    assert any(line.startswith("fast: least effect that rounds can tell: ") for line in lines)
    assert lines[-1] == "slow, seed 1: OutOfMemoryError"


def test_rows_of_other_machines_are_another_table() -> None:
    rows = [row("none", 1, 100.0), row("none", 1, 50.0) | {"device": "other"}]
    assert script().tables(rows).count("| none | 1 | 100 |") == 2


def test_what_is_compiled_while_the_clock_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    dynamo = SimpleNamespace(counters={"stats": {"unique_graphs": 3}})
    monkeypatch.setitem(sys.modules, "torch._dynamo.utils", dynamo)
    assert script().graphs() == 3
    rows = [row("none", 1, 100.0, compiled_on_the_clock=0), row("fast", 1, 98.0, compiled_on_the_clock=2)]
    assert script().tables(rows).splitlines()[-1] == "fast, seed 1: 2 graphs were compiled while the clock ran"


def test_a_target_is_reached_by_a_mean_of_losses() -> None:
    points = [{"seconds": float(at), "loss": loss} for at, loss in enumerate([5.0, 3.0, 5.0, 4.0, 3.5, 3.0])]
    assert script().reached(points, 3.9) == {"reached": 5.0, "target": 3.9}
    assert script().reached(points, 1.0) == {"target": 1.0}
    assert script().reached([{"step": 1, "seconds": 0.5, "aside": 1.0}, *points], 3.9)["reached"] == 5.0


def test_what_is_set_for_all_gives_way_to_a_variants_own() -> None:
    pack = Path(script().PACK)
    files = script().made("smear@STEPS=7", ["STEPS=9", "DEPTH=2"], pack, ideas())
    text = files["solution/train.py"].decode()
    assert "\nSTEPS = 7\n" in text
    assert "\nDEPTH = 2  # tune" in text
    with pytest.raises(SystemExit, match="no constant NOPE"):
        script().made("none@NOPE=1", [], pack, ideas())


@pytest.mark.parametrize("ranks", [1, 2])
def test_runs_are_rows_with_losses_and_times(tmp_path: Path, ranks: int) -> None:
    pytest.importorskip("torch", reason="needs PyTorch")
    from tests.packs.speedrun import write_corpus

    data, out = write_corpus(tmp_path / "data"), tmp_path / "rows.jsonl"
    tiny = {name: value for name, value in TINY.items() if name not in ("STEPS", "PAIR_ROWS", "ASIDE_ROWS")}
    words = ["--data", data, "--device", "cpu", "--out", out, "--work", tmp_path / "work", "--world-size", ranks]
    words += ["--val-tokens", 10 * LENGTH, "--steps", 4, "--seeds", 5, "--limit", 60, "--target", 5.7]
    words += ["--all", "@".join(f"{name}={json.dumps(value)}" for name, value in tiny.items())]
    words += ["--apply", "none", "none@WIDTH=17"] if ranks == 1 else ["--apply", "none"]
    assert script().main([str(word) for word in words]) == 0
    good, *bad = [json.loads(line) for line in out.read_text().splitlines()]
    assert good["steps"] == 4
    assert good["tokens"] == 4 * 8 * LENGTH
    assert good["train_seconds"] == pytest.approx(4 * good["step_ms"] / 1000, abs=1e-4)  # rounded
    assert good["trace"][0][2] == pytest.approx(math.log(304), abs=0.01)
    assert good["trace"][-1][2] < good["trace"][0][2]
    assert good["val_loss"] < math.log(304)
    assert good["val_tokens"] == 10 * LENGTH
    assert good["world_size"] == ranks
    assert good["compiled_on_the_clock"] == 0
    assert all("error" in each for each in bad)
