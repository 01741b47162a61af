"""The walls of this machine, for tests in each sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from aster.sandbox.keeper.walls import Walls
from aster.sandbox.layers import SandboxName, choose_walls, probe_machine


def walls_or_skip(name: SandboxName, campaign: Path) -> Walls:
    """Return the walls of a sandbox for the campaign in a folder, or skip the test with the reason why not."""
    probe = probe_machine()
    if reason := {"bubblewrap": probe.bubblewrap, "landlock": probe.landlock}.get(name, ""):
        pytest.skip(f"{name}: {reason}")
    return choose_walls(name, campaign, {})
