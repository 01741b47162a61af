from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from tests.cli.conftest import run_here
from typer.testing import Result

from aster.cli.exporting import FormName, TableName
from aster.handle import Campaign
from aster.report.export import FORMS
from aster.report.tables import TABLES


def export(campaign: Campaign, *words: object) -> Result:
    return run_here("export", campaign.folder, *words)


def test_the_words_are_those_of_the_library() -> None:
    assert tuple(FormName) == FORMS
    assert tuple(TableName) == (*TABLES, "all")


def test_to_stdout_in_every_text_format(finished: Campaign) -> None:
    n = len(finished.board.experiments)
    rows = list(csv.DictReader(io.StringIO(export(finished, "--out", "-").stdout)))
    assert len(rows) == n
    assert {row["campaign"] for row in rows} == {finished.id}
    lines = export(finished, "--format", "jsonl", "--out", "-").stdout.splitlines()
    assert [json.loads(line)["experiment"] for line in lines] == list(finished.board.experiments)
    assert export(finished, "--format", "tsv", "--out", "-").stdout.startswith("campaign\texperiment\t")
    refused = export(finished, "--format", "parquet", "--out", "-")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "is no text" in refused.stderr


def test_to_a_file_named_after_the_campaign(
    finished: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export(finished, "--what", "claims").stdout == f"{finished.id}-claims.csv\n"
    again = export(finished, "--what", "claims")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert export(finished, "--what", "claims", "--force").exit_code == 0


def test_everything_at_once(finished: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    result = export(finished, "--what", "all", "--format", "parquet", "--out", "out")
    assert result.stdout.splitlines() == [f"out/{name}.parquet" for name in TABLES]
    assert export(finished, "--what", "all", "--out", "-").exit_code == 2
