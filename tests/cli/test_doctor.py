from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.cli.conftest import Aster
from tests.llm.test_probe import able

from aster.cli import doctor
from aster.errors import ExecutorError
from aster.sandbox import layers
from aster.sandbox.keeper.probe import Probe
from aster.sandbox.layers import choose_walls, holds, limits, probe_machine
from aster.testing.clients import says
from aster.testing.model_server import serving

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


def test_a_model_that_can_do_what_agents_need(aster: Aster) -> None:
    with serving(able) as server:
        result = aster("doctor", "--model", "openai:fake", "--base-url", server.base_url)
    assert result.exit_code == 0, result.output
    assert "Agents can work with this model." in result.stdout
    for what in ("words", "tools", "typed", "parallel", "length", "counts"):
        assert re.search(rf"^{what} +works ", result.stdout, re.MULTILINE), what
    assert re.search(
        r"^price +not known: a campaign needs --tokens, or --price openai:fake=", result.stdout, re.MULTILINE
    )


def test_a_model_that_cannot_and_why_that_matters(aster: Aster) -> None:
    with serving(lambda prompt: says(prompt, "ready")) as server:
        result = aster("doctor", "--model", "openai:fake", "--base-url", server.base_url)
    assert result.exit_code == 1
    assert re.search(r"^tools +fails +It called no tool; it said 'ready'$", result.stdout, re.MULTILINE)
    assert "Agents read, edit and run experiments by calling tools" in result.stdout
    assert "Agents cannot work with this model as it is." in result.stdout


def test_a_server_that_is_not_there(aster: Aster) -> None:
    result = aster("doctor", "--model", "openai:fake", "--base-url", "http://127.0.0.1:9/v1")
    assert result.exit_code == 1
    assert "cannot be reached" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "gpt-5"], "is not a model"),
        (["--model", "anthropic:claude-sonnet-5"], "set ANTHROPIC_API_KEY"),
        (["--model", "anthropic:claude-sonnet-5", "--base-url", "http://127.0.0.1:9"], "None of the models is asked"),
    ],
)
def test_a_model_that_cannot_be_asked(aster: Aster, arguments: list[str], words: str) -> None:
    result = aster("doctor", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
