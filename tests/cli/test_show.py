from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Aster, parse_lines, run_here
from tests.report.test_headline import bounded

from aster.cli.show import _claim_lines, choose_claim
from aster.handle import Campaign


def show(campaign: Campaign, *words: str) -> str:
    result = run_here("show", campaign.folder, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_overview_fits_a_screen_and_says_how_it_stands(finished: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = show(finished)
    assert "A toy with [bold]marks[/bold]" in text
    assert f"{finished.id}: ended; budget 40 experiments; ordered, seed 0" in text
    assert "\nConfirmed: loss " in text
    assert "\nReport: " in text
    assert "Latest findings" in text
    assert len(text.splitlines()) <= 40


def test_claim_shows_every_attempt_that_its_numbers_trace_to(finished: Campaign) -> None:
    text = show(finished, "--claim")
    (state,) = (s for s in finished.board.claims.values() if s.record.candidate == finished.board.champion)
    decided = state.decided
    assert decided is not None
    assert f"Confirmed: gain +{decided.gain:.2f}" in text
    assert f"Design: {len(state.record.seeds)} pairs on fresh seeds" in text
    for name in state.experiments.values():
        experiment = finished.board.experiments[name]
        assert experiment.outcome is not None
        assert experiment.metrics is not None
        (row,) = (line for line in text.splitlines() if experiment.outcome.attempt in line)
        assert str(experiment.record.seed) in row
        assert f"{experiment.metrics['loss']:.2f}" in row


def test_a_claim_by_number_and_by_id(finished: Campaign) -> None:
    first = next(iter(finished.board.claims))
    assert show(finished, "--claim", "1") == show(finished, "--claim", first)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--claim", "99"], "no claim '99'. Its claims are: 1 (k-"), (["1"], "To see one claim: aster show")],
)
def test_what_cannot_be_shown(finished: Campaign, words: list[str], said: str) -> None:
    result = run_here("show", finished.folder, *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_no_claim_yet(aster: Aster, tmp_path: Path, toy: Path) -> None:
    from aster.app import create
    from aster.campaign.budget import Budget
    from aster.problems.problem import load_problem

    folder = create(load_problem(toy), Budget(experiments=30), campaigns=tmp_path / "campaigns")
    result = aster("show", folder, "--claim")
    assert result.exit_code == 2
    assert "has made no claim yet" in result.stderr
    assert "Nothing has been measured yet" in aster("show", folder).stdout
    assert json.loads(aster("show", folder, "--json").stdout)["state"] == "interrupted"


def test_directions_findings_experiments_are_all_there(finished: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    board = finished.board
    assert len(show(finished, "--directions").splitlines()) == 1 + len(board.directions)
    findings = show(finished, "--findings").splitlines()
    assert findings == [f"{'*' if f.success else '-'} {f.text}" for f in board.findings]
    experiments = show(finished, "--experiments").splitlines()
    assert [line.split()[0] for line in experiments] == list(board.experiments)


def test_json_is_one_record_with_what_was_asked_for(finished: Campaign) -> None:
    (plain,) = parse_lines(show(finished, "--json"))
    assert plain["state"] == "ended"
    assert plain["champion"]["candidate"] == finished.board.champion
    assert "directions" not in plain
    words = ("--json", "--claim", "--directions", "--findings", "--experiments")
    (full,) = parse_lines(show(finished, *words))
    assert {row["experiment"] for row in full["claim"]["attempts"]} == set(plain["claim"]["experiments"])
    assert len(full["directions"]) == len(finished.board.directions)
    assert len(full["findings"]) == len(finished.board.findings)
    assert len(full["all_experiments"]) == full["experiments"]


def test_report_writes_again_and_prints_where(finished: Campaign) -> None:
    page = finished.folder / "report.html"
    page.unlink()
    printed = run_here("report", finished.id[-4:], "--campaigns", finished.folder.parent).stdout.splitlines()
    assert str(page) in printed
    assert page.read_text().startswith("<!doctype html>") or page.stat().st_size > 1000
    assert all(Path(path).exists() for path in printed)


def test_campaigns_lists_them_and_what_cannot_be_read(
    finished: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    for name in (finished.id, "broken-1"):
        (tmp_path / "all" / name).mkdir(parents=True)
    shutil.copy(finished.folder / "ledger.db", tmp_path / "all" / finished.id)
    (tmp_path / "all" / "broken-1" / "ledger.db").write_bytes(b"not a ledger" * 100)
    head, first, second = run_here("campaigns", "--campaigns", tmp_path / "all").stdout.splitlines()
    assert head.split() == ["id", "problem", "state", "exp.", "baseline", "->", "champion", "verdict", "age"]
    assert first.split()[:4] == [finished.id, "toy", "ended", str(finished.board.spend.experiments)]
    assert " -> " in first
    assert " confirmed " in first
    assert second.split() == ["broken-1", "unreadable"]


def test_campaigns_at_80_columns_keeps_ids_whole(finished: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run_here("campaigns", "--campaigns", finished.folder.parent).stdout.splitlines()
    assert lines[1].split()[:2] == [finished.id, "ended"]
    assert max(map(len, lines)) <= 80


def test_no_campaigns(aster: Aster, campaigns: Path) -> None:
    assert aster("campaigns").stdout.startswith(f"There are no campaigns in {campaigns}.")


def test_a_claim_says_what_its_runs_tell_of_a_bounded_mean() -> None:
    told = "\n".join(claim_lines([3.27, 3.29, 3.265]))
    assert "Undecided: gain +" in told
    assert "not shown to be at most 3.28 (p = 0.29, to be below 0.01); about 42 runs would show it" in told
    assert "It must show too that the mean loss of the claimed candidate's runs is at most 3.28 (one-sided" in told
    assert "Confirmed: gain +" in (told := "\n".join(claim_lines([3.2701, 3.2699, 3.2702])))
    assert "the mean loss of 3 runs, 3.270067, is at most 3.28 (p < 0.0001, below 0.01)." in told


def claim_lines(losses: list[float]) -> list[str]:
    board = bounded(losses).board
    return list(_claim_lines(board, choose_claim(board, None)))
