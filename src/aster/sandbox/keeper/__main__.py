"""`python -I -S .../keeper serve FOLDER SOCKET`: returns once the fork server listens; the server itself goes on.
`python -I -S .../keeper probe PYTHON PATH...`: prints as JSON which sandboxes work for a Python that may read PATHs.
"""

import sys
from pathlib import Path

if not __package__:  # run by path: make the relative imports below work without an installed package
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = "keeper"

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", folder, path]:
            from .server import start

            start(folder, path)
        case ["probe", interpreter, *read]:
            import json
            from dataclasses import asdict

            from .probe import probe

            print(json.dumps(asdict(probe(read, interpreter))))
        case _:
            sys.exit("usage: keeper serve FOLDER SOCKET | keeper probe PYTHON PATH...")
