"""Time as an input: one place that looks at the machine's clocks."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct


class Clock(Struct, frozen=True):
    """Unix seconds for records, monotonic seconds for budgets: setting the machine's clock changes no budget."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
