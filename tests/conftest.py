"""What holds for every test: generated examples are the same on every machine, and no model can be paid."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("aster", derandomize=True, deadline=None)
settings.load_profile("aster")

for name in [name for name in os.environ if name.endswith("_API_KEY")]:
    del os.environ[name]  # no test can ask a model that costs money, whatever it gets wrong
