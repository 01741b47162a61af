"""What holds for every test: generated examples are the same on every machine, and no model can be paid."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("aster", derandomize=True, deadline=None)
settings.load_profile("aster")

for name in [name for name in os.environ if name.endswith("_API_KEY")]:
    del os.environ[name]  # no test can ask a model that costs money, whatever it gets wrong


PACKS = Path(__file__).parents[1] / "packs"


@pytest.fixture(autouse=True)
def modules_of_packs_are_forgotten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test imports from a pack, or a copy of one, is not there for the next: many packs have an `evaluate`."""
    before, path, passing = set(sys.modules), list(sys.path), (str(PACKS), str(tmp_path_factory.getbasetemp()))
    yield
    sys.path[:] = path
    for name in [name for name in list(sys.modules) if name not in before]:
        module = sys.modules[name]
        path_of = getattr(module, "__path__", None)  # torch.classes has whatever it is asked for
        places = [getattr(module, "__file__", None), *(path_of if isinstance(path_of, Iterable) else [])]
        if any(str(place).startswith(passing) for place in places):
            del sys.modules[name]
