"""Make a virtual environment and install this checkout into it, with uv where that works and pip where not.

    python3 scripts/bootstrap.py .venv .        # what a user needs
    python3 scripts/bootstrap.py .venv ".[dev]" # what a developer needs

Standard library only: this is the first thing that runs on a fresh machine.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main(venv: Path, target: str) -> int:
    """Install `target`, in editable form, into `venv`; returns the exit status of what failed, or 0."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this script is what tells people on older versions
        print(f"Aster needs Python 3.11 or newer, and this is {sys.version.split()[0]}: make PYTHON=python3.12 ...")
        return 2
    python = venv / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False)
        if made.returncode != 0:
            print("Python's venv module does not work here; on Debian and Ubuntu: apt install python3-venv")
            return made.returncode
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    if subprocess.run([*pip, "uv"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
        uv = [str(venv / "bin" / "uv"), "--quiet", "pip", "install", "--python", str(python), "--editable", target]
        if subprocess.run(uv, check=False).returncode == 0:
            return 0
        print("uv could not install it; trying pip")
    return subprocess.run([*pip, "--editable", target], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
