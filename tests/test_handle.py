from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.toys import toy_problem

from aster.app import create, load_campaign, research, run
from aster.board import Board
from aster.campaign.budget import Budget
from aster.domain import events as ev
from aster.errors import CampaignBusy, UserError
from aster.handle import Campaign
from aster.ledger.lock import CampaignLock
from aster.problems.problem import load_problem

together = pytest.mark.xdist_group("handle")  # its campaign is run once, not once a worker


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A campaign that ended with a champion; no report was written. Read only."""
    place = tmp_path_factory.mktemp("handle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aster.report.folder.write_report", lambda *args: [])
        return research(toy_problem(place / "toy"), Budget(experiments=30), slots=2, campaigns=place / "c")


@together
def test_best_is_the_champion_with_its_files_and_a_patch_that_applies(campaign: Campaign, tmp_path: Path) -> None:
    best = campaign.best
    assert best is not None
    assert campaign.champion is not None
    assert best.confirmed
    assert (best.candidate, best.value) == (campaign.champion.id, campaign.champion_value)
    assert best.low is not None
    assert best.high is not None
    assert best.low <= best.value <= best.high
    toy_problem(tmp_path)
    subprocess.run(["git", "apply"], cwd=tmp_path, input=best.patch, check=True)
    for path, data in best.files.items():
        assert (tmp_path / path).read_bytes() == data
    assert "confirmed" in repr(best)


@together
def test_experiments_are_rows(campaign: Campaign) -> None:
    rows = campaign.experiments
    assert len(rows) == len(campaign.board.experiments)
    assert [row["experiment"] for row in rows] == list(campaign.board.experiments)
    assert rows[0]["purpose"] == "baseline"
    assert rows[-1] == list(rows)[-1]
    assert rows[1:3] == list(rows)[1:3]
    assert "metrics.loss" in rows.columns
    assert repr(rows).startswith(f"<{len(rows)} experiments: campaign, experiment")
    with pytest.raises(IndexError):
        rows[len(rows)]
    with pytest.raises(UserError, match="no table 'x'"):
        campaign.table("x")


@together
def test_frames_of_a_real_campaign(campaign: Campaign) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    pytest.importorskip("pandas", reason="pip install 'aster-research[tables]'")
    frame = campaign.to_pandas()
    assert len(frame) == len(campaign.experiments)
    assert campaign.to_arrow("claims").column("verdict").to_pylist() == [claim.verdict for claim in campaign.claims]


@together
def test_claims_are_rows_with_a_verdict(campaign: Campaign) -> None:
    [*_, last] = campaign.claims
    assert last.verdict == "confirmed"
    assert len(last.pairs) == last.planned >= 3


@together
def test_figures_leave_pyplot_alone(campaign: Campaign) -> None:
    import matplotlib
    from matplotlib import _pylab_helpers

    before = dict(matplotlib.rcParams)
    figures = campaign.figures()
    assert list(figures) == ["progress", "claims"]
    assert not _pylab_helpers.Gcf.figs
    assert dict(matplotlib.rcParams) == before
    assert "champion, confirmed" in campaign._repr_html_()


def test_refresh_sees_what_happened_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster.report.folder.write_report", lambda *args: [])
    folder = create(load_problem(toy_problem(tmp_path / "toy")), Budget(experiments=10), campaigns=tmp_path / "c")
    before = load_campaign(folder)
    assert before.best is None
    run(folder)
    assert before.board.ended is None
    assert before.refresh() is before
    assert before.board.ended is not None
    assert len(before.experiments) == 10


def test_resume_goes_on_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("aster.report.folder.write_report", lambda *args: [])
    folder = create(load_problem(toy_problem(tmp_path / "toy")), Budget(experiments=10), campaigns=tmp_path / "c")
    campaign = load_campaign(folder)
    seen: list[ev.Event] = []

    def note(_: Board, events: Sequence[ev.Event]) -> None:
        seen.extend(events)

    with CampaignLock(folder), pytest.raises(CampaignBusy):
        campaign.resume()
    assert campaign.resume(on_event=note, progress=True) is campaign
    assert campaign.board.ended is not None
    assert any(isinstance(event, ev.CampaignEnded) for event in seen)
    assert "10/10 experiments" in capsys.readouterr().err.rpartition("\r")[2]


def test_research_works_inside_a_running_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster.report.folder.write_report", lambda *args: [])

    async def cell() -> Campaign:  # what a notebook's cell is
        return research(toy_problem(tmp_path / "toy"), Budget(experiments=10), campaigns=tmp_path / "c")

    assert len(asyncio.run(cell()).experiments) == 10
