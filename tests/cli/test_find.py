from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aster.cli.find import command_for, find_campaign
from aster.errors import CampaignNotFound
from aster.handle import Campaign


@pytest.fixture
def many(finished: Campaign, tmp_path: Path) -> Path:
    """A folder with copies of one campaign, and something else."""
    for name in ("toy-2026-aa01", "toy-2026-bb02", "other-2025-cc02"):
        (tmp_path / "many" / name).mkdir(parents=True)
        shutil.copy(finished.folder / "ledger.db", tmp_path / "many" / name)
    (tmp_path / "many" / "notes").mkdir()
    return tmp_path / "many"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("toy-2026-aa01", "toy-2026-aa01"),
        ("toy-2026-b", "toy-2026-bb02"),
        ("other", "other-2025-cc02"),
        ("aa01", "toy-2026-aa01"),
        ("5-cc02", "other-2025-cc02"),
    ],
)
def test_an_id_or_its_beginning_or_end(many: Path, wanted: str, name: str) -> None:
    assert find_campaign(wanted, many) == many / name


def test_a_path_from_anywhere(many: Path, tmp_path: Path) -> None:
    assert find_campaign(str(many / "toy-2026-aa01"), tmp_path / "elsewhere") == many / "toy-2026-aa01"


def test_last_is_the_one_opened_last_whatever_its_name(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = {"toy-2026-aa01": 5.0, "toy-2026-bb02": 3.0, "other-2025-cc02": 7.0}
    monkeypatch.setattr("aster.cli.find.opened_at", lambda folder: opened[folder.name])
    assert find_campaign("last", many).name == "other-2025-cc02"


def test_last_is_not_a_damaged_one(many: Path) -> None:
    for name in ("toy-2026-bb02", "other-2025-cc02"):
        (many / name / "ledger.db").write_bytes(b"no ledger at all" * 100)
    assert find_campaign("last", many).name == "toy-2026-aa01"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("toy", "fits 2 campaigns"),
        ("02", "fits 2 campaigns"),
        ("notes", "no campaign 'notes'.*other-2025-cc02, toy-2026-aa01, toy-2026-bb02"),
        ("", "no campaign ''"),
    ],
)
def test_what_fits_none_or_many_names_what_there_is(many: Path, wanted: str, said: str) -> None:
    with pytest.raises(CampaignNotFound, match=said):
        find_campaign(wanted, many)


def test_commands_are_as_a_person_would_type_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASTER_CAMPAIGNS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert command_for("show", Path("campaigns/toy-1")) == "aster show toy-1"
    assert command_for("show", tmp_path / "campaigns" / "toy-1") == "aster show toy-1"
    assert command_for("show", Path("there/toy-1")) == "aster show toy-1 --campaigns there"
    assert command_for("show", Path("over there/toy-1")) == "aster show toy-1 --campaigns 'over there'"
    monkeypatch.setenv("ASTER_CAMPAIGNS", "there")
    assert command_for("show", Path("there/toy-1")) == "aster show toy-1"
