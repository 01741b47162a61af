"""All that the document shows, gathered from the board and the blobs before anything is rendered."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from aster._version import VERSION
from aster.board import Board, ExperimentState
from aster.domain.records import Setup
from aster.domain.research import Price
from aster.report.agents import AgentsView, agents_view
from aster.report.claims import TraceRow, status_of, trace
from aster.report.headline import Headline, headline
from aster.report.patch import make_patch
from aster.report.progress import Record, change_of, progress_view, reason_of
from aster.report.summary import Standout, Summary, shown_experiment, summarize
from aster.report.trees import Blobs, candidate_files
from aster.report.wording import clean, clean_block, clean_line

MOST_ROWS = 2000
"""Experiments in the document's table; results.tsv has all."""
MOST_FINDINGS = 150
"""Successes shown, and as many dead ends."""
MOST_DIFF_LINES, MOST_LOG_LINES, MOST_TROUBLES = 1500, 30, 12
MOST_PICTURES, PICTURE_BYTES = 6, 4_000_000

MIMES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


class Picture(Struct, frozen=True):
    """A drawing by the trusted stage. It may hold what a candidate wrote: show it as an image, never as markup."""

    name: str
    mime: str
    data: bytes


class ExperimentRow(Struct, frozen=True):
    """One line of the table of experiments. `attempt` is "" and `seconds` None before its end."""

    number: int
    experiment: str
    attempt: str
    purpose: str
    change: str
    candidate: str
    seed: int
    status: str
    value: float | None
    reason: str
    seconds: float | None
    memory_mb: float | None
    hardware: str


class Trouble(Struct, frozen=True):
    """A way in which experiments went wrong, how often, and the end of one log."""

    kind: str
    reason: str
    times: int
    attempt: str
    log: str


class DiffLine(Struct, frozen=True):
    """A line of a diff. `kind`: add, del, hunk, file or same."""

    kind: str
    text: str


class Solution(Struct, frozen=True):
    """The candidate that the report shows. `patch` is against the baseline; `files` its whole solution tree."""

    standout: Standout
    confirmed: bool
    files: dict[str, bytes]
    patch: bytes
    artifacts: dict[str, bytes]

    @property
    def name(self) -> str:
        """What its folder and its patch are called."""
        return "best" if self.confirmed else "best-unconfirmed"


class Page(Struct, frozen=True):
    """The whole document, typed. `hidden_*` count what the bounds left out.

    `records` are all of them, numbered from 1 as in the progress figure. `names` and `changes` say, for the candidates
    of claims, what to call them and what made them. `pictures` are of the solution, `before` of the baseline.
    """

    summary: Summary
    agents: AgentsView | None
    headline: Headline
    setup: Setup
    records: tuple[Record, ...]
    pictures: tuple[Picture, ...]
    before: tuple[Picture, ...]
    traces: dict[str, list[TraceRow]]
    names: dict[str, str]
    changes: dict[str, str]
    diff: tuple[DiffLine, ...]
    hidden_diff: int
    rows: tuple[ExperimentRow, ...]
    hidden_rows: int
    troubles: tuple[Trouble, ...]
    solution: Solution | None
    commands: tuple[str, ...]
    version: str


def gather(board: Board, blobs: Blobs) -> Page:
    """Return the page for a campaign at any state.

    Raises:
        StoreError: a blob that the board names is missing or damaged.
    """
    summary = summarize(board)
    solution = solution_of(board, blobs, summary)
    lines = _diff_lines(solution.patch) if solution else []
    rows = list(_rows(board))
    traces = {view.id: trace(board, view.id) for view in summary.claims}
    return Page(
        summary=summary,
        agents=agents_view(board),
        headline=headline(summary),
        setup=board.setup,
        records=progress_view(board).records,
        pictures=tuple(_pictures(board, blobs, solution.standout.experiment if solution else None)),
        before=tuple(_pictures(board, blobs, shown_experiment(board, board.baseline) if board.baseline else None)),
        traces=traces,
        names={key: title_of(board, key) for key in _claimed(summary)},
        changes=claim_changes(board, summary),
        diff=tuple(lines[:MOST_DIFF_LINES]),
        hidden_diff=max(0, len(lines) - MOST_DIFF_LINES),
        rows=tuple(rows[-MOST_ROWS:]),
        hidden_rows=max(0, len(rows) - MOST_ROWS),
        troubles=tuple(_troubles(board, blobs)),
        solution=solution,
        commands=tuple(_commands(board, solution)),
        version=VERSION,
    )


def title_of(board: Board, candidate: str) -> str:
    """Return what to call a candidate: "baseline", else its label, else the change that made it."""
    if candidate == board.baseline:
        return "baseline"
    return clean(board.candidates[candidate].label or change_of(board, candidate), 120)


def claim_changes(board: Board, summary: Summary) -> dict[str, str]:
    """Return what made the candidates of claims, in a few words, by their ids."""
    return {key: clean(change_of(board, key), 60) for key in _claimed(summary)}


def _claimed(summary: Summary) -> set[str]:
    return {key for view in summary.claims for key in (view.candidate, view.against)}


def solution_of(board: Board, blobs: Blobs, summary: Summary | None = None) -> Solution | None:
    """Return the champion, else the best that is unconfirmed; None where nothing looks better than the baseline.

    Raises:
        StoreError: a blob is missing or damaged.
    """
    summary = summary or summarize(board)
    shown = summary.subject
    if shown is None or board.baseline is None:
        return None
    files = candidate_files(board, blobs, shown.candidate)
    patch = make_patch(candidate_files(board, blobs, board.baseline), files)
    outcome = board.experiments[shown.experiment].outcome if shown.experiment else None
    artifacts = {name: blobs.get_blob(blob) for name, blob in outcome.artifacts.items()} if outcome else {}
    return Solution(shown, summary.champion is not None, files, patch, artifacts)


def _pictures(board: Board, blobs: Blobs, experiment: str | None) -> Iterator[Picture]:
    outcome = board.experiments[experiment].outcome if experiment else None
    if outcome is None:
        return
    known = [name for name in sorted(outcome.pictures) if PurePosixPath(name).suffix.lower() in MIMES]
    for name in known[:MOST_PICTURES]:
        data = blobs.get_blob(outcome.pictures[name])
        if len(data) <= PICTURE_BYTES:
            yield Picture(clean(name, 80), MIMES[PurePosixPath(name).suffix.lower()], data)


def _rows(board: Board) -> Iterator[ExperimentRow]:
    """Yield every experiment: those that ended in order of their ends, then the others in order of their plans."""

    def when(state: ExperimentState) -> tuple[bool, float, int]:
        outcome = state.outcome
        return outcome is None, outcome.ended if outcome else 0.0, state.record.decision

    for number, state in enumerate(sorted(board.counted, key=when), start=1):
        record, outcome, metrics = state.record, state.outcome, state.reported
        why = reason_of(outcome, board.setup) if outcome else None
        yield ExperimentRow(
            number=number,
            experiment=record.id,
            attempt=outcome.attempt if outcome else "",
            purpose=record.purpose,
            change=clean(change_of(board, record.candidate), 80),
            candidate=record.candidate,
            seed=record.seed,
            status=status_of(state),
            value=metrics[board.setup.objective.metric] if metrics else None,
            reason=clean(why[1], 160) if why else "",
            seconds=outcome.usage.wall_s if outcome else None,
            memory_mb=outcome.usage.max_rss_mb if outcome else None,
            hardware=clean(outcome.hardware, 60) if outcome else "",
        )


def _troubles(board: Board, blobs: Blobs) -> Iterator[Trouble]:
    """Yield the commonest ways to fail, each with the log of its latest experiment."""
    groups: dict[tuple[str, str], list[ExperimentState]] = {}
    for state in board.counted:
        why = reason_of(state.outcome, board.setup) if state.outcome else None
        if why is not None and why[0] not in ("cancelled", "stopped early"):
            groups.setdefault((why[0], clean(why[1], 200)), []).append(state)
    for (kind, reason), states in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_TROUBLES]:
        outcome = states[-1].outcome
        assert outcome is not None
        log = blobs.get_blob(outcome.log).decode("utf-8", "replace") if outcome.log else ""
        yield Trouble(kind, reason, len(states), outcome.attempt, clean_block(log.rstrip(), MOST_LOG_LINES))


def _diff_lines(patch: bytes) -> list[DiffLine]:
    return [DiffLine(_kind(line), clean_line(line, 300)) for line in patch.decode("utf-8", "replace").split("\n")[:-1]]


def _kind(line: str) -> str:
    if line.startswith(("diff --git ", "--- ", "+++ ", "index ", "new file ", "deleted file ")):
        return "file"
    return {"+": "add", "-": "del", "@": "hunk"}.get(line[:1], "same")


def _commands(board: Board, solution: Solution | None) -> Iterator[str]:
    setup = board.setup
    run = f"aster run {shlex.quote(setup.problem)} --slots {setup.slots} --seed {setup.seed}"
    if setup.limits.experiments is not None:
        run += f" --experiments {setup.limits.experiments}"
    if setup.limits.wall_s is not None:
        run += f" --wall {setup.limits.wall_s:g}s"
    yield " ".join([run, *_model_options(setup)])
    for claim in board.claims:
        yield f"aster show {board.campaign} --claim {claim}"
        break
    if solution is not None and solution.patch:
        yield f"git apply {solution.name}.patch"


def _model_options(setup: Setup) -> Iterator[str]:
    """Yield what asks for the campaign's models, agents and their ceilings again."""
    limits = setup.limits
    for model in setup.models:
        roles = ",".join(model.roles) + "=" if model.roles else ""
        weight = f"*{model.weight:g}" if model.weight != 1.0 else ""
        yield f"--model {shlex.quote(roles + model.name + weight)}"
        if model.price is not None:
            yield f"--price {shlex.quote(f'{model.name}={_numbers(model.price)}')}"
    for url in sorted({model.base_url for model in setup.models if model.base_url}):
        yield f"--base-url {shlex.quote(url)}"
    if setup.models:
        yield f"--agents {setup.agents}" + (" --one-shot" if setup.one_shot else "")
    if limits.usd is not None:
        yield f"--usd {limits.usd:g}"
    if limits.tokens is not None:
        yield f"--tokens {limits.tokens}"
    if limits.gpu_s is not None:
        yield f"--gpu-hours {limits.gpu_s / 3600:g}"


def _numbers(price: Price) -> str:
    """Return a price as `--price` takes it."""
    cached = (price.cache_read, price.cache_write)
    parts = [price.input, price.output]
    if cached != (None, None):
        parts += [price.input if each is None else each for each in cached]
    return ",".join(f"{part:g}" for part in parts)
