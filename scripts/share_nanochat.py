"""Copy into packs/speedrun what it shares with packs/nanochat. `--check` only compares.

A pack is a folder without links, so the files that the two share are copies; a test runs this with `--check`.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKS = Path(__file__).parents[1] / "packs"
SHARED = (
    *(f"preparing/{name}.py" for name in ("bars", "download", "encoding", "files", "texts")),
    *(f"referee/{name}.py" for name in ("picture", "probes")),
    "solution/harness/sealed.py",
)


def main(check: bool) -> int:
    """Copy, or compare; 1 where something differs."""
    source, target = PACKS / "nanochat", PACKS / "speedrun"
    wanted = {path: (source / path).read_bytes() for path in SHARED}
    differs = [
        path for path, data in wanted.items() if not (target / path).is_file() or (target / path).read_bytes() != data
    ]
    if check:
        for path in differs:
            print(f"{path} differs from packs/nanochat: change it there and run `python scripts/share_nanochat.py`")
        return 1 if differs else 0
    for path in differs:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
