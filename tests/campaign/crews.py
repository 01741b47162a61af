"""Agents that follow a script, and a model that answers as it is told: whole campaigns without a language model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aster.agents.protocol import Desk, Granted
from aster.archive import traits
from aster.board import Board
from aster.domain.ids import tree_id
from aster.domain.research import Ask, Assignment, DirectionDraft, ModelChoice, Plan, Result, Role, Tokens
from aster.domain.trees import pack_tree
from aster.llm.chain import Chain
from aster.llm.protocol import ModelError, Prompt, Reply, Said, Told

Script = Callable[[Desk], "asyncio.Future[Result]"]


class PlainBriefing:
    """Says who is asked, and refuses what is called "no"."""

    def __init__(self, baseline: Mapping[str, bytes]) -> None:
        self.baseline = baseline
        self.merges: dict[tuple[str, str], dict[str, bytes]] = {}

    def instructions(self, board: Board, role: Role) -> str:
        return f"You are a {role}."

    def brief(self, board: Board, assignment: Assignment) -> str:
        return f"{assignment.role} {assignment.direction} {assignment.hypothesis} at {len(board.seen)}"

    def refuse(self, board: Board, draft: DirectionDraft) -> str | None:
        return "it is called no" if draft.surface == "no" else None

    def surface_paths(self, draft: DirectionDraft) -> tuple[str, ...]:
        return draft.paths

    def combine(self, board: Board, first: str, second: str) -> dict[str, bytes] | None:
        return self.merges.get((first, second))


class Answering:
    """A provider whose model answers by a function, after `seconds`; errors that it returns are raised."""

    def __init__(self, answer: Callable[[ModelChoice, Prompt], Reply | ModelError], seconds: float = 0.0) -> None:
        self._answer, self._seconds = answer, seconds
        self.prompts: list[Prompt] = []

    async def ask(self, model: ModelChoice, prompt: Prompt) -> Reply:
        self.prompts.append(prompt)
        await asyncio.sleep(self._seconds)
        said = self._answer(model, prompt)
        if isinstance(said, ModelError):
            raise said
        return said

    async def close(self) -> None:
        pass


def says(text: str, used: int = 100) -> Callable[[ModelChoice, Prompt], Reply]:
    """Return an answerer that always says the same, and uses so many tokens each way."""
    return lambda *_: Reply(Said(text), Tokens(used, used))


class Cast:
    """A runner: each role does what its function says."""

    def __init__(self, **roles: Callable[[Desk], object]) -> None:
        self._roles = roles
        self.began: list[Assignment] = []

    async def __call__(self, desk: Desk) -> Result:
        self.began.append(desk.assignment)
        result = self._roles[desk.assignment.role](desk)
        return await result  # type: ignore[misc,no-any-return]


async def talk(desk: Desk, turns: int = 1, max_output: int = 100) -> list[str]:
    """Ask the model so often, and return what it said."""
    chain = Chain(desk.instructions, ())
    said = []
    for turn in range(1, turns + 1):
        chain.add(Told(desk.brief if turn == 1 else "and?"))
        agent, role = desk.assignment.id, desk.assignment.role
        said.append((await desk.call(agent, turn, chain, role=role, max_output=max_output, must_call=False)).text)
    return said


async def try_tree(
    desk: Desk, number: int, files: dict[str, bytes], change: str = "a change", *, quick: bool = False
) -> Granted:
    """Ask for an experiment on these files, made from the assignment's parent; or for a check of them."""
    tree, blobs = pack_tree(files)
    parent = desk.assignment.parent or ""
    base = desk.files(desk.look().candidates[parent])
    name = f"{desk.assignment.id}.{number}"
    shape = traits(base, files)
    ask = Ask(name, desk.assignment.id, tree_id(files), tree, parent, change, "", shape, quick)
    return await desk.experiment(ask, blobs)


async def no_plan(desk: Desk) -> Plan:
    """Hand back a plan with nothing in it."""
    return Plan()
