"""Make packs/nanochat_mini from packs/nanochat: the same files, but for what is written here. `--check` only compares.

A pack is a folder without links, so the files that the two share are copies; a test runs this with `--check`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PACKS = Path(__file__).parents[1] / "packs"
SHARED = ("prepare.py", "preparing/*.py", "referee/*.py", "solution/harness/*.py")
SIZES = {
    "DEPTH": "2",
    "WIDTH": "64",
    "HEAD_WIDTH": "32",
    "SHORT_WINDOW": "64",
    "LENGTH": "256",
    "STEP_TOKENS": "4_096",
    "MICRO_ROWS": "16",
    "MOMENTUM_STEPS": "50",
}
"""Constants of solution/train.py that differ."""


def made() -> dict[str, bytes]:
    """What the small pack's files should hold, by path."""
    source = PACKS / "nanochat"
    files = {path.relative_to(source).as_posix(): path.read_bytes() for glob in SHARED for path in source.glob(glob)}
    text = (source / "solution/train.py").read_text()
    for name, value in SIZES.items():
        text, count = re.subn(rf"(?m)^{name} = [^#\n]*?(?=(  #.*)?$)", f"{name} = {value}", text)
        if count != 1:
            raise SystemExit(f"solution/train.py has {count} lines that begin with {name} =; mend SIZES")
    return {**files, "solution/train.py": text.encode()}


def main(check: bool) -> int:
    """Write, or compare; 1 where something differs."""
    target, wanted = PACKS / "nanochat_mini", made()
    there = {path.relative_to(target).as_posix() for glob in SHARED for path in target.glob(glob)}
    differs = sorted(path for path, data in wanted.items() if not _same(target / path, data))
    extra = sorted(there - wanted.keys())
    if check:
        for path in [*differs, *extra]:
            print(f"{path} differs from packs/nanochat: run `python scripts/make_nanochat_mini.py`")
        return 1 if differs or extra else 0
    for path in extra:
        (target / path).unlink()
    for path in differs:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(wanted[path])
    return 0


def _same(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
