"""What it takes to run attempts of one problem, whatever file format the problem came in."""

from __future__ import annotations

import sys
from typing import Literal

from msgspec import Struct


class StagePlan(Struct, frozen=True):
    """One command, run in its own process session.

    Attributes:
        command: argv. "{outputs}", "{seed}" and, for trusted stages, "{pictures}" are replaced in every word;
            a first word "python" is the plan's interpreter.
        timeout_s: wall seconds; then its whole process tree is killed and the attempt is timed out.
        trusted: runs in a new folder with only the trusted files, after the candidate's processes are dead, and
            may write the score to the file that the environment variable ASTER_SCORE names.
        service: of a trusted stage: the name of the plan's service that runs beside it; "" for none.
        quick: whether it is part of a check; "only": and of nothing else.
    """

    name: str
    command: tuple[str, ...]
    timeout_s: float
    trusted: bool = False
    service: str = ""
    quick: Literal[True, False, "only"] = False


class GivenPlan(Struct, frozen=True):
    """Files of the user's that some stages may read, and no others.

    Attributes:
        name: what "{data.NAME}" in a stage's words stands for; "" if no command names it.
        places: absolute paths without links: the file or folder itself, then what links in it lead to.
        link: where the stages find it: relative to their folder, or "~/..." below their home; "" for nowhere.
        stages: their names.
        sealed: only for experiments that confirm a claim.
    """

    name: str
    places: tuple[str, ...]
    link: str
    stages: tuple[str, ...]
    sealed: bool = False


class RunPlan(Struct, frozen=True):
    """Everything about the attempts of a problem that is not the candidate.

    Attributes:
        stages: run in this order, as far as they are part of the attempt (`stages_of`); the first that does not end
            well ends it.
        trusted_files: path -> content, the tree that trusted stages run in.
        frozen_solution: paths in `Job.files` that the candidate's code may not change while it runs.
        services: untrusted commands that run only beside a stage that names them; they see the candidate's files,
            change none of them, and talk to the stage through shared memory (`aster_channel`).
        cpus: threads that numeric libraries are told to use; with the timeout, bounds CPU seconds. Where there are
            control groups, CPU seconds a second.
        gpus: whole devices leased for the attempt.
        memory_mb: MiB for a stage's processes together where there are control groups, and of address space for
            each process where no GPU is leased.
        seed_env: name of the environment variable that holds the seed, or None.
        interpreter: what "python" means.
        given: what stages may read of the user's files.
        compiled: folder of compiled kernels, of which each stage gets a copy, with the variables that point compilers
            to it; "" for an empty one, None for neither.
        metrics: metric -> regular expression with one group, for those read from the output of untrusted stages.
        progress: regular expression with two groups, step and intermediate value; "" for none. `progress_goal`: which
            way these improve.
        output_bytes: the largest file of the outputs that is kept.
    """

    stages: tuple[StagePlan, ...]
    trusted_files: dict[str, bytes]
    frozen_solution: tuple[str, ...] = ()
    services: tuple[StagePlan, ...] = ()
    cpus: int = 1
    gpus: int = 0
    memory_mb: int = 2048
    seed_env: str | None = None
    interpreter: str = sys.executable
    given: tuple[GivenPlan, ...] = ()
    compiled: str | None = None
    metrics: dict[str, str] = {}
    progress: str = ""
    progress_goal: Literal["maximize", "minimize"] = "minimize"
    output_bytes: int = 1 << 20

    def stages_of(self, *, check: bool, rescored: bool) -> list[StagePlan]:
        """Return the stages of an attempt: the quick ones for a check; the trusted ones where only these run."""
        mine = [each for each in self.stages if (each.quick if check else each.quick != "only")]
        return [each for each in mine if each.trusted or not rescored]
