"""`aster distill`: a campaign's confirmed claims as ideas, for the next campaign."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from aster.app import problem_of
from aster.board import Board
from aster.domain.records import COMBINATION, Candidate, Change, Claim, Finding, Knob
from aster.domain.research import Effect
from aster.errors import ProblemError, StoreError, UserError
from aster.handle import Campaign
from aster.ledger.protocol import Store
from aster.problems.problem import IDEAS, Problem
from aster.proposers.compose import Conflict, compose
from aster.proposers.ideas import load_ideas
from aster.proposers.knobs import KnobError, read_knob, same_value
from aster.report.patch import make_patch
from aster.report.trees import read_tree
from aster.report.wording import clean

MOST_VALUES = 5
"""Values of a knob that are offered: the idea's own, the one before it, and the best of those that were tried."""

MOST_NAME = 40
"""Characters of an idea's name, before the part of its candidate's id that sets it apart."""

ANY_SURFACE = "solution"
"""The surface of an idea whose change belongs to none."""

Files = Mapping[str, bytes]


class Page(Struct, frozen=True):
    """An idea to be written.

    Attributes:
        candidate: the one whose change it is. `claim`: the number of the claim that confirmed it.
        requires: ideas of the same distillation that it builds on. `conflicts`: ideas whose changes it holds already.
        knobs: constants with the values worth trying, by "FILE::QUALIFIED.NAME".
        effect: on what it requires, or else on the unchanged solution.
        text: the prose. `patch`: the change.
    """

    name: str
    candidate: str
    claim: int
    surface: str
    title: str
    effect: Effect
    requires: tuple[str, ...]
    conflicts: tuple[str, ...]
    knobs: dict[str, tuple[Knob, ...]]
    text: str
    patch: str

    @property
    def file(self) -> str:
        """Its file's name."""
        return f"{self.name}.md"

    def markdown(self, known: Collection[str]) -> str:
        """Return the file's text; `known`: the names that may stand among its conflicts."""
        lines = [
            "+++",
            f"name = {_toml(self.name)}",
            f"surface = {_toml(self.surface)}",
            f"title = {_toml(self.title)}",
        ]
        lines.append(f"source = {_toml(f'claim {self.claim} of {self.effect.campaign}, candidate {self.candidate}')}")
        conflicts = [each for each in self.conflicts if each in known]
        lines += [f"requires = {_toml(self.requires)}"] if self.requires else []
        lines += [f"conflicts = {_toml(conflicts)}"] if conflicts else []
        for name, values in self.knobs.items():
            lines += ["", "[[knob]]", f"name = {_toml(name)}", f"values = {_toml(values)}"]
        lines += ["", "[measured]"]
        lines += [f"{key} = {_toml(getattr(self.effect, key))}" for key in self.effect.__struct_fields__]
        return "\n".join([*lines, "+++", "", self.text, "", "```diff", self.patch.removesuffix("\n"), "```", ""])


class Distilled(Struct, frozen=True):
    """What a campaign teaches the next: ideas, in the order in which they were confirmed.

    `left_out`: confirmed candidates that are not among them -> why.
    """

    pages: tuple[Page, ...]
    left_out: dict[str, str]


def distill(campaign: Campaign) -> Distilled:
    """Return an idea for each candidate with a confirmed claim. Writes nothing.

    Raises:
        UserError: nothing was confirmed.
        StoreError: the ledger cannot be read.
    """
    board = campaign.board
    claims = {each.candidate: each for each in _confirmed(board)}
    if not claims:
        raise UserError(
            "This campaign has confirmed nothing, so it has no idea to hand on. What looked better and was not "
            f"confirmed shows in `aster show {campaign.id} --findings`."
        )
    with closing(campaign.open_store()) as store:
        problem = problem_of(campaign.folder, board, store)
        maker = _Maker(board, store, claims)
        pages: list[Page] = []
        left_out: dict[str, str] = {}
        for candidate in claims:
            try:
                page = maker.page(candidate, {each.candidate: each.name for each in pages})
                _check(page, pages, problem, maker.files(candidate))
                pages.append(page)
            except (ProblemError, UnicodeDecodeError, ValueError) as error:
                left_out[candidate] = clean(str(error), 400)
    return Distilled(tuple(pages), left_out)


def write_pages(distilled: Distilled, folder: Path, problem: Problem | None) -> list[Path]:
    """Write ideas into a folder, all of them or none, and return their paths; those that are there stay.

    Args:
        problem: the one whose ideas lie in `folder`; they have to load together. None: the folder is no problem's.

    Raises:
        UserError: a file of that name holds something else, or the ideas do not go with the problem as it is now.
        StoreError: a file cannot be written.
    """
    names = [page.name for page in distilled.pages]
    known = {*names, *(Path(path).stem for path in (problem.idea_files if problem is not None else ()))}
    texts = {folder / page.file: page.markdown(known) for page in distilled.pages}
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode():
            raise UserError(
                f"{path} holds something else already, and nothing was written. Move it away, or choose --out DIR."
            )
    if problem is not None:
        both = {**problem.idea_files, **{f"{IDEAS}/{path.name}": text for path, text in texts.items()}}
        try:
            load_ideas(both, problem.solution_files, problem.editable)
        except ProblemError as error:
            raise UserError(
                f"The ideas do not go with {problem.source} as it is now, and nothing was written: {error}. Has the "
                "solution changed since the campaign began? --out DIR writes them elsewhere."
            ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_bytes(text.encode())
    except OSError as error:
        raise StoreError(f"The ideas cannot be written into {folder}: {error.strerror}.") from error
    return list(texts)


def _confirmed(board: Board) -> Iterator[Claim]:
    for state in board.claims.values():
        if state.decided is not None and state.decided.verdict == "confirmed":
            yield state.record


def _check(page: Page, pages: list[Page], problem: Problem, files: Files) -> None:
    """Refuse a page that does not make the candidate again, loaded as the next campaign will.

    Raises:
        ProblemError: it does not load. ValueError: it makes something else.
    """
    all_pages = [*pages, page]
    names = {each.name for each in all_pages}
    texts = {f"{IDEAS}/{each.file}": each.markdown(names) for each in all_pages}
    library = load_ideas(texts, problem.solution_files, problem.editable)
    made = compose(library, [Change(name, {}) for name in sorted(library.closure([page.name]))])
    if isinstance(made, Conflict):
        raise ValueError(made.reason)
    if {path: data for path, data in made.files.items() if path in problem.editable} != files:
        raise ValueError("its change cannot be written as a diff of text")


class _Maker:
    """Makes pages of one campaign's candidates."""

    def __init__(self, board: Board, store: Store, claims: Mapping[str, Claim]) -> None:
        self._board, self._store, self._claims = board, store, claims
        self._findings: dict[str, Finding] = {each.hypothesis: each for each in board.findings}

    def files(self, candidate: str) -> dict[str, bytes]:
        """Return a candidate's editable files."""
        return read_tree(self._store, self._board.candidates[candidate].tree)

    def page(self, candidate: str, names: Mapping[str, str]) -> Page:
        """Return the idea that makes a candidate; `names`: of those that were made before, by candidate.

        Raises:
            UnicodeDecodeError: the change is not of UTF-8 text.
        """
        board, claim = self._board, self._claims[candidate]
        lineage = list(self._lineage(candidate))
        ground, passed, effect = self._ground(claim, set(lineage), names)
        record = board.candidates[candidate]
        before, after = self.files(ground), self.files(candidate)
        requires = (names[ground],) if ground in names else ()
        own = lineage[: lineage.index(ground)] if ground in lineage else lineage
        said = record.label if not requires else "; ".join(self._changes(own)) or record.label
        ideas = {change.idea for change in record.recipe} - {change.idea for change in self._recipe(ground)}
        return Page(
            name=_name(said, candidate),
            candidate=candidate,
            claim=claim.number,
            surface=self._surface(own),
            title=clean(said, 120) or candidate,
            effect=effect,
            requires=requires,
            conflicts=tuple(sorted({*ideas, *(names[each] for each in passed if each in names)})),
            knobs=self._knobs(record, before, after),
            text=self._text(claim, ground, own, effect),
            patch=make_patch(before, after).decode("utf-8"),
        )

    def _recipe(self, candidate: str) -> tuple[Change, ...]:
        return self._board.candidates[candidate].recipe

    def _lineage(self, candidate: str) -> Iterator[str]:
        """Yield a candidate, its first parent, and so on to the baseline."""
        name: str | None = candidate
        while name is not None:
            yield name
            name = next(iter(self._board.candidates[name].parents), None)

    def _ground(self, claim: Claim, lineage: set[str], names: Mapping[str, str]) -> tuple[str, list[str], Effect]:
        """Return what the idea is a change of, whom it beat on the way there, and by how much.

        That is the youngest of the champions that it beat, directly or not, whose change it builds on; else the
        baseline. Gains add up along that way, and so do the ends of their intervals: with the level that is left, all
        of them hold at once.
        """
        passed: list[str] = []
        effect = self._effect(claim)
        against = claim.against
        while against in self._claims and not (against in lineage and against in names):
            passed.append(against)
            effect = _sum(effect, self._effect(self._claims[against]))
            against = self._claims[against].against
        return against, passed, effect

    def _effect(self, claim: Claim) -> Effect:
        board = self._board
        state = board.claims[claim.id]
        decided = state.decided
        assert decided is not None  # it is confirmed, and that has numbers
        assert decided.gain is not None
        assert decided.low is not None
        assert decided.high is not None
        outcomes = (board.experiments[each].outcome for each in state.experiments.values())
        kinds = sorted({outcome.hardware for outcome in outcomes if outcome is not None})
        level = 1.0 if claim.exact else 1.0 - 2.0 * claim.alpha
        numbers = (decided.gain, decided.low, decided.high, level, decided.pairs)
        return Effect(*numbers, clean(", ".join(kinds), 200), board.campaign)

    def _surface(self, lineage: list[str]) -> str:
        """Return the surface on which the most was gained among the steps that lead to a candidate."""
        gains: dict[str, float] = {}
        for hypothesis in (self._board.candidates[each].hypothesis for each in lineage):
            if hypothesis is not None:
                direction = self._board.hypotheses[hypothesis].direction
                surface = self._board.directions[direction].record.surface
                finding = self._findings.get(hypothesis)
                gain = finding.gain if finding is not None and finding.gain is not None else 0.0
                gains[surface] = gains.get(surface, 0.0) + gain
        gains.pop(COMBINATION, None)
        return clean(max(gains, key=lambda name: gains[name], default=ANY_SURFACE), 60)

    def _changes(self, lineage: list[str]) -> list[str]:
        """Return what each step does, the first step first."""
        steps = (self._board.candidates[each].hypothesis for each in reversed(lineage))
        return [self._board.hypotheses[each].change for each in steps if each is not None]

    def _knobs(self, record: Candidate, before: Files, after: Files) -> dict[str, tuple[Knob, ...]]:
        """Return the constants that were tuned in a candidate or in those like it, with the values worth trying."""
        board = self._board
        root = record.root or record.id
        kin = [board.candidates[each] for each in (root, *board.tuned.get(root, ()))]
        kin.sort(key=lambda each: board.ranking.loss(each.id) if each.id in board.ranking else float("inf"))
        tried: dict[str, list[Knob]] = {}
        for each in kin:
            recipe = {name: value for change in each.recipe for name, value in change.knobs.items()}
            for name, value in {**recipe, **each.settings}.items():
                tried.setdefault(name, []).append(value)
        knobs: dict[str, tuple[Knob, ...]] = {}
        for name, values in sorted(tried.items()):
            own, old = _constant(after, name), _constant(before, name)
            if own is None:
                continue
            distinct = _distinct([own, *([old] if old is not None else []), *values])
            if len(distinct) > 1:
                knobs[name] = distinct
        return knobs

    def _text(self, claim: Claim, ground: str, lineage: list[str], effect: Effect) -> str:
        """Return the prose: what was confirmed, and how the search came there. What models wrote is quoted."""
        board = self._board
        metric = board.setup.objective.shown
        on = "the unchanged solution" if ground == board.baseline else "what it builds on"
        found = f"{effect.gain:+.6g} in {metric} on {on}"
        low, high = f"{effect.low:.6g}", f"{effect.high:.6g}"
        sure = "exact" if claim.exact else f"interval {low} to {high} at {effect.level:.1%}, {effect.pairs} pairs"
        lines = [f"Confirmed: it gains {found} ({sure}), measured on {effect.hardware}."]
        if claim.against != ground:
            lines.append("That is the sum over the claims that lead from there to it.")
        steps = [board.candidates[each].hypothesis for each in reversed(lineage)]
        lines += ["", "How the search came to it, with what each step gained in it:", ""]
        for hypothesis in filter(None, steps):
            finding = self._findings.get(hypothesis)
            said = finding.text if finding is not None else board.hypotheses[hypothesis].change
            lines.append(f"> - {clean(said, 400)}")
        last = next(filter(None, reversed(steps)), None)
        why = board.hypotheses[last].text if last is not None else ""
        if why.strip():
            lines += ["", "The last step was proposed with these words:", ""]
            lines += [f"> {clean(line, 400)}" for line in why.strip().split("\n")[:40]]
        return "\n".join(lines)


def _sum(one: Effect, other: Effect) -> Effect:
    kinds = ", ".join(dict.fromkeys([*one.hardware.split(", "), *other.hardware.split(", ")]))
    return replace(
        one,
        gain=one.gain + other.gain,
        low=one.low + other.low,
        high=one.high + other.high,
        level=max(0.01, one.level + other.level - 1.0),
        pairs=min(one.pairs, other.pairs),
        hardware=kinds,
    )


def _name(said: str, candidate: str) -> str:
    words = "-".join(re.findall(r"[a-z0-9]+", said.lower()))[:MOST_NAME].strip("-")
    return f"{words or 'change'}-{candidate.removeprefix('c-')[:6]}"


def _constant(files: Files, name: str) -> Knob | None:
    """Return the value of a constant, or None where it is none that an idea can offer."""
    path, _, qualified = name.partition("::")
    with suppress(KnobError, SyntaxError, UnicodeDecodeError):
        if path.endswith(".py") and path in files:
            return read_knob(files[path].decode("utf-8"), qualified)
    return None


def _distinct(values: list[Knob]) -> tuple[Knob, ...]:
    """Return the first few values that differ, numbers by size."""
    kept: list[Knob] = []
    for value in values:
        if not any(same_value(value, each) for each in kept):
            kept.append(value)
    kept = kept[:MOST_VALUES]
    numbers = [each for each in kept if isinstance(each, int | float) and not isinstance(each, bool)]
    return tuple(sorted(numbers)) if len(numbers) == len(kept) else tuple(kept)


def _toml(value: object) -> str:
    """Return a text, number, truth value or flat list as TOML has it, which is as JSON has it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
