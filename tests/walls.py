"""The walls of this machine, for tests in each sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from aster.sandbox.keeper.walls import Walls
from aster.sandbox.layers import NOTHING, SANDBOXES, Needs, choose_walls, probe_machine


def walls_or_skip(
    sandbox: str, campaign: Path, nodes: Mapping[str, str] | None = None, needs: Needs = NOTHING
) -> Walls:
    """Return the walls of a sandbox for the campaign in a folder, or skip the test with the reason why not.

    `sandbox`: one of `SandboxName`; with ", own user" behind it, with a user of its own for each attempt, as root
    has it where other users can get to the campaign. The folder is opened for that. `nodes`: GPU UUID -> device node.
    `needs`: what attempts need of the machine.
    """
    words = sandbox.partition(", own user")
    name = next(each for each in SANDBOXES if each == words[0])
    probe = probe_machine()
    if reason := {"bubblewrap": probe.bubblewrap, "landlock": probe.landlock}.get(name, ""):
        pytest.skip(f"{name}: {reason}")
    if not words[1]:
        return replace(choose_walls(name, campaign, nodes or {}, needs=needs), own_user=False)
    if name not in probe.own_user:
        pytest.skip("only root has it, where another user can run this interpreter")
    campaign.mkdir(parents=True, exist_ok=True)
    for folder in (campaign, *campaign.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
    walls = choose_walls(name, campaign, nodes or {}, needs=needs)
    assert walls.own_user
    return walls
