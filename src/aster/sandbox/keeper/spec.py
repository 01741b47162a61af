"""What a keeper is told (`spec.json` of its attempt folder) and what it answers (`spool/ATTEMPT.json`)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from .walls import Walls

Status = Literal["done", "failed", "timed_out", "invalid", "cancelled", "lost"]


@dataclass(frozen=True)
class Stage:
    """One command.

    Attributes:
        timeout_s: wall seconds.
        trusted: runs the problem's own code, never the candidate's.
        service: name of the service that runs beside it; "" for none.
    """

    name: str
    command: list[str]
    timeout_s: float
    trusted: bool
    service: str = ""


@dataclass(frozen=True)
class Given:
    """Files of the machine that some stages may read.

    Attributes:
        name: a stage's "{data.NAME}" is the first of `places`; "" if no command names it.
        places: absolute paths without links; the first is what it is, others are what links in it lead to. Empty:
            withheld from this attempt.
        link: where a link to it is laid: relative to the stage's folder, or "~/..." below its home; "" for nowhere.
        stages: names of the stages.
    """

    name: str
    places: list[str]
    link: str
    stages: list[str]


@dataclass(frozen=True)
class Reading:
    """What is read from the output of untrusted stages.

    Attributes:
        metrics: metric -> regular expression with one group; the last line that it matches counts.
        progress: regular expression with two groups, step and value; "" for none.
        goal: which way intermediate values improve.
        bars: (step, worst value that may go on): the first value at or past each step is held against it.
    """

    metrics: dict[str, str] = field(default_factory=dict)
    progress: str = ""
    goal: Literal["maximize", "minimize"] = "minimize"
    bars: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Spec:
    """Everything that one attempt needs.

    Attributes:
        attempt: its id.
        mark: value of ASTER_ATTEMPT in every process of it; unlike any other attempt's on this machine.
        spool: folder that the outcome is written to.
        store: folder of the problem's trusted files, each named by its SHA-256.
        trusted_files: path -> SHA-256, laid out anew for every trusted stage.
        frozen: path under `work/` -> SHA-256, for files that the candidate may not change.
        leases: GPU UUID -> lock file, of every device that may be leased; `gpus` of them are.
        path: the value of PATH.
        memory_mb: MiB of memory for a stage's processes together where there are control groups, and of address
            space for each, where no GPU is leased.
        walls: the sandbox that stages run in.
        beside: how many attempts may run side by side, this one included.
        services: stages that run only beside another: they do not run on their own, and are killed with it.
        given: what stages may read of the machine beside the system.
        compiled: folder of compiled kernels, of which each stage gets a copy to use and change; "": an empty one is
            made; None: compilers are left to their own ways.
        reading: what is read from the output of untrusted stages; of services nothing is.
        quick: it is a check, which is not scored.
        output_bytes: the largest file of the outputs that is kept.
    """

    attempt: str
    mark: str
    spool: str
    store: str
    stages: list[Stage]
    seed: int
    seed_env: str | None
    interpreter: str
    path: str
    cpus: int
    memory_mb: int
    gpus: int = 0
    leases: dict[str, str] = field(default_factory=dict)
    trusted_files: dict[str, str] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)
    walls: Walls = field(default_factory=Walls)
    services: list[Stage] = field(default_factory=list)
    beside: int = 1
    given: list[Given] = field(default_factory=list)
    compiled: str | None = None
    reading: Reading = field(default_factory=Reading)
    quick: bool = False
    output_bytes: int = 1 << 20


@dataclass(frozen=True)
class RawOutcome:
    """What an attempt came to, before anybody judged the score.

    Attributes:
        status: "done" if every stage ended well; "lost" if the keeper, not the candidate, was in trouble.
        reason: one line for people, or the broken rule.
        stage, limit_s: of the stage that ended it; "" and 0 if none did.
        score: what the trusted stages wrote to ASTER_SCORE, unparsed.
        cpu_s: over all processes of the tree. `max_rss_mb`: MiB, sampled over the tree.
        started, ended: Unix seconds; `started` is after GPUs were leased.
        gpus: UUIDs leased.
        artifacts: names of the files kept under `outputs/`.
        pictures: names of the files kept under `pictures_folder`.
        early: it was cancelled because one of its bars was broken.
        said: metric -> the text that was read for it. `progress`: (step, value), steps growing.
        last_line: of the last untrusted stage's output, cleaned and bounded.
        quick: as in its spec.
    """

    attempt: str
    status: Status
    reason: str
    stage: str
    limit_s: float
    score: str
    wall_s: float
    cpu_s: float
    max_rss_mb: float
    started: float
    ended: float
    gpus: list[str]
    artifacts: list[str]
    pictures: list[str]
    pictures_folder: str
    early: bool = False
    said: dict[str, str] = field(default_factory=dict)
    progress: list[tuple[int, float]] = field(default_factory=list)
    last_line: str = ""
    quick: bool = False


def decode_spec(data: bytes) -> Spec:
    """Return the spec held in `data`.

    Raises:
        ValueError, TypeError, KeyError: the bytes are not a spec.
    """
    fields = json.loads(data)
    stages, services = ([Stage(**stage) for stage in fields.pop(key)] for key in ("stages", "services"))
    given = [Given(**each) for each in fields.pop("given", [])]
    walls, reading = Walls(**fields.pop("walls")), Reading(**fields.pop("reading"))
    return Spec(stages=stages, services=services, given=given, walls=walls, reading=reading, **fields)


def encode_outcome(outcome: RawOutcome) -> bytes:
    """Return the outcome as JSON."""
    return json.dumps(asdict(outcome)).encode()
