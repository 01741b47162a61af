"""The official files of ProteinGym, brought into the layout of `gym.data`: resumed where they broke off, and checked.

The maintainers publish no checksums. So each archive is checked against its own CRCs when it is complete, and its
SHA-256 is written to SHA256SUMS beside it; a later run that finds another content says so.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gym.data import REFERENCE, Gym, read_columns
from gym.errors import GymError
from gym.mutants import ALPHABET

Tell = Callable[[str], None]

BASE = "https://marks.hms.harvard.edu/proteingym/ProteinGym_{version}/"
REFERENCE_URL = "https://raw.githubusercontent.com/OATML-Markslab/ProteinGym/main/reference_files/DMS_substitutions.csv"
ASSAYS, STRUCTURES, MSAS = "DMS_ProteinGym_substitutions.zip", "ProteinGym_AF2_structures.zip", "DMS_msa_files.zip"
TRIES = 5
_BLOCK = 1 << 20


def official(
    folder: Path, version: str, msas: bool, tell: Tell, base: str = BASE, reference: str = REFERENCE_URL
) -> Path:
    """Download what is missing below `folder` and return it, in the layout of `gym.data`.

    Raises:
        GymError: a server cannot be reached, or a file is damaged.
    """
    table = fetch(reference, folder / REFERENCE, tell)
    names = {ASSAYS: "assays", STRUCTURES: "structures"} | ({MSAS: "msa"} if msas else {})
    for archive, place in names.items():
        path = fetch(base.format(version=version) + archive, folder / "downloads" / archive, tell)
        unpack(path, folder / place, tell)
    if msas:
        _rename_alignments(folder / "msa", table)
        site_independent(folder, tell)
    return folder


def fetch(url: str, path: Path, tell: Tell) -> Path:
    """Download a file, going on where an earlier try broke off; a complete file is only checked."""
    sums, part = path.with_name("SHA256SUMS"), path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        for attempt in range(1, TRIES + 1):
            try:
                _continue(url, part, tell)
                break
            except (OSError, http.client.HTTPException) as error:  # a URLError is an OSError
                if attempt == TRIES:
                    raise GymError(
                        f"{url} cannot be downloaded: {error}. What came is kept in {part}; run it again to go on."
                    ) from error
                time.sleep(attempt)
        if path.suffix == ".zip":
            _check_zip(part)
        part.replace(path)
    _check_sum(path, sums)
    return path


def _continue(url: str, part: Path, tell: Tell) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send
            return
        raise
    with answer:
        have = have if answer.status == 206 else 0
        rest = answer.headers.get("Content-Length")
        total = have + int(rest) if rest else None
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            shown = 0.0
            while block := answer.read(_BLOCK):
                file.write(block)
                have += len(block)
                if time.monotonic() - shown > 2.0:
                    shown = time.monotonic()
                    tell(progress(part.name.removesuffix(".part"), have, total))
        if total is not None and have < total:
            raise OSError(f"the connection ended after {have} of {total} bytes")
        tell(progress(part.name.removesuffix(".part"), have, total))


def progress(name: str, have: int, total: int | None) -> str:
    """A line with a bar, where the size is known."""
    if not total:
        return f"{name}: {have / 1e6:.1f} MB"
    filled = round(24 * have / total)
    return f"{name}: [{'#' * filled}{'.' * (24 - filled)}] {have / 1e6:.1f} of {total / 1e6:.1f} MB"


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except zipfile.BadZipFile as error:
        path.unlink()
        raise GymError(f"{path} is no zip archive ({error}) and was thrown away. Run it again.") from error
    if bad is not None:
        path.unlink()
        raise GymError(f"{path} was damaged on its way (in {bad}) and was thrown away. Run it again.")


def _check_sum(path: Path, sums: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    lines = sums.read_text(encoding="ascii").splitlines() if sums.exists() else []
    known = {name: value for value, _, name in (line.partition("  ") for line in lines)}
    if known.setdefault(path.name, digest.hexdigest()) != digest.hexdigest():
        raise GymError(
            f"{path} is not what it was when it was downloaded. Delete it, and its line in {sums} too if the server's "
            "own has changed since, and run this again."
        )
    sums.write_text("".join(f"{value}  {name}\n" for name, value in sorted(known.items())), encoding="ascii")


def unpack(path: Path, folder: Path, tell: Tell) -> None:
    """Put the archive's files into a folder, flat, whatever folders they were in."""
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and "__MACOSX" not in each.filename]
        todo = [each for each in members if not _is_there(folder / PurePosixPath(each.filename).name, each)]
        if todo:
            tell(f"unpacking {len(todo)} files of {path.name}")
        folder.mkdir(parents=True, exist_ok=True)
        for each in todo:
            with archive.open(each) as source, (folder / PurePosixPath(each.filename).name).open("wb") as target:
                shutil.copyfileobj(source, target)


def _is_there(path: Path, member: zipfile.ZipInfo) -> bool:
    return path.exists() and path.stat().st_size == member.file_size


def _rename_alignments(folder: Path, table: Path) -> None:
    """Beside each alignment a link of the protein's name, and of the assay's where the protein has another one."""
    columns = read_columns(table, ("DMS_id", "UniProt_ID", "MSA_filename"))
    first: dict[str, str] = {}
    for assay, uniprot, name in zip(*(columns[each] for each in ("DMS_id", "UniProt_ID", "MSA_filename")), strict=True):
        if not name or not (folder / name).exists():
            continue
        own = first.setdefault(uniprot, name) != name
        link = folder / f"{assay if own else uniprot}.a2m"
        if not link.exists():
            link.symlink_to(name)


def site_independent(folder: Path, tell: Tell) -> None:
    """Write distributions of all proteins with an alignment: something to score without any network."""
    from gym.models import Query
    from gym.models.alignment import SiteIndependent

    gym, model = Gym(folder), SiteIndependent()
    out = folder / "probs" / "site-independent"
    named = {each.uniprot if gym.first[each.uniprot] == each.sequence else each.name: each for each in gym.assays}
    todo = {name: each for name, each in sorted(named.items()) if not (out / f"{name}.npz").exists()}
    out.mkdir(parents=True, exist_ok=True)
    for number, (name, assay) in enumerate(todo.items(), 1):
        alignment = gym.alignment(assay)
        if alignment is None:
            continue
        tell(f"site-independent distributions of {name} ({number} of {len(todo)})")
        try:
            logp = model.log_probabilities([Query(assay.sequence, alignment=alignment)])[0]
        except GymError as error:
            tell(f"left out: {error}")
            continue
        _save(out / f"{name}.npz", logp, assay.sequence)


def _save(path: Path, logp: NDArray[np.float64], sequence: str) -> None:
    np.savez(path, logp=logp.astype(np.float32), aa=np.array(ALPHABET), seq=np.array(sequence))
