"""Make the data of the problem: ``python prepare.py [--data DIR] [--models A,B] [--out DIR]``.

With --data, or the environment variable ASTER_PROTEINGYM, the assays come from a folder of the layout that
`gym/data.py` describes, whatever assays it holds. Without, the official ones are downloaded first (--version,
--without-msas), and site-independent distributions are computed from the alignments.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gym.data import Gym
from gym.errors import GymError
from gym.split import common_models, split

CACHE = Path("~/.cache/aster/proteingym").expanduser()  # where problem.toml looks


def main(arguments: list[str] | None = None) -> int:
    """Prepare; 2 with one paragraph on stderr if something is wrong."""
    options = _parser().parse_args(arguments)
    try:
        with alone(options.out):
            gym = Gym(options.data or _downloaded(options))
            models = options.models.split(",") if options.models else common_models(gym)
            sets = split(gym, options.out, models, tell, forgiving=options.data is None)
    except GymError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written to
        print(f"prepare: {error.filename or options.out} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    for name, assays in sets.items():
        proteins = len({each.uniprot for each in assays})
        tell(f"{name}: {len(assays)} assays of {proteins} proteins, in {options.out / name}")
    return 0


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder for ourselves; one who is killed lets it go, and whom it left running does not.

    Raises:
        GymError: somebody else prepares it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise GymError(
                f"{folder} is being prepared by another process, perhaps one that a killed `aster prepare` left "
                "running: wait until it has ended, then prepare again."
            ) from error
        yield


def tell(text: str) -> None:
    """Say a line at once."""
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    given = os.environ.get("ASTER_PROTEINGYM") or None
    parser = argparse.ArgumentParser(description="Prepare the ProteinGym problem.")
    parser.add_argument("--data", type=_path, default=given, help="a folder with the assays")
    parser.add_argument("--models", help="which distributions, such as proteinsolver/seqcond,proteinsolver/allmask")
    parser.add_argument("--out", type=_path, default=CACHE, help="where the two sets go")
    parser.add_argument("--version", default="v1.3", help="of the official data, if it is downloaded")
    parser.add_argument("--without-msas", action="store_true", help="do not download the alignments (5 GB)")
    return parser


def _path(text: str) -> Path:
    """A path as seen from where the user was: this program may have been started in the problem's folder."""
    return Path(os.environ.get("ASTER_CALLED_FROM", "."), Path(text).expanduser()).resolve()


def _downloaded(options: argparse.Namespace) -> Path:
    from gym.download import official

    return official(options.out / "official" / options.version, options.version, not options.without_msas, tell)


if __name__ == "__main__":
    sys.exit(main())
