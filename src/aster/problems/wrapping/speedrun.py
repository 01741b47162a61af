"""A checkout of KellerJordan/modded-nanogpt, as it is: train_gpt.py and the kernels beside it may be edited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aster.errors import InitError
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.assembling import Parts, assemble
from aster.problems.wrapping.gather import gather
from aster.problems.wrapping.outline import ROOT, DataLine, Environment, Limit, MetricLine, Outline, readme
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.scaffold import template
from aster.problems.wrapping.scan import pinned_seeds, reachable
from aster.problems.wrapping.seeds import seed_notes
from aster.problems.wrapping.surroundings import SELF_REPORTED, cpus_for, environment_for, noticed

Files = Mapping[str, bytes]

TRAIN, LAUNCHER, FETCH = "train_gpt.py", "launch.py", "data/cached_fineweb10B.py"
TOKENS = "data/fineweb10B"
CACHES = ("~/.cache/huggingface", "~/.cache/tiktoken")

TARGET, P = 3.28, 0.01
"""The contest: the mean validation loss is at most this, with a p-value below that."""
FAR = 3.3
"""What no single run may be above: runs scatter by about 0.0013, so one that is has not trained to the target."""
PAIRS = 16
"""Runs a side in a claim, at most: a margin of one sd, as records have it, takes 13 to be shown."""

WORLD_SIZES = (1, 2, 4, 8)
"""What train_gpt.py takes, with equal batches in all."""

_LAST = re.compile(rb"step:\{.*val_loss:\{.*train_time:\{.*ms")


def wrap_speedrun(checkout: Path, asked: Asked) -> Made:
    """Make a problem of a checkout, which stays as it is.

    Raises:
        InitError: it is no such checkout, the GPUs do not divide 8, or the folder exists or cannot be written.
    """
    gpus = 8 if asked.gpus is None else asked.gpus
    if gpus not in WORLD_SIZES:
        raise InitError(f"--gpus must be 1, 2, 4 or 8, not {gpus}: {TRAIN} shares its batch out over a divisor of 8.")
    if not (checkout / TRAIN).is_file():
        raise InitError(f"{checkout} is no checkout of modded-nanogpt: it has no {TRAIN}.")
    root = checkout.resolve()
    gathered = gather(root, [TRAIN])
    if not _LAST.search(gathered.files[TRAIN]):
        raise InitError(
            f"{checkout / TRAIN} has no line that prints `step:... val_loss:... train_time:...ms`, which is its score."
        )
    code = _code(gathered.files)
    environment, notes = environment_for(replace(gathered, files=code), reachable(code, TRAIN), asked.python)
    outline = Outline(
        name=asked.called(root.name),
        title=f"Train to a mean validation loss of {TARGET:g} in the least time on {_gpus(gpus)}",
        editable=[path for path in code if path.endswith(".py") and "/" not in path],
        command=["python", f"{ROOT}/{LAUNCHER}", "--standalone", f"--nproc_per_node={gpus}", f"{ROOT}/{TRAIN}"],
        timeout=asked.timeout or ("30m" if gpus >= 4 else "60m"),
        metrics=_metrics(),
        environment=replace(environment or Environment(), caches=CACHES),
        prepare=["python", "prepare.py"],
        data=[DataLine("tokens", TOKENS, "the contest's shards: training and validation")],
        progress=r"step:(\d+)/\d+ val_loss:(\S+)",
        limits=_limits(),
        cpus=cpus_for(gpus),
        gpus=gpus,
        memory=asked.memory or f"{16 * gpus + 16}GiB",
        confirm=PAIRS,
    )
    used = reachable(code, TRAIN)
    notes += [*(seed_notes(used, None) if pinned_seeds(used) else [_UNSEEDED]), _COMPILING]
    links = {TOKENS: root / TOKENS} if list((root / TOKENS).glob("fineweb_*.bin")) else {}
    if not links and FETCH not in gathered.files:
        notes.append(f"The checkout has neither {TOKENS} nor {FETCH}: put the contest's shards into {TOKENS}.")
    pages = {"README.md": _page(outline, notes).encode(), "prepare.py": template("speedrun_prepare.py")}
    pages |= {FETCH: gathered.files[FETCH]} if FETCH in gathered.files else {}
    parts = Parts(outline, {**code, LAUNCHER: template("speedrun_launch.py")}, pages, links)
    return assemble(asked.folder or Path(f"{outline.name}-problem"), parts, notes, prepare=True)


_UNSEEDED = f"{TRAIN} takes no seed, so repeats are unpaired: a claim compares two samples."
_COMPILING = (
    "Each run compiles anew, for some minutes that its clock does not count: an attempt keeps no cache of another's. "
    "The timeout counts them."
)


def _code(files: Files) -> dict[str, bytes]:
    """Return the code that a run needs: the script and the modules beside it that it imports, requirements, licence.

    Raises:
        InitError: a file has the name of ours.
    """
    used = reachable({path: data for path, data in files.items() if not path.startswith("records/")}, TRAIN)
    if LAUNCHER in used:
        raise InitError(f"The checkout has a {LAUNCHER} of its own, which {TRAIN} imports: rename it there.")
    kept = {*used, "requirements.txt", "LICENSE"}
    return {path: data for path, data in files.items() if path in kept}


def _metrics() -> list[MetricLine]:
    return [
        MetricLine("training_seconds", r"^training_seconds: (\S+)", "minimize", (0.0, 1e6), 0.001),
        MetricLine("val_loss", r"^val_loss: (\S+)"),
    ]


def _limits() -> list[Limit]:
    return [
        Limit("val_loss", TARGET, "the contest's rule, about the mean over the runs of a claim", p=P),
        Limit("val_loss", FAR, "and of every single run: this far above, it has not trained to the target"),
    ]


def _gpus(number: int) -> str:
    return f"{number} GPUs" if number > 1 else "one GPU"


def _page(outline: Outline, notes: list[str]) -> str:
    """Return README.md: what whoever writes candidates reads."""
    editable = ", ".join(f"`{ROOT}/{path}`" for path in outline.editable)
    task = (
        f"`{TRAIN}` trains a language model on {_gpus(outline.gpus)} with tokens of FineWeb. Make it reach a mean "
        f"validation loss of at most {TARGET:g} in fewer seconds of training, as its own clock has them "
        f"(`train_time` of the last line; compiling, warm-up and validation are not counted). "
        f"Files that may be edited: {editable}. A run may take {outline.timeout} in all."
    )
    rules = (
        f"- The mean `val_loss` over the runs of a claim must be at most {TARGET:g}, with a p-value below {P:g}; no "
        f"run may be above {FAR:g}. How far the mean lies below {TARGET:g} earns nothing.\n"
        "- The streams of training and validation tokens stay as they are, in their order, and so do the validation "
        "tokens and how their loss is computed. Batch sizes, sequence lengths and how attention looks at them may "
        "change.\n"
        "- No further flags of `torch.compile` and `torch._inductor.config`.\n"
        "- What is printed stays in its form, and the clock where it is: it starts after the warm-up, from whose state "
        "the model is reset, and stops for validation alone.\n\n"
        "Nothing here checks the last three: a person has to read the patch of a champion."
    )
    sections = [("", task), ("Rules", rules), ("How it is scored", SELF_REPORTED), noticed(notes)]
    return readme(outline.title, sections)
