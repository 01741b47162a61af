"""The contract of a `Proposer`, as a pytest class.

    class TestMyProposer(ProposerContract):
        def make(self) -> Proposer: ...
        def baseline(self) -> dict[str, bytes]: ...
        def surfaces_of(self, parent, child) -> set[str]: ...

The proposer needs at least two surfaces, and a finite number of candidates that the suite can exhaust. The suite
grows boards with it by decisions of its own: a made-up score, nothing run.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from aster.archive import place, recluster, traits
from aster.board import Board
from aster.domain import events as ev
from aster.domain.ids import digest, search_seed, short_id, tree_id
from aster.domain.records import (
    COMBINATION,
    Candidate,
    Direction,
    Experiment,
    Failed,
    Hypothesis,
    Limits,
    Measured,
    Objective,
    Outcome,
    Purpose,
    Result,
    Setup,
    Usage,
)
from aster.domain.trees import pack_tree
from aster.evidence.findings import finding_of
from aster.proposers.protocol import Proposal, Proposed, Proposer

ROUNDS = 12
"""Rounds over all surfaces that a grown board has behind it."""

MOST_ROUNDS = 500
"""A proposer that is not exhausted after so many rounds never is."""


def deep(value: object) -> Any:
    """Return all that `value` holds as plain lists and scalars, for comparing whole boards.

    Dictionaries keep their order, which decisions may depend on; sets are sorted.
    """
    if isinstance(value, msgspec.Struct):
        return [type(value).__name__, *(deep(getattr(value, name)) for name in value.__struct_fields__)]
    if isinstance(value, Mapping):
        return [[deep(key), deep(item)] for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(deep, value))
    if isinstance(value, list | tuple | deque):
        return [deep(item) for item in value]
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    names = getattr(type(value), "__slots__", None) or sorted(vars(value))
    return [type(value).__name__, *([name, deep(getattr(value, name))] for name in sorted(names))]


class Field:
    """A board that a proposer grows, with every event and every candidate's files."""

    def __init__(self, proposer: Proposer, baseline: Mapping[str, bytes]) -> None:
        self.proposer, self.board = proposer, Board()
        self.events: list[ev.Event] = []
        self.root = tree_id(baseline)
        self.files: dict[str, Mapping[str, bytes]] = {self.root: baseline}
        setup = Setup("contract", "A contract", Objective("score", "maximize"), Limits(), "ordered", 1, 3)
        self.take(
            ev.CampaignOpened("contract", setup, "snapshot"),
            ev.CandidateAdded(
                Candidate(self.root, "tree", (), "baseline", None, traits=traits(baseline, baseline)),
            ),
            ev.TermStarted(1, "none", "nowhere", 1, "0"),
        )
        for number, surface in enumerate([*sorted(proposer.surfaces()), COMBINATION]):
            self.take(ev.DirectionOpened(Direction(f"d-{number}", surface, "the contract tries every surface")))
        self._measure(self.root, None)

    @property
    def surfaces(self) -> list[str]:
        """Every surface, the combinations included."""
        return [state.record.surface for state in self.board.directions.values()]

    def copy(self) -> Board:
        """Return a board folded afresh from the same events."""
        board = Board()
        for event in self.events:
            board.apply(event)
        return board

    def ask(self, surface: str, seed: int = 0) -> Proposed:
        """Return what the proposer proposes, without taking it up."""
        return self.proposer.propose(self.board, surface, random.Random(seed))

    def grow(self, rounds: int) -> bool:
        """Take up a proposal for each surface, `rounds` times over; False once there was none for any."""
        for number in range(rounds):
            turns = [self._turn(surface, number) for surface in self.surfaces]
            if not any(turns):
                return False
        return True

    def _turn(self, surface: str, number: int) -> bool:
        proposed = self.ask(surface, number)
        self.take(*proposed.conflicts)
        if proposed.proposal is not None:
            self.adopt(surface, proposed.proposal)
        return proposed.proposal is not None

    def adopt(self, surface: str, proposal: Proposal) -> str:
        """Take a proposal up, with a made-up result; returns the candidate's id."""
        direction = next(d for d, s in self.board.directions.items() if s.record.surface == surface)
        candidate = tree_id(proposal.files)
        hypothesis = short_id("h", direction, proposal.parent, candidate)
        self.files.setdefault(candidate, proposal.files)
        shape = traits(self.files[self.root], proposal.files)
        self.take(
            ev.HypothesisProposed(Hypothesis(hypothesis, direction, proposal.parent, proposal.change, proposal.text)),
            ev.CandidateAdded(
                Candidate(
                    candidate,
                    pack_tree(proposal.files)[0],
                    (proposal.parent,),
                    proposal.author,
                    hypothesis,
                    proposal.recipe,
                    proposal.label,
                    shape,
                    proposal.root,
                    proposal.settings,
                )
            ),
        )
        self._measure(candidate, hypothesis)
        return candidate

    def _measure(self, candidate: str, hypothesis: str | None) -> None:
        """Run a candidate as decisions would. Its score is a hash of its files; about one in eight fails."""
        board, luck = self.board, int(digest("luck", candidate)[:4], 16)
        result: Result = Failed("bad luck") if hypothesis and luck % 8 == 0 else Measured({"score": luck / 65536})
        name, seed, now = f"x-{len(board.experiments)}", search_seed(board.setup.seed, 0), board.decision + 1
        purpose: Purpose = "search" if hypothesis else "baseline"
        self.take(
            ev.DecisionTaken(now, None, 0.0),
            ev.ExperimentPlanned(Experiment(name, now, candidate, seed, purpose, "none", hypothesis)),
            ev.AttemptStarted(f"{name}.1", name),
            ev.OutcomeRecorded(Outcome(f"{name}.1", name, result, "none", Usage(1.0), 0.0, 1.0)),
            ev.DecisionTaken(now + 1, None, 0.0),
        )
        learnt = finding_of(board, board.experiments[name])
        if learnt is not None:
            self.take(ev.FindingRecorded(learnt))
        elite = place(board, candidate)
        if elite is not None:
            self.take(elite)
        clustered = recluster(board)
        if clustered is not None:
            self.take(clustered)

    def take(self, *events: ev.Event) -> None:
        """Fold events and keep them."""
        for event in events:
            self.board.apply(event)
            self.events.append(event)


class ProposerContract(ABC):
    """What every proposer promises. A subclass says how to make one and reads what its candidates changed."""

    @abstractmethod
    def make(self) -> Proposer:
        """Return a new proposer that has seen nothing."""

    @abstractmethod
    def baseline(self) -> dict[str, bytes]:
        """Return the editable files that its campaigns start from."""

    @abstractmethod
    def surfaces_of(self, parent: Mapping[str, bytes], child: Mapping[str, bytes]) -> set[str]:
        """Return the surfaces on which two of its candidates differ."""

    def field(self, rounds: int = ROUNDS) -> Field:
        """Return a board after some rounds, or after as many as there are."""
        grown = Field(self.make(), self.baseline())
        grown.grow(rounds)
        return grown

    def stages(self) -> Iterator[Field]:
        """Yield boards of different ages."""
        yield from (self.field(rounds) for rounds in (0, 1, 4, ROUNDS))

    def test_it_has_surfaces_and_finite_predictions(self) -> None:
        surfaces = self.make().surfaces()
        assert len(surfaces) >= 2
        assert COMBINATION not in surfaces
        assert all(gain is None or abs(gain) < float("inf") for gain in surfaces.values())
        assert dict(surfaces) == dict(self.make().surfaces())

    def test_a_new_campaign_has_something_to_try_on_every_surface(self) -> None:
        field = self.field(0)
        assert all(field.ask(surface).proposal is not None for surface in self.make().surfaces())

    def test_the_same_board_and_generator_give_the_same_proposal(self) -> None:
        for field in self.stages():
            for surface in field.surfaces:
                other = self.make().propose(field.copy(), surface, random.Random(9))
                assert field.ask(surface, 9) == other

    def test_randomness_comes_from_the_generator_alone(self) -> None:
        field = self.field()
        random.seed(1)
        state = random.getstate()
        for surface in field.surfaces:
            field.ask(surface)
        assert random.getstate() == state

    def test_the_board_is_left_as_it_was(self) -> None:
        for field in self.stages():
            untouched = deep(field.copy())
            for surface in field.surfaces:
                field.ask(surface)
            assert deep(field.board) == untouched

    def test_every_proposal_is_new_and_grows_out_of_a_known_parent(self) -> None:
        field = Field(self.make(), self.baseline())
        for number in range(ROUNDS):
            for surface in field.surfaces:
                proposal = field.ask(surface, number).proposal
                if proposal is None:
                    continue
                assert proposal.parent in field.board.candidates
                assert tree_id(proposal.files) not in field.board.candidates
                assert proposal.files != field.files[proposal.parent]
                assert proposal.change
                assert proposal.text
                assert proposal.label
                field.adopt(surface, proposal)

    def test_a_surface_is_all_that_a_proposal_changes(self) -> None:
        for field in self.stages():
            for surface in self.make().surfaces():
                for seed in range(4):
                    proposal = field.ask(surface, seed).proposal
                    if proposal is not None:
                        assert self.surfaces_of(field.files[proposal.parent], proposal.files) == {surface}

    def test_recipes_are_sorted_and_name_an_idea_once(self) -> None:
        field = self.field()
        for candidate in field.board.candidates.values():
            ideas = [change.idea for change in candidate.recipe]
            assert ideas == sorted(set(ideas))

    def test_conflicts_are_named_once_and_never_again(self) -> None:
        field = Field(self.make(), self.baseline())
        known: set[tuple[str, ...]] = set()
        for number in range(ROUNDS):
            for surface in field.surfaces:
                proposed = field.ask(surface, number)
                named = [conflict.ideas for conflict in proposed.conflicts]
                assert len(named) == len(set(named))
                assert known.isdisjoint(named)
                known.update(named)
                field.take(*proposed.conflicts)
                if proposed.proposal is not None:
                    field.adopt(surface, proposed.proposal)

    def test_it_says_so_when_nothing_untried_is_left(self) -> None:
        field = Field(self.make(), self.baseline())
        assert not field.grow(MOST_ROUNDS)
        assert all(field.ask(surface, seed).proposal is None for surface in field.surfaces for seed in range(3))
