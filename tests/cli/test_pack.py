"""`python -m aster.cli.pack`: the programs of built-in problems."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aster.cli import pack

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], 'There is no built-in problem ""; there are '),
        (["nothing", "score"], 'There is no built-in problem "nothing"; there are '),
        (["proteingym"], 'proteingym has no program ""; it has evaluate, leave_one_out, prepare, score, tables.'),
        (["proteingym", "../prepare"], 'proteingym has no program "../prepare"; it has '),
    ],
)
def test_what_there_is_not_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack.main(words) == 2
    assert said in capsys.readouterr().err


def test_a_program_runs_where_the_user_is_and_its_exit_code_is_ours(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mutant\nG1A\n")
    words = ("--model", "p.npz", "--sequence", "MKVA", "--assay", "a.csv")
    done = subprocess.run(
        [sys.executable, "-m", "aster.cli.pack", "proteingym", "score", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: a.csv: G1A (mutant 1) says that residue 1 is G")
