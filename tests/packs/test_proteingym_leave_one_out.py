"""A champion of the proteingym problem, taken apart."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.packs.gym import module

from aster.app import LEDGER
from aster.domain.ablation import Part
from aster.domain.records import Candidate, Change, Knob

tool = module("leave_one_out")
KEPT = Path(__file__).parents[1] / "data" / "agents" / "proteingym.db.gz"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    (folder / LEDGER).write_bytes(gzip.decompress(KEPT.read_bytes()))
    return folder


def scored(search: float, hidden: list[float]) -> SimpleNamespace:
    """What a version scored, over two hidden families of equal weight."""
    families, weights = np.array(hidden), np.array([0.5, 0.5])
    found = SimpleNamespace(search=search, hidden=float(families.mean()), families=families, weights=weights)
    found.error = lambda other: tool.between(weights, families - other.families)
    return found


def test_the_error_between_families_is_that_of_a_sample() -> None:
    gains = np.random.default_rng(0).normal(size=9)
    assert tool.between(np.full(9, 1 / 9), gains) == pytest.approx(gains.std(ddof=1) / 3)
    assert np.isnan(tool.between(np.ones(1), gains[:1]))


def test_a_family_that_weighs_more_makes_it_less_sure() -> None:
    gains = np.array([0.1, 0.2, 0.3, 0.4])
    assert tool.between(np.array([0.7, 0.1, 0.1, 0.1]), gains) > tool.between(np.full(4, 0.25), gains)


def test_the_table_and_the_simplest_change() -> None:
    nothing, long, short = {"f": b""}, {"f": b"1\n2\n3\n"}, {"f": b"4\n"}
    parts = [
        Part(("baseline",), None, nothing, 0),
        Part(("all changes",), None, {"f": b"1\n2\n3\n4\n"}, 4),
        Part(("long",), short, long, 3),
        Part(("short|",), long, short, 1),
        Part(("set short",), None, None, 2),
    ]
    scores = {"baseline": scored(0.4, [0.3, 0.5]), "all changes": scored(0.5, [0.5, 0.7])}
    scores |= {"without long": scored(0.42, [0.4, 0.5]), "only long": scored(0.48, [0.45, 0.65])}
    scores |= {"without short/": scores["only long"], "only short/": scores["without long"]}
    lines = list(tool.table(parts, scores))
    assert lines[2:] == [
        "| baseline | 0 | 0.4000 | 0.4000 |  |",
        "| all changes | 4 | 0.5000 | 0.6000 | +0.2000 ± 0.0000 |",
        "| without long | 1 | 0.4200 | 0.4500 | +0.0500 ± 0.0500 |",
        "| without short/ | 3 | 0.4800 | 0.5500 | +0.1500 ± 0.0000 |",
        "| without set short | | cannot be separated | | |",
        "| only long | 3 | 0.4800 | 0.5500 | +0.1500 ± 0.0000 |",
        "| only short/ | 1 | 0.4200 | 0.4500 | +0.0500 ± 0.0500 |",
        "| only set short | | cannot be separated | | |",
    ]
    assert tool.verdict(parts, scores).startswith("The single simplest change is: long. With 3 changed lines")
    assert "80% of it on the search set, 75% on the hidden one" in tool.verdict(parts, scores)
    scores["all changes"] = scored(0.5, [0.3, 0.4])
    assert "80% of it on the search set, there is no gain on the hidden one" in tool.verdict(parts, scores)
    scores["only long"] = scores["only short/"]
    assert tool.verdict(parts, scores) == "No change carries half of the gain alone."
    scores["all changes"] = scored(0.3, [0.3, 0.4])
    assert tool.verdict(parts, scores) == "No change carries half of the gain alone."


def test_ideas_are_left_out_with_what_was_set_in_them() -> None:
    burial, exchange = Change("half-sphere"), Change("exchange")
    settings: dict[str, Knob] = {"solution/positions.py::BURIAL": 0.7}
    candidate = Candidate("c-1", "", (), "ideas", None, (burial, exchange), settings=settings)
    base, whole, first, second = tool.of_ideas(candidate)
    assert (first.steps, second.steps) == (("half-sphere",), ("exchange",))
    assert first.without == second.alone
    assert second.without == first.alone
    assert b"BURIAL = 0.7" in first.alone["solution/positions.py"]
    assert second.alone["solution/positions.py"] == base.alone["solution/positions.py"]
    assert whole.lines == first.lines + second.lines


def test_the_kept_champion_is_taken_apart(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A constant of a step is not separable from it, so the two are left out together too."""
    for part in tool.SETS:
        (tmp_path / part / "inputs").mkdir(parents=True)
        (tmp_path / part / "inputs" / tool.INPUTS).touch()
    monkeypatch.setattr(tool, "Scores", lambda files, data: scored(len(files["solution/priors.py"]), [0.0, 1.0]))
    assert tool.main([str(kept), "--data", str(tmp_path)]) == 0
    rows = [line.split(" | ")[0].removeprefix("| ") for line in capsys.readouterr().out.splitlines()[2:13]]
    burial, lost = "shift rows by half-sphere exposure, 13 A", "punish hydrophobicity lost where a residue is buried"
    exchange, tuned = "add 0.2 BLOSUM62 of wild type to mutant", "EXCHANGE 0.2 -> 0.222159"
    steps = [burial, exchange, f"{exchange}; {tuned}", tuned, lost]
    assert rows == [
        "baseline", "all changes", *(f"without {step}" for step in steps), *(f"only {step}" for step in steps[:4]),
    ]  # fmt: skip


def test_a_campaign_without_the_candidate_is_told(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(kept), "--candidate", "c-none"]) == 2
    assert "has no candidate c-none" in capsys.readouterr().err


def test_sets_that_were_not_prepared_are_told(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(kept), "--data", str(tmp_path)]) == 2
    assert "has no search and no hidden set: run `aster prepare proteingym` first." in capsys.readouterr().err
