"""`aster replay`: a campaign decided again from its ledger, which is only read."""

from __future__ import annotations

from contextlib import closing

from threadpoolctl import threadpool_limits

from aster.app import problem_of
from aster.board import Board
from aster.campaign.decide import Minds
from aster.campaign.replay import Replayed, replay
from aster.handle import Campaign
from aster.minds import make_minds


def replay_decisions(campaign: Campaign) -> Replayed:
    """Make every decision of a campaign again, and compare its events with the ledger's.

    Raises:
        StoreError: the ledger cannot be read.
        ProblemError: this version of Aster does not take the campaign's problem any more.
    """
    with closing(campaign.open_store()) as store:

        def minds_of(board: Board) -> Minds:
            return make_minds(problem_of(campaign.folder, board, store), board.setup.researcher, store.get_blob)

        with threadpool_limits(1, "blas"):  # as when it ran
            return replay(store.read(), minds_of)
