"""What holds for every test: generated examples are the same on every machine, whatever its load."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("aster", derandomize=True, deadline=None)
settings.load_profile("aster")
