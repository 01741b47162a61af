"""The benchmark of the speedrun's kernels: its forms are the ideas' and right, its table the newest figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "speedrun_kernels.py"
if not SCRIPT.exists():
    pytest.skip("the benchmarks are not in a source distribution", allow_module_level=True)


@pytest.fixture
def bench() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        yield __import__("speedrun_kernels")
        for name in ("speedrun_kernels", "speedrun_forms", "speedrun_timing"):
            sys.modules.pop(name, None)


def test_forms_are_what_the_ideas_make_together(bench: ModuleType) -> None:
    from tests.packs.pack import tree

    forms = __import__("speedrun_forms")
    for ideas in {*bench.SYMMETRIC.values(), *bench.LOSS.values()}:
        files = {f"solution/kernels/{name}": text.encode() for name, text in forms.with_ideas(ideas).items()}
        wanted = {name: text for name, text in tree("speedrun_kernels", *ideas).items() if "kernels/" in name}
        assert files == wanted, ideas


def test_a_change_whose_lines_are_not_there_is_refused(bench: ModuleType) -> None:
    forms = __import__("speedrun_forms")
    assert forms.patched("a\nb\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n+y\n c\n") == "a\nx\ny\nc\n"
    assert forms.patched("0\n0\na\nb\nc\n", "@@ -1,3 +1,2 @@\n a\n-b\n c\n") == "0\n0\na\nc\n"
    with pytest.raises(ValueError, match="no place"):
        forms.patched("a\n", "@@ -1,1 +1,1 @@\n-b\n+c\n")


def test_the_table_tells_the_newest_figures(bench: ModuleType, tmp_path: Path, capsys: Any) -> None:
    machine = {"device": "a GPU", "torch": "2.11", "triton": "3.6"}
    rows = [
        {"case": "x", "form": "ours", "ms": 9.0, "of_limit": 0.1},
        {"case": "x", "form": "PyTorch", "ms": 2.0, "of_limit": 0.25},
        {"case": "x", "form": "ours", "error": 1e-3},
        {"case": "x", "form": "ours", "ms": 1.0, "of_limit": 0.5},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row | machine) + "\n" for row in rows))
    assert bench.main(["--table", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert "| x | ours | **1.0000** | 0.500 | 50% |" in out
    assert "| x | PyTorch | 2.0000 | 1.000 | 25% |" in out
    assert "9.0" not in out
    assert "a GPU, torch 2.11, triton 3.6" in out


def test_all_forms_give_right_answers_and_nothing_is_timed_without_a_gpu(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the benchmark needs PyTorch")
    pytest.importorskip("triton", reason="the benchmark needs Triton")
    out = tmp_path / "rows.jsonl"
    command = [sys.executable, "-B", str(SCRIPT), "--out", str(out), "--only", "loss"]
    done = subprocess.run([*command, "--answers-only"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 sections failed" in done.stdout
    assert not out.exists(), "no figure comes from a machine without a GPU"
    if not torch.cuda.is_available():
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "no GPU" in done.stdout) == (2, True)
