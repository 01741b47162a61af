"""The library of the ProteinGym pack, imported as the pack's own programs import it, and the small data for tests."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).parents[2] / "packs" / "proteingym"
SMALL = Path(__file__).parents[1] / "data" / "proteingym"


def module(name: str) -> ModuleType:
    """`gym.metrics` and the like. Programs (`evaluate`) are forgotten at once: other packs have such ones too."""
    before = set(sys.modules)
    sys.path.insert(0, str(PACK))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(PACK))
        for each in {path.stem for path in PACK.glob("*.py")} - before:
            sys.modules.pop(each, None)
