"""--sandbox and --require-sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Aster, only

from aster.sandbox import layers
from aster.sandbox.keeper.probe import Probe

BARE = Probe("", False, "bubblewrap is not installed", "this kernel has no Landlock", 0)


def test_the_sandbox_is_recorded(aster: Aster, toy: Path, campaigns: Path) -> None:
    result = aster("run", toy, "--experiments", 12, "--slots", 2, "--sandbox", "plain", "--json")
    assert result.exit_code == 0
    assert '"sandbox":"plain"' in result.stdout.replace(" ", "")
    assert only(campaigns).board.spend.experiments > 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--sandbox", "bubblewrap"), "bubblewrap is not installed"),
        (("--require-sandbox",), "--require-sandbox asks for more"),
        (("--sandbox", "plain", "--require-sandbox"), "--require-sandbox asks for more"),
        (("--sandbox", "jail"), "jail"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_made(
    words: tuple[str, ...], why: str, aster: Aster, toy: Path, campaigns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "probe_machine", lambda: BARE)
    result = aster("run", toy, "--experiments", 12, *words)
    assert result.exit_code == 2
    assert why in result.output
    assert not campaigns.exists()
