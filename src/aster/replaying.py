"""`aster replay`: a campaign's decisions and agents once more, on what its ledger has. Nothing is written or run."""

from __future__ import annotations

from contextlib import closing

from msgspec import Struct
from threadpoolctl import threadpool_limits

from aster._version import VERSION
from aster.agents.protocol import AgentRunner
from aster.agents.record import read_records
from aster.agents.replay import Departure, rerun
from aster.app import problem_of
from aster.board import Board
from aster.campaign.decide import Minds
from aster.campaign.replay import Replayed, replay
from aster.handle import Campaign
from aster.ledger.protocol import Store
from aster.minds import make_minds


class Replay(Struct, frozen=True):
    """What became of a replay.

    Attributes:
        agents: how many were run again.
        departures: where agents part from the record, a place each, in the order of the ledger.
        versions: of Aster that ran the campaign, by term.
    """

    decided: Replayed
    agents: int
    departures: tuple[Departure, ...]
    versions: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether all came out as the ledger has it."""
        return self.decided.divergence is None and not self.departures

    @property
    def hint(self) -> str:
        """What may be the matter where something came out differently."""
        ran = ", ".join(dict.fromkeys(self.versions))
        return (
            f"It was run by Aster {ran}; this is {VERSION}. Other versions of Aster, its prompts or its libraries "
            "decide otherwise; with the very same ones this is a bug of Aster's."
        )


def replay_campaign(campaign: Campaign) -> Replay:
    """Make every decision of a campaign again and run every agent again, and compare them with the record.

    Raises:
        StoreError: the ledger cannot be read.
        ProblemError: this version of Aster does not take the campaign's problem any more.
    """
    with closing(campaign.open_store()) as store:
        decided = replay_decisions(campaign, store)
        agents, departures = replay_agents(campaign, store)
        return Replay(decided, agents, departures, decided.versions)


def replay_agents(campaign: Campaign, store: Store) -> tuple[int, tuple[Departure, ...]]:
    """Run every agent of a campaign again on what was recorded.

    Returns:
        How many there are, and where they part from the record, a place each, in the order of the ledger.

    Raises: as `replay_campaign`.
    """
    records = read_records(store.read())
    if not records:
        return 0, ()
    board = Board().fold(store.read())  # read once more: it may have grown since the campaign was loaded
    runner = _runner(campaign, board, store)
    found = [rerun(record, runner, board, store.get_blob) for record in records.values()]
    parted = sorted((each for each in found if each is not None), key=lambda each: each.position)
    return len(records), tuple(parted)


def _runner(campaign: Campaign, board: Board, store: Store) -> AgentRunner:
    """Return what carries out assignments."""
    from aster.agents.crew import Agents  # imported late: most campaigns have no agents

    problem = problem_of(campaign.folder, board, store)
    return Agents(problem, one_shot=board.setup.one_shot, checks=problem.spec.has_check)


def replay_decisions(campaign: Campaign, store: Store) -> Replayed:
    """Make every decision of a campaign again, and compare its events with the ledger's; raises as above."""

    def minds_of(board: Board) -> Minds:
        return make_minds(problem_of(campaign.folder, board, store), board.setup.researcher, store.get_blob)

    with threadpool_limits(1, "blas"):  # as when it ran
        return replay(store.read(), minds_of)
