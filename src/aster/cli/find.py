"""From what a person types to a campaign's folder."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from aster.app import LEDGER, opened_at
from aster.cli.options import CAMPAIGNS_VARIABLE, DEFAULT_CAMPAIGNS
from aster.errors import CampaignNotFound, StoreError

LAST = "last"


def campaign_folders(campaigns: Path) -> list[Path]:
    """Return the folders under `campaigns` that hold a ledger, sorted by name."""
    return sorted(path.parent for path in campaigns.glob(f"*/{LEDGER}"))


def find_campaign(wanted: str, campaigns: Path) -> Path:
    """Return the folder of the campaign that `wanted` names.

    Args:
        wanted: an id, a beginning or an end that only one id has, a path to the folder, or "last" for the youngest.

    Raises:
        CampaignNotFound: none fits, or more than one does.
    """
    folders = campaign_folders(campaigns)
    exact = [folder for folder in folders if folder.name == wanted]
    if exact:
        return exact[0]
    if (Path(wanted) / LEDGER).is_file():
        return Path(wanted)
    if not folders:
        raise CampaignNotFound(
            f"There are no campaigns in {campaigns}; start one with `aster run PROBLEM`, or choose --campaigns DIR."
        )
    if wanted == LAST:
        return max(folders, key=_opened)
    fits = [f for f in folders if wanted and (f.name.startswith(wanted) or f.name.endswith(wanted))]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(folder.name for folder in (fits or folders)[-10:])
    if fits:
        raise CampaignNotFound(f"{wanted!r} fits {len(fits)} campaigns in {campaigns}; type more of one: {names}.")
    raise CampaignNotFound(f"There is no campaign {wanted!r} in {campaigns}; campaigns there: {names}.")


def command_for(verb: str, folder: Path) -> str:
    """Return the command line that does `verb` to the campaign in `folder`, as a person would type it here."""
    campaigns = folder.parent
    usual = Path(os.environ.get(CAMPAIGNS_VARIABLE) or DEFAULT_CAMPAIGNS)
    elsewhere = [] if campaigns.resolve() == usual.resolve() else ["--campaigns", str(campaigns)]
    return shlex.join(["aster", verb, folder.name, *elsewhere])


def _opened(folder: Path) -> float:
    try:
        return opened_at(folder)
    except StoreError:  # a damaged ledger is never the last campaign
        return 0.0
