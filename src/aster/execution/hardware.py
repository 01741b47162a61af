"""The kinds of hardware on this machine. Scores from different kinds are never ranked together."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct


class Gpu(Struct, frozen=True):
    """A whole device, by the UUID that CUDA_VISIBLE_DEVICES takes. `node`: under /dev; "" where it has none."""

    uuid: str
    name: str
    node: str = ""


def list_gpus() -> list[Gpu]:
    """Return the devices that NVML sees and our own CUDA_VISIBLE_DEVICES allows; no driver: an empty list."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except (ImportError, OSError):
        return []
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        found = [
            Gpu(
                _text(pynvml.nvmlDeviceGetUUID(each)),
                _text(pynvml.nvmlDeviceGetName(each)),
                f"/dev/nvidia{pynvml.nvmlDeviceGetMinorNumber(each)}",
            )
            for each in handles
        ]
    except pynvml.NVMLError:  # a driver that is half installed, or just being updated
        return []
    finally:
        pynvml.nvmlShutdown()
    return allowed(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def allowed(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Return those of `gpus` that `visible` (a CUDA_VISIBLE_DEVICES: indices or UUID prefixes) names; None: all.

    As CUDA does, what follows the first name that fits nothing is ignored.
    """
    if visible is None:
        return list(gpus)
    chosen: list[Gpu] = []
    for word in filter(None, (word.strip() for word in visible.split(","))):
        fits = gpus[int(word) : int(word) + 1] if word.isdigit() else [g for g in gpus if g.uuid.startswith(word)]
        if len(fits) != 1:
            break
        chosen.extend(each for each in fits if each not in chosen)
    return chosen


def cpu_kind() -> str:
    """Return the processor's kind, such as "cpu: AMD EPYC 7B13"."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return "cpu: " + (next(names, "") or platform.processor() or platform.machine() or "unknown")


def gpu_kind(gpus: Sequence[Gpu]) -> tuple[str, list[Gpu]]:
    """Return the most frequent kind among `gpus` (at least one), such as "gpu: NVIDIA H100", and its devices."""
    name = Counter(each.name for each in gpus).most_common(1)[0][0]
    return f"gpu: {name}", [each for each in gpus if each.name == name]


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
