"""`aster doctor`: what this machine has, what holds and what does not, and what is broken."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, BaseUrlOption, CampaignsOption

if TYPE_CHECKING:
    from aster.domain.research import ModelChoice

DEPENDENCIES = (
    "aiohttp",
    "anyio",
    "cmaes",
    "genai-prices",
    "jinja2",
    "libcst",
    "matplotlib",
    "merge3",
    "msgspec",
    "numpy",
    "nvidia-ml-py",
    "optuna",
    "packaging",
    "pydantic",
    "pydantic-ai-slim",
    "pyyaml",
    "rich",
    "scipy",
    "threadpoolctl",
    "typer",
)

PROBE_S = 300.0
"""For one call of a trial: a server of one's own may be slow with a long prompt."""

LITTLE_SPACE = 1 << 30
"""Bytes of free space below which a campaign may well run out."""


ProbedOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="PROVIDER:NAME",
        help="Try this language model instead: each kind of call that a campaign makes, for a few cents.",
    ),
]


def doctor(
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS, model: ProbedOption = None, base_url: BaseUrlOption = ""
) -> None:
    """Say what this machine has, and whether anything is broken.

    Also what the sandbox stops and what it does not; or, with --model, what a language model can do. Exits with 1 if
    anything that is needed is broken.
    """
    if model is not None:
        _model(model, base_url)
        return
    broken = _versions() + _machine() + _folder(campaigns)
    if not _missing_imports():
        broken += _sandbox(campaigns)
    if broken:
        typer.echo("\nBroken:")
        for trouble in broken:
            typer.echo(f"  - {trouble}")
        raise typer.Exit(1)
    typer.echo("\nNothing that is needed is broken.")


def _model(name: str, base_url: str) -> None:
    """Try a language model, and say what it cannot do and why that matters."""
    import asyncio

    from aster.llm.parse import check_pool, parse_model

    choice = parse_model(name, base_url)
    check_pool([choice], base_url)
    fails = asyncio.run(_probe(choice))
    if fails:
        typer.echo("\nAgents cannot work with this model as it is.")
        raise typer.Exit(1)
    typer.echo("\nAgents can work with this model.")


async def _probe(choice: ModelChoice) -> bool:
    """Print what each kind of call comes to; return whether any fails."""
    from aster.llm.client import PydanticClient
    from aster.llm.probe import Probe, Probed

    def show(probed: Probed) -> None:
        typer.echo(f"{probed.what:<9} {probed.verdict:<6} {probed.detail}")
        if probed.why:
            typer.echo(f"{'':<9} {'':<6} {probed.why}")

    where = f" at {choice.base_url}" if choice.base_url else ""
    typer.echo(f"{choice.name}{where}\n")
    client = PydanticClient(timeout_s=PROBE_S)
    try:
        client.check(choice)
        probe = Probe(client, choice)
        found = await probe.run(show)
    finally:
        await client.close()
    typer.echo(f"\nprice     {_price(choice)}")
    spent = "" if choice.price is None else f", ${choice.price.of(probe.tokens):.4f}"
    typer.echo(f"used      {probe.calls} calls, {probe.tokens.total:,} tokens{spent}")
    return any(probed.verdict == "fails" for probed in found)


def _price(choice: ModelChoice) -> str:
    price = choice.price
    if price is None:
        return f"not known: a campaign needs --tokens, or --price {choice.name}=INPUT,OUTPUT (dollars a million tokens)"
    cached = f", ${price.cache_read:g} for cached input" if price.cache_read is not None else ""
    return f"${price.input:g} for a million tokens of input, ${price.output:g} of output{cached}; the dearest there is"


def _row(name: str, value: str) -> None:
    typer.echo(f"{name:<12} {value}")


def _versions() -> list[str]:
    import sqlite3

    from aster._version import VERSION

    _row("aster", VERSION)
    _row("python", f"{platform.python_version()} ({sys.executable})")
    _row("SQLite", sqlite3.sqlite_version)
    found = {name: _version(name) for name in DEPENDENCIES}
    _row("packages", ", ".join(f"{name} {version or 'MISSING'}" for name, version in found.items()))
    missing = [name for name, version in found.items() if version is None]
    _environments()
    return [f"{name} is not installed: pip install {name}" for name in missing]


def _environments() -> None:
    """Say with what the environments of problems are built, and where they are kept."""
    from aster.environments.cache import cache_folder

    uv = shutil.which("uv")
    _row("environments", f"built with {uv or 'venv and pip'}, kept in {cache_folder()}")


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _missing_imports() -> bool:
    from importlib.util import find_spec

    return find_spec("msgspec") is None


def _machine() -> list[str]:
    _row("platform", platform.platform())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    _row("cores", str(cores))
    _row("memory", f"{memory:.1f} GiB")
    if _missing_imports():
        return []
    from aster.execution.hardware import cpu_kind, gpu_kind, list_gpus

    gpus = list_gpus()
    _row("GPUs", ", ".join(gpu.name for gpu in gpus) if gpus else "none (as NVML and CUDA_VISIBLE_DEVICES show)")
    _row("hardware", "; ".join([cpu_kind(), *([gpu_kind(gpus)[0]] if gpus else [])]))
    return []


def _folder(campaigns: Path) -> list[str]:
    """Try everything that a campaign needs of its folder, in a temporary folder beside the campaigns."""
    if _missing_imports():
        return []
    from aster.errors import SystemTrouble
    from aster.ledger.lock import CampaignLock
    from aster.ledger.sqlite import LEDGER_FILE, SqliteStore

    place = _nearest(campaigns)
    free = shutil.disk_usage(place).free
    try:
        with tempfile.TemporaryDirectory(prefix=".aster-doctor-", dir=place) as name:
            with CampaignLock(Path(name)):
                SqliteStore(Path(name) / LEDGER_FILE, create=True).close()
    except OSError as error:
        _row("campaigns", f"{campaigns}: cannot be written")
        return [f"{campaigns} cannot be written ({error.strerror}): choose another with --campaigns DIR."]
    except SystemTrouble as error:
        _row("campaigns", f"{campaigns}: cannot hold a ledger")
        return [f"{campaigns} cannot hold a ledger: {error} Choose a local disk with --campaigns DIR."]
    short = " (little: a campaign may run out of it)" if free < LITTLE_SPACE else ""
    _row("campaigns", f"{campaigns}: writable, ledger and lock work, {free / (1 << 30):.1f} GiB free{short}")
    return []


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest thing above it that exists."""
    here = folder.absolute()
    while not here.exists():
        here = here.parent
    return here


def _sandbox(campaigns: Path) -> list[str]:
    """Say which layers work, what the strongest sandbox here holds and what it does not stop."""
    from aster.errors import SystemTrouble
    from aster.sandbox.layers import choose_walls, holds, limits, probe_machine

    try:
        probe = probe_machine()
        walls = choose_walls("auto", _nearest(campaigns), {})
    except SystemTrouble as error:
        return [str(error)]
    typer.echo("\nSandboxes, the strongest first:")
    for name, reason in (("bubblewrap", probe.bubblewrap), ("landlock", probe.landlock), ("plain", "")):
        used = ", and is what `aster run` uses" if name == walls.sandbox else ""
        typer.echo(f"  {name:<11} {reason or f'works{used}'}")
    kinds = ", ".join(sorted(probe.groups)) if probe.groups else "none that this user may make"
    typer.echo(f"  {'cgroups':<11} {kinds}")
    typer.echo(f"\nWhat {walls.sandbox} holds:")
    for line in holds(walls):
        typer.echo(f"  + {line}")
    typer.echo("What it does not stop:")
    for line in limits(walls, probe.landlock_version):
        typer.echo(f"  - {line}")
    return []
