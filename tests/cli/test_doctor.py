from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.cli.conftest import Aster

from aster.cli import doctor
from aster.errors import ExecutorError
from aster.sandbox import layers
from aster.sandbox.keeper.probe import Probe
from aster.sandbox.layers import choose_walls, holds, limits, probe_machine

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_a_sound_machine(aster: Aster, campaigns: Path) -> None:
    result = aster("doctor")
    assert result.exit_code == 0
    for name in (
        "python",
        "platform",
        "cores",
        "memory",
        "GPUs",
        "hardware",
        "SQLite",
        "packages",
        "environments",
        "campaigns",
    ):
        assert re.search(rf"^{name} +\S", result.stdout, re.MULTILINE), name
    assert "ledger and lock work" in result.stdout
    walls, probe = choose_walls("auto", campaigns, {}), probe_machine()
    assert re.search(rf"^  {walls.sandbox} +works, and is what `aster run` uses$", result.stdout, re.MULTILINE)
    for name in {"bubblewrap", "landlock", "plain"} - {walls.sandbox}:
        assert re.search(rf"^  {name} +\S", result.stdout, re.MULTILINE), name
    assert re.search(r"^  cgroups +\S", result.stdout, re.MULTILINE)
    for sentence in holds(walls):
        assert f"  + {sentence}\n" in result.stdout
    for sentence in limits(walls, probe.landlock_version):
        assert f"  - {sentence}\n" in result.stdout
    assert not campaigns.exists()
    assert list(campaigns.parent.iterdir()) == []


def test_a_machine_without_walls(aster: Aster, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Probe("", False, "bubblewrap is not installed", "this kernel has no Landlock", 0)
    monkeypatch.setattr(layers, "probe_machine", lambda: bare)
    result = aster("doctor")
    assert result.exit_code == 0
    assert re.search(r"^  bubblewrap +bubblewrap is not installed$", result.stdout, re.MULTILINE)
    assert re.search(r"^  plain +works, and is what `aster run` uses$", result.stdout, re.MULTILINE)
    assert re.search(r"^  cgroups +none that this user may make$", result.stdout, re.MULTILINE)
    assert "  - The network is open to candidate code.\n" in result.stdout


def test_sandboxes_that_cannot_be_tried(aster: Aster, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Probe:
        raise ExecutorError("the sandboxes of this machine cannot be tried: no memory")

    monkeypatch.setattr(layers, "probe_machine", broken)
    result = aster("doctor")
    assert result.exit_code == 1
    assert "cannot be tried: no memory" in result.stdout.partition("Broken:")[2]


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
