"""`aster replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignArgument, CampaignsOption, JsonOption

if TYPE_CHECKING:
    from aster.handle import Campaign
    from aster.replaying import Replay

MOST_SHOWN = 10
"""Agents that part from the record and are told of, the first."""


def replay(
    campaign: CampaignArgument, campaigns: CampaignsOption = DEFAULT_CAMPAIGNS, as_json: JsonOption = False
) -> None:
    """Decide a campaign again from its record, and compare.

    Agents are run again on what was recorded. Asks no model, runs no experiment and writes nothing. Exits with 1 where
    something comes out differently, and names the first place.
    """
    from aster.app import load_campaign
    from aster.cli.find import find_campaign
    from aster.replaying import replay_campaign

    loaded = load_campaign(find_campaign(campaign, campaigns))
    done = replay_campaign(loaded)
    if as_json:
        _print_json(loaded, done)
    else:
        _print(done)
    if not done.same:
        raise typer.Exit(1)


def _print(done: Replay) -> None:
    from aster.cli.words import clean

    decided = done.decided
    if decided.divergence is None:
        whole = f"{decided.events} events in them, and each is what the ledger has"
        typer.echo(f"{decided.decisions} decisions made again: {whole}; {decided.facts} other entries were read.")
    else:
        typer.echo(f"The decisions part from the record at {clean(decided.divergence.text, 1000)}.")
        typer.echo(f"Before it, {decided.decisions} decisions came out the same.")
    if done.agents:
        kept = done.agents - len(done.departures)
        typer.echo(f"{kept} of {done.agents} agents asked, did and handed back the same again.")
    for each in done.departures[:MOST_SHOWN]:
        typer.echo(f"An agent parts from the record at {clean(each.text, 1000)}.")
    if len(done.departures) > MOST_SHOWN:
        typer.echo(f"And {len(done.departures) - MOST_SHOWN} other agents do.")
    if not done.same:
        typer.echo(done.hint)


def _print_json(campaign: Campaign, done: Replay) -> None:
    import msgspec

    decided = done.decided
    record = {
        "campaign": campaign.id,
        "same": done.same,
        "decisions": decided.decisions,
        "events": decided.events,
        "facts": decided.facts,
        "divergence": decided.divergence,
        "agents": done.agents,
        "departures": done.departures,
    }
    typer.echo(msgspec.json.encode(record).decode())
