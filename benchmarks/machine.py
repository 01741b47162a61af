"""What a page of results says of where its figures come from, and the intervals of its shares."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.processor()


def provenance() -> str:
    """Return the command, the day, the machine and the versions, as a paragraph."""
    import numpy
    import scipy

    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return (
        f"Command: `{command}`, {time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores ({processor()}), "
        f"{platform.system()}; Python {platform.python_version()}, "
        f"numpy {numpy.__version__}, SciPy {scipy.__version__}."
    )


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """Return the exact 95% interval of a share (Clopper and Pearson 1934)."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return low, high
