"""The page, the figures and the text of an audit."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from aster.audit.figures import forest, running
from aster.audit.noise import noise_of
from aster.audit.page import write_audit
from aster.audit.runs import Run
from aster.audit.summary import Summary, chance_text, gain_text, summarize
from aster.audit.text import as_data, print_text
from aster.errors import UserError
from aster.evidence.audit import Tried
from aster.testing.greedy import WORLDS, greedy_run


def view_of(run: Run, sd: float | None = 0.01) -> Summary:
    noise, tried = noise_of(run, sd, "")
    return summarize(Path("runs/results.tsv"), run, tried, noise)


@pytest.fixture(scope="module")
def view() -> Summary:
    """An audit of a simulated run with a hostile description and a crash."""
    tried = list(greedy_run(Random(5), 40, WORLDS["rare gains"]).tried)
    tried[1] = Tried(3, 0.98, True, "<script>alert($1)</script> \u202e [bold]wide[/bold]")
    tried.append(Tried(99, None, False, "crashed"))
    return view_of(Run("val_bpb", "minimize", tuple(tried), (4,), "kept: keep (9)", ("A note.",)), None)


def test_the_folder(view: Summary, tmp_path: Path) -> None:
    files = write_audit(view, tmp_path / "new" / "audit")
    assert [path.name for path in files] == ["running.png", "gains.png", "audit.html"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files[:2])
    html = files[2].read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert($1)" in html
    assert "\u202e" not in html
    assert not re.search(r"(src|href)=\"(?!data:)", html), "the page needs something beside itself"
    assert "NOT MEASURED" in html
    assert "A note." in html
    with pytest.raises(UserError, match="cannot be written"):
        write_audit(view, files[2])


def test_the_figures_hold_every_text_inside(view: Summary) -> None:
    for figure in (running(view), forest(view)):
        renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        boxes = [text.get_window_extent(renderer) for text in figure.texts]
        assert boxes
        assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= figure.bbox.x1 and b.y1 <= figure.bbox.y1 for b in boxes)
        assert not any(a.overlaps(b) for at, a in enumerate(boxes) for b in boxes[at + 1 :])


def test_the_text_says_loudly_that_the_noise_is_a_bound(view: Summary) -> None:
    file = io.StringIO()
    print_text(view, Console(file=file, width=160, markup=False, emoji=False, highlight=False))
    text = file.getvalue()
    assert "WARNING: The noise was not measured." in text
    assert "[bold]wide[/bold]" in text
    assert "1 line may measure unchanged code again" in text
    assert "expected to be no gain" in text
    assert "\N{MINUS SIGN}" not in text.partition("\n\n")[2]


def test_the_data_are_strict_json(view: Summary) -> None:
    data = json.loads(json.dumps(as_data(view), allow_nan=False))
    assert len(data["steps"]) == len(view.audit.steps)
    assert {step["verdict"] for step in data["steps"]} <= {"likely real", "unclear", "likely noise", "not better"}
    assert data["noise"]["source"] == "bound"


def test_a_run_that_kept_nothing_is_shown(tmp_path: Path) -> None:
    run = Run("score", "maximize", (Tried(2, 5.0, True, "baseline"), Tried(3, 4.0, False)), (), "", ())
    view = view_of(run, 1.0)
    assert [path.name for path in write_audit(view, tmp_path)] == ["running.png", "audit.html"]
    file = io.StringIO()
    print_text(view, Console(file=file, width=120))
    assert "Nothing was kept that measured better" in file.getvalue()


def test_small_numbers() -> None:
    assert gain_text(1.3e-5, 4) == gain_text(-1e-9, 4) == "+0.0000"
    assert gain_text(-0.5, 2) == "\N{MINUS SIGN}0.50"
    assert (chance_text(0.0), chance_text(0.0384), chance_text(1.0)) == ("<0.1%", "3.8%", "100%")
