from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import run_here

from aster.handle import Campaign


def test_a_campaign_replays(finished: Campaign) -> None:
    result = run_here("replay", finished.folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{finished.board.decision} decisions made again: ")
    assert "each is what the ledger has" in result.stdout
    [line] = run_here("replay", finished.folder, "--json").stdout.splitlines()
    record = json.loads(line)
    assert (record["same"], record["divergence"], record["decisions"]) == (True, None, finished.board.decision)


def test_a_ledger_that_was_altered_is_found_out(finished: Campaign, tmp_path: Path) -> None:
    folder = tmp_path / finished.id
    shutil.copytree(finished.folder, folder, ignore=shutil.ignore_patterns("keeper*"))
    find = """SELECT position, CAST(body AS TEXT) AS text FROM events WHERE text LIKE '%"purpose":"search"%' LIMIT 1"""
    with closing(sqlite3.connect(folder / "ledger.db")) as db, db:
        [(position, event)] = db.execute(find)
        seed = json.loads(event)["experiment"]["seed"]
        changed = event.replace(f'"seed":{seed}', '"seed":7').encode()
        db.execute("UPDATE events SET body = ? WHERE position = ?", (changed, position))
    result = run_here("replay", folder)
    assert result.exit_code == 1
    assert f"part from the record at position {position}, decision " in result.stdout
    assert f"ExperimentPlanned, experiment.seed: expected 7, and {seed} came" in result.stdout
    assert "It was run by Aster" in result.stdout


def test_agents_are_shown_only_where_there_are_some(finished: Campaign) -> None:
    result = run_here("show", finished.folder, "--agent", "a-1")
    assert result.exit_code == 2
    assert "it has no agents" in result.stderr


@pytest.mark.parametrize("word", ["replay", "distill"])
def test_what_is_no_campaign(word: str, tmp_path: Path) -> None:
    result = run_here(word, "nothing", "--campaigns", tmp_path)
    assert result.exit_code == 2
    assert "no campaigns" in result.stderr
