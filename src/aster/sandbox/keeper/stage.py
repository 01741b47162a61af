"""One stage's command line, environment and limits."""

from __future__ import annotations

import math
import os
import re
import resource
from collections.abc import Sequence

from .spec import Spec, Stage

MAX_FILE = 16 << 30
"""Bytes that a stage may write to one file."""
MAX_OPEN = 4096
"""Descriptors that a process of a stage may have open."""
CPU_GRACE_S = 5
"""CPU seconds allowed beyond timeout x cpus, so that the wall clock is what normally ends a stage."""
_PLACEHOLDER = re.compile(r"\{(outputs|seed|pictures)\}")


def command(spec: Spec, stage: Stage, outputs: str, pictures: str) -> list[str]:
    """Return the argv of a stage; "python" is the problem's interpreter, {placeholders} are replaced as text."""
    values = {"outputs": outputs, "seed": str(spec.seed)}
    if stage.trusted:
        values["pictures"] = pictures
    argv = [_PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), word) for word in stage.command]
    return [spec.interpreter, *argv[1:]] if argv[0] in ("python", "python3") else argv


def environment(spec: Spec, gpus: Sequence[str], home: str, score: int | None) -> dict[str, str]:
    """Return the whole environment of a stage: nothing of ours is passed on.

    Hashes are not randomised (PYTHONHASHSEED=0), so that the order of sets does not change what a seed gives.
    Only a trusted stage gets ASTER_SCORE, the descriptor `score` that nobody else has.
    """
    env = {
        "PATH": os.pathsep.join((os.path.dirname(spec.interpreter), spec.path)),  # noqa: PTH120
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(gpus),
        "ASTER_ATTEMPT": spec.mark,
    }
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        env[f"{library}_NUM_THREADS"] = str(spec.cpus)
    if spec.seed_env:
        env[spec.seed_env] = str(spec.seed)
    if score is not None:
        env["ASTER_SCORE"] = f"/dev/fd/{score}"
    return env


def limits(spec: Spec, stage: Stage, with_gpu: bool) -> list[tuple[int, int]]:
    """Return (resource, bound) pairs for a process of a stage.

    The address space is not limited where a GPU is leased: its driver maps more than there is. It comes last,
    because lowering it may leave the process no room before exec. The number of processes is not limited here:
    RLIMIT_NPROC counts a whole user and does not hold for root.
    """
    bounds = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_FILE),
        (resource.RLIMIT_NOFILE, MAX_OPEN),
        (resource.RLIMIT_CPU, math.ceil(stage.timeout_s * spec.cpus) + CPU_GRACE_S),
    ]
    return bounds if with_gpu else [*bounds, (resource.RLIMIT_AS, spec.memory_mb << 20)]
