"""`python -I -S .../keeper serve FOLDER SOCKET`: returns once the fork server listens; the server itself goes on."""

import sys
from pathlib import Path

if not __package__:  # run by path: make the relative imports below work without an installed package
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = "keeper"

from .server import start

if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "serve":
        sys.exit("usage: keeper serve FOLDER SOCKET")
    start(sys.argv[2], sys.argv[3])
