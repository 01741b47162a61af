"""Whole GPUs, leased by flock: no two attempts on a machine share a device, whichever campaign they are of.

The keeper holds the locks for exactly as long as its process tree lives. Here is where their files are, which
devices are free now, and what can never be had.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aster.errors import ExecutorError, UserError
from aster.execution.hardware import Gpu
from aster.sandbox.keeper.locks import held

LEASES = Path("/tmp/aster-gpu-leases")
"""One folder a machine, shared by its users: not under TMPDIR, which may differ between them."""


class LeaseFolder:
    """The lock files of `gpus`.

    Raises:
        ExecutorError: the folder cannot be used.
    """

    def __init__(self, gpus: Sequence[Gpu], folder: Path = LEASES) -> None:
        self.files = {gpu.uuid: str(folder / gpu.uuid) for gpu in gpus}
        try:
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(0o1777)
            if folder.is_symlink():
                raise OSError("it is a link")
            for file in self.files.values():
                with suppress(FileExistsError):
                    with os.fdopen(os.open(file, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC), "rb") as made:
                        os.fchmod(made.fileno(), 0o644)  # whatever our umask: other users must be able to look
        except OSError as error:
            raise ExecutorError(
                f"GPUs cannot be leased through {folder}: {error}; remove it when no campaign runs"
            ) from error

    def free(self) -> int:
        """Return how many devices nobody holds now. Another campaign may take one the next moment."""
        return sum(not held(file) for file in self.files.values())


def check_feasible(wanted: int, gpus: Sequence[Gpu]) -> None:
    """Refuse at once what would wait for ever.

    Raises:
        UserError: more devices are wanted than `gpus` has.
    """
    if wanted > len(gpus):
        kinds = ", ".join(sorted({each.name for each in gpus}))
        there = f"{len(gpus)} ({kinds})" if gpus else "none"
        raise UserError(
            f"Each attempt of this problem needs {wanted} GPU(s), but this machine has {there} to lease "
            f"(as NVML and CUDA_VISIBLE_DEVICES show). Lower `gpus` under [resources], or run it on a larger machine."
        )
