from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.cli.conftest import Aster

from aster.cli import doctor
from aster.sandbox.plain import LIMITS

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_a_sound_machine(aster: Aster, campaigns: Path) -> None:
    result = aster("doctor")
    assert result.exit_code == 0
    for name in ("python", "platform", "cores", "memory", "GPUs", "hardware", "SQLite", "packages", "campaigns"):
        assert re.search(rf"^{name} +\S", result.stdout, re.MULTILINE), name
    assert "ledger and lock work" in result.stdout
    for sentence in LIMITS:
        assert f"  - {sentence}" in result.stdout
    assert not campaigns.exists()
    assert list(campaigns.parent.iterdir()) == []


def test_a_folder_that_cannot_hold_campaigns(aster: Aster, campaigns: Path) -> None:
    campaigns.write_text("a file")
    result = aster("doctor")
    assert result.exit_code == 1
    assert f"{campaigns} cannot be written" in result.stdout.partition("Broken:")[2]


def test_a_missing_package(aster: Aster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DEPENDENCIES", (*doctor.DEPENDENCIES, "no-such-package"))
    result = aster("doctor")
    assert result.exit_code == 1
    assert "no-such-package MISSING" in result.stdout
    assert "no-such-package is not installed: pip install no-such-package" in result.stdout


def test_it_looks_at_all_that_the_project_needs() -> None:
    needed = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    assert tuple(re.split(r"[<>=~!\[; ]", each)[0] for each in needed) == doctor.DEPENDENCIES
