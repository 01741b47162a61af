"""Where what was built or prepared is kept for all campaigns of a user."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return Aster's folder in the user's cache: below XDG_CACHE_HOME, or else ~/.cache."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    place = Path(chosen) if chosen.startswith("/") else Path.home() / ".cache"
    return place / "aster"
