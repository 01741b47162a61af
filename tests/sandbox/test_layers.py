"""Which walls are chosen, what errors say, and what is told about them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from aster.errors import UserError
from aster.sandbox import layers
from aster.sandbox.folder import make_spec
from aster.sandbox.keeper.probe import Probe
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.layers import (
    SANDBOXES,
    Needs,
    SandboxName,
    check_no_weaker,
    choose_walls,
    holds,
    limits,
    probe_machine,
    readable,
)
from aster.sandbox.plan import RunPlan

ALL = Probe("/usr/bin/bwrap", True, "", "", 7, {"unified": "/sys/fs/cgroup/me"})
NO_BWRAP = Probe("", False, "bubblewrap is not installed", "", 7)
NONE = Probe("", False, "bubblewrap is not installed", "this kernel has no Landlock", 0)


def here(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    monkeypatch.setattr(layers, "probe_machine", lambda: probe)


@pytest.mark.parametrize(
    ("probe", "wanted", "got"),
    [
        (ALL, "auto", "bubblewrap"),
        (NO_BWRAP, "auto", "landlock"),
        (NONE, "auto", "plain"),
        (ALL, "landlock", "landlock"),
        (ALL, "plain", "plain"),
    ],
)
def test_choice(probe: Probe, wanted: SandboxName, got: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here(monkeypatch, probe)
    walls = choose_walls(wanted, tmp_path, {})
    assert walls.sandbox == got
    assert walls.program == (probe.program if got == "bubblewrap" else "")
    assert walls.groups == probe.groups


def test_what_does_not_work_is_not_replaced_silently(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here(monkeypatch, NO_BWRAP)
    with pytest.raises(UserError, match=r"bubblewrap sandbox does not work here: bubblewrap is not installed"):
        choose_walls("bubblewrap", tmp_path, {})


@pytest.mark.parametrize(("probe", "wanted"), [(NONE, "auto"), (ALL, "plain"), (NONE, "plain")])
def test_plain_is_refused_where_more_is_needed(
    probe: Probe, wanted: SandboxName, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here(monkeypatch, probe)
    with pytest.raises(UserError, match="--require-sandbox asks for more") as caught:
        choose_walls(wanted, tmp_path, {}, required=True)
    told = "You chose --sandbox plain" if wanted == "plain" else f"landlock: {probe.landlock or 'works'}"
    assert told in str(caught.value)
    with pytest.raises(UserError, match="service stage needs more"):
        choose_walls(wanted, tmp_path, {}, service=True)


def test_an_interpreter_that_needs_what_it_cannot_see_takes_no_walls_down(tmp_path: Path) -> None:
    if probe_machine().bubblewrap and probe_machine().landlock:
        pytest.skip("this machine has no walls")
    (tmp_path / "unseen").write_text("")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncat {tmp_path}/unseen && exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    needs = Needs(interpreter=str(python))
    with pytest.raises(UserError, match=r"python does not run in \w+, which works here: .*--sandbox plain"):
        choose_walls("auto", tmp_path, {}, needs=needs)
    assert choose_walls("plain", tmp_path, {}, needs=needs).sandbox == "plain"


def test_nothing_weaker_unasked() -> None:
    check_no_weaker("bubblewrap", ("plain",))
    check_no_weaker("landlock", ("bubblewrap", "landlock"))
    check_no_weaker("plain", ())
    with pytest.raises(UserError, match=r"ran in bubblewrap.*now is landlock.*--sandbox landlock"):
        check_no_weaker("landlock", ("landlock", "bubblewrap"))


def test_the_campaign_and_built_in_problems_are_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here(monkeypatch, ALL)
    walls = choose_walls("auto", tmp_path / "campaign", {})
    assert str((tmp_path / "campaign").resolve()) in walls.hidden
    assert any(path.endswith("/aster/_packs") for path in walls.hidden)


def test_gpu_nodes_only_where_gpus_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here(monkeypatch, ALL)
    monkeypatch.setattr(layers, "GPU_NODES", ("/dev/null", "/dev/no-such"))
    assert choose_walls("auto", tmp_path, {}).shared_nodes == []
    walls = choose_walls("auto", tmp_path, {"GPU-1": "/dev/nvidia0"})
    assert (walls.nodes, walls.shared_nodes) == ({"GPU-1": "/dev/nvidia0"}, ["/dev/null"])


def test_path_holds_only_what_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/srv/me/bin:/opt/venv/bin:/usr/bin:/usrlocal")

    def path(walls: Walls) -> str:
        return make_spec(RunPlan((), {}), Path("/c"), "x-1.1", "m", 1, {}, walls).path

    assert path(Walls()) == os.environ["PATH"]
    assert path(Walls(sandbox="landlock", read=["/usr", "/opt/venv"])) == "/usr/bin:/opt/venv/bin"
    assert path(Walls(sandbox="bubblewrap", read=["/nothing"])) == os.defpath


def test_what_can_be_read_is_there_and_is_not_everything() -> None:
    found = readable()
    assert all(Path(path).exists() for path in found)
    assert "/" not in found
    assert str(Path.home()) not in found
    assert not {"/etc", "/proc", "/home", "/var", "/tmp"} & set(found)


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("name", [name for name in SANDBOXES if name != "auto"])
def test_what_is_told(name: str, root: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0 if root else 1000)
    bare, grouped = Walls(sandbox=name), Walls(sandbox=name, groups={"unified": "/x"})
    texts = [*holds(bare), *limits(bare, 7), *holds(grouped), *limits(grouped, 7)]
    assert all(text.endswith(".") and len(text) > 30 for text in texts)
    assert any("You are root" in text for text in limits(bare, 7)) == (root and name != "plain")
    assert any("processes is not limited" in text for text in limits(bare, 7)) == (root and name != "bubblewrap")
    own = Walls(sandbox=name, own_user=True)
    assert any("a user of its own" in text for text in holds(own))
    assert not any("You are root" in text for text in limits(own, 7))
    assert set(limits(grouped, 7)) < set(limits(bare, 7))
    assert set(holds(bare)) < set(holds(grouped))
    assert any("network is open" in text for text in limits(bare, 7)) == (name == "plain")


def test_old_kernels_hold_less() -> None:
    walls = Walls(sandbox="landlock")
    assert len(limits(walls, 1)) == len(limits(walls, 7)) + 3
    assert len(limits(walls, 5)) == len(limits(walls, 7)) + 1
