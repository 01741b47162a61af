"""The rows, tables and pictures of the NanoChat benchmark: what needs no PyTorch."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("benchmarks.nanochat", reason="the benchmarks are not in a source distribution")

from benchmarks import nanochat, nanochat_charts, nanochat_table

RESULTS = Path(nanochat.ROOT) / "benchmarks" / "results"


def row(variant: str, bpb: float, seed: int = 1, **more: Any) -> dict[str, Any]:
    made = {"variant": variant, "seed": seed, "seconds": 60.0, "bpb": bpb, "wall_seconds": 90.0, "device": "GPU"}
    return {**made, "tokens": 9e7, "tokens_per_second": 1.5e6, "curve": [[1.0, 5.0], [30.0, 4.0], [59.0, 3.0]], **more}


def test_rows_are_strict_json(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    nanochat.append(out, {"variant": "none", "bpb": math.nan, "curve": [[0.1, math.nan], [1.0, 5.5]], "mfu": 0.4})

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    found = json.loads(out.read_text(), parse_constant=refuse)
    assert found == {"variant": "none", "bpb": None, "curve": [[1.0, 5.5]], "mfu": 0.4}


def test_the_curve_begins_with_the_first_finite_loss() -> None:
    points = [{"seconds": 0.0, "rows": 9.0}, {"seconds": 0.1, "loss": math.nan}, {"seconds": 1.004, "loss": 5.0}]
    assert nanochat.curve(points) == [[1.0, 5.0]]


@pytest.mark.parametrize("name", ["nanochat.jsonl", "nanochat_12s.jsonl", "nanochat_kernels.jsonl"])
def test_kept_rows_are_strict_json(name: str) -> None:
    text = (RESULTS / name).read_text()
    assert not {"NaN", "Infinity"} & set(text.replace(",", " ").replace("]", " ").split())
    assert all(json.loads(line) for line in text.splitlines())


def test_the_kept_table_is_that_of_the_rows() -> None:
    said = (RESULTS / "nanochat.md").read_text()
    rows = nanochat_table.read_rows(RESULTS / "nanochat.jsonl")
    names = nanochat_table.read_names(RESULTS / "nanochat_names.json")
    assert list(names) == list("ABCD")
    assert nanochat_table.table(rows, names) in said
    assert nanochat_table.by_seed(rows, names) in said
    assert nanochat_table.detectable(rows) in said
    assert all(table in said for table in nanochat_table.changes(rows, names).split("\n\n"))


def test_a_gain_is_over_the_baseline_of_the_same_seed() -> None:
    rows = [row("none", 1.2), row("none", 1.0, 2), row("smear", 1.08), row("smear", 0.95, 2), row("smear", 1.1, 3)]
    assert nanochat_table.gains(rows)["smear"] == pytest.approx([10, 5, 0])  # of seed 3 the baseline has its mean alone
    assert not nanochat_table.gains(rows[2:])
    said = nanochat_table.table([*rows, {"variant": "memory", "seed": 1, "error": "OutOfMemoryError"}], {}).splitlines()
    assert said[2].startswith("| smear | 3 | 1.0433 | 0.0814 | 5.00% ± 12.42 | 90.0 M | 1.500 M |")
    assert said[3].startswith("| baseline | 2 | 1.1000 | 0.1414 | 0.00% |")
    assert "| memory | | OutOfMemoryError |" in said[4]
    assert "| 3 | 1.1000 |  |" in nanochat_table.by_seed(rows, {})


def test_without_rows_there_is_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(nanochat.ROOT / "benchmarks")  # as where it is run as a script
    with pytest.raises(SystemExit) as ended:
        nanochat.main(["--table", "--out", str(tmp_path / "none.jsonl")])
    assert ended.value.code == 2
    assert "none.jsonl is no file of rows" in capsys.readouterr().err
    (tmp_path / "cut.jsonl").write_text('{"variant": "no')
    with pytest.raises(SystemExit) as ended:
        nanochat.main(["--table", "--out", str(tmp_path / "cut.jsonl")])
    assert ended.value.code == 2
    assert "one JSON object a line" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        nanochat.main(["--table", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "is no file of rows" in capsys.readouterr().err
    for text in ("3", '{"bpb": 1.1}', '{"variant": "none", "score": 1.1}'):
        (tmp_path / "other.jsonl").write_text(text)
        with pytest.raises(SystemExit) as ended:
            nanochat.main(["--table", "--out", str(tmp_path / "other.jsonl")])
        assert ended.value.code == 2
        assert "each has a variant, and a bpb or an error" in capsys.readouterr().err
    assert not nanochat_table.by_seed([row("none", 1.2), row("smear", 1.1)], {})


@pytest.mark.parametrize(
    ("variants", "prepared", "says"),
    [
        ("none", False, "nothing was prepared there"),
        ("none,nope", True, "there is no idea nope; there are attention-epilogue, "),
        ("none@NOPE=1", True, "none@NOPE=1: KnobError: "),
        ("fused-head+output-bias", True, "fused-head+output-bias: "),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], variants: str, prepared: bool, says: str
) -> None:
    if prepared:
        (tmp_path / "meta.json").write_text("{}")
    out, work = tmp_path / "rows.jsonl", tmp_path / "work"
    with pytest.raises(SystemExit) as ended:
        nanochat.main(["--data", str(tmp_path), "--ideas", variants, "--out", str(out), "--work", str(work)])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_what_has_a_row_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(nanochat.ROOT / "benchmarks")  # as where it is run as a script
    rows = [row("none", 1.2, data="none"), row("smear", 1.1, data="other"), row("smear", 1.1, 2, data="none")]
    out = tmp_path / "rows.jsonl"
    for each in [*rows, {"variant": "none", "seed": 2, "seconds": 60.0, "data": "none", "error": "no"}]:
        nanochat.append(out, each)
    asked = argparse.Namespace(
        pack=tmp_path, data=tmp_path, device="cpu", seconds=60.0, val_tokens=1, seeds="1,2", out=out
    )
    trees = {"none": tmp_path / "a", "smear": tmp_path / "b"}

    def runs(missing: bool) -> list[tuple[str, int]]:
        asked.missing = missing
        return [(each.variant, each.task["seed"]) for each in nanochat.planned(asked, trees)]

    assert runs(False) == [("none", 1), ("smear", 1), ("none", 2), ("smear", 2)]
    assert runs(True) == [("smear", 1), ("none", 2)]


def test_what_is_detectable_comes_from_the_seeds() -> None:
    one = nanochat_table.detectable([row("none", 1.2), row("smear", 1.1)])
    assert "0.0034 (1)" in one
    assert "earlier measurement" in one
    several = nanochat_table.detectable(
        [row("none", 1.20), row("none", 1.22, 2), row("smear", 1.10), row("smear", 1.12, 2)]
    )
    assert "noise of variants other than the baseline 0.01414, from 1 degrees of freedom" in several
    assert "0.0396 (2)" in several


def test_names_are_short_and_do_not_depend_on_order() -> None:
    names = {"A": "c+a+b", "B": "a+b+c+d@X=1"}
    assert nanochat_table.legend(names) == "A = a, b, c. B = A, d, X=1."
    said = [nanochat_table.label(variant, names) for variant in ("none", "b+a+c", "a+b+c@X=1", "d+a+b+e", "e", "a+b")]
    assert said == ["baseline", "A", "A, X=1", "a, b, d, e", "e", "a, b"], "of three, two are not most"
    said = [nanochat_table.label(f"a+b+c+d{more}", names) for more in ("@X=1", "@X=1@Y=2", "@X=2", "", "@Y=2")]
    assert said == ["B", "B, Y=2", "B, X=2", "A, d", "A, d, Y=2"]
    four = {"A": "a+b+c+d"}
    assert nanochat_table.label("d+b+a+e", four) == "A without c, e"
    assert nanochat_table.label("a+b+e", four) == "a, b, e"


def test_names_are_read_from_a_file_and_what_is_wrong_with_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(nanochat.ROOT / "benchmarks")  # as where it is run as a script
    out, names = tmp_path / "rows.jsonl", tmp_path / "names.json"
    for each in (row("none", 1.2), row("a+b", 1.1)):
        nanochat.append(out, each)
    names.write_text('{"A": "b+a"}')
    nanochat.main(["--table", "--names", str(names), "--out", str(out)])
    assert "\n| A | 1 | 1.1000 |" in capsys.readouterr().out
    for text, says in (("{", "cannot be read as JSON"), ('["A"]', "must say what letters stand for")):
        names.write_text(text)
        with pytest.raises(SystemExit) as ended:
            nanochat.main(["--table", "--names", str(names), "--out", str(out)])
        assert ended.value.code == 2
        assert says in capsys.readouterr().err
    with pytest.raises(SystemExit):
        nanochat.main(["--names", str(names), "--data", str(tmp_path), "--out", str(out)])
    assert "nothing was run: --names" in capsys.readouterr().err, "it is told before hours of runs"
    out.write_text("{")
    with pytest.raises(SystemExit):
        nanochat.main(["--data", str(tmp_path), "--out", str(out)])
    assert "nothing was run: --out" in capsys.readouterr().err


def test_changes_are_told_beside_the_run_of_the_same_seed() -> None:
    names = {"A": "a+b+c", "B": "a+b+c+d", "C": "z"}
    more = [row(f"a+b+c+d{each}", 1.0 + 0.01 * at, 1) for at, each in enumerate(("", "+e", "+f@X=1", "@X=1"))]
    rows = [row("none", 1.2), *more, row("a+b+c", 1.15), row("a+b+c+d", 1.1, 2), row("a+b+c+d+e", 1.08, 2)]
    failed = {"variant": "a+b+c+d+g", "seed": 1, "error": "no"}
    said = nanochat_table.changes([*rows, row("a+b+c", 2.0, 3), failed], names)
    assert said.splitlines() == [
        "| B | seeds | bits per byte than B |",
        "|---|---|---|",
        "| with e | 2 | -0.0050 ± 0.1906 |",
        "| with X=1 | 1 | +0.0300 |",
        "| without d | 1 | +0.1500 |",
    ]
    assert not nanochat_table.changes(rows[:4], names)
    assert nanochat_table.change("a@X=1", "a@X=2") == "with X=2"
    assert nanochat_table.change("a@X=1", "a") == "without X=1"
    assert not nanochat_table.change("a", "b")
    assert not nanochat_table.change("a", "a")


def test_pictures_show_all_variants_and_seeds(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [
        row("none", 1.2),
        row("none", 1.21, 2),
        row("smear", 1.1),
        row("smear", 1.12, 2),
        {"variant": "x", "error": "no"},
    ]
    written = nanochat_charts.draw(rows, tmp_path, {"A": "smear", "B": "x"})
    assert [path.name for path in written] == [f"nanochat-{name}.png" for name in ("loss", "progress", "gains")]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    scored = [each for each in rows if "bpb" in each]
    many = [row("none", 1.2), *(row(f"v{at}", 1.1) for at in range(9))]
    drawn = nanochat_charts.shown(many, {str(at): f"v{at}" for at in range(9)})
    assert [each["variant"] for each in drawn] == ["none", "v4", "v5", "v6", "v7", "v8"]
    [axes] = nanochat_charts.bars(scored, {}).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["baseline", "smear"]
    assert [np.size(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"] == [2, 2]
    said = {text.get_text() for text in nanochat_charts.progress(scored, {}).axes[0].texts}
    assert " 0  1.2000  baseline\n 1  1.1000  smear" in said


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="baseline"):
        nanochat_charts.draw([row("smear", 1.1)], tmp_path, {})
    with pytest.raises(ValueError, match="several budgets"):
        nanochat_charts.draw([row("none", 1.1), row("none", 1.1, seconds=12.0)], tmp_path, {})
