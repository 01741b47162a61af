from __future__ import annotations

import resource
from pathlib import Path

from aster.sandbox.folder import make_spec
from aster.sandbox.keeper.spec import Stage
from aster.sandbox.keeper.stage import command, environment, limits
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.plan import RunPlan

SPEC = make_spec(
    RunPlan((), {}, cpus=3, memory_mb=64, seed_env="SEED", interpreter="/opt/py/bin/python3"),
    Path("/c"),
    "x-1.1",
    "m",
    5,
    {},
    Walls(),
)


def stage(*argv: str, trusted: bool = False) -> Stage:
    return Stage("s", list(argv), 2.5, trusted)


def test_placeholders_are_text_and_replaced_once() -> None:
    argv = command(SPEC, stage("python", "--out={outputs}/a", "{seed}", "{other}", "$HOME"), "/o/{seed}", "/p")
    assert argv == ["/opt/py/bin/python3", "--out=/o/{seed}/a", "5", "{other}", "$HOME"]


def test_only_trusted_stages_learn_where_pictures_go() -> None:
    assert command(SPEC, stage("draw", "{pictures}"), "/o", "/p") == ["draw", "{pictures}"]
    assert command(SPEC, stage("draw", "{pictures}", trusted=True), "/o", "/p") == ["draw", "/p"]


def test_environment_is_all_there_is() -> None:
    env = environment(SPEC, ["GPU-1", "GPU-2"], "/h", {})
    assert env["PATH"].startswith("/opt/py/bin:")
    assert (env["HOME"], env["TMPDIR"]) == ("/h", "/h")
    assert env["CUDA_VISIBLE_DEVICES"] == "GPU-1,GPU-2"
    assert env["OMP_NUM_THREADS"] == env["OPENBLAS_NUM_THREADS"] == "3"
    assert (env["SEED"], env["ASTER_ATTEMPT"]) == ("5", "m")
    assert "ASTER_SCORE" not in env
    assert environment(SPEC, [], "/h", {"ASTER_SCORE": "/dev/fd/7"})["ASTER_SCORE"] == "/dev/fd/7"


def test_address_space_is_free_beside_a_gpu() -> None:
    bounds = dict(limits(SPEC, stage(), with_gpu=False))
    assert bounds[resource.RLIMIT_AS] == 64 << 20
    assert bounds[resource.RLIMIT_CPU] == 8 + 5  # 2.5 s on 3 cpus, rounded up, and the grace
    assert bounds[resource.RLIMIT_CORE] == 0
    assert resource.RLIMIT_AS not in dict(limits(SPEC, stage(), with_gpu=True))
