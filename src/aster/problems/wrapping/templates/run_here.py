"""Run a script in its own folder: `python solution/run_here.py solution/train.py WORDS`. Frozen; made by `aster init`.

An attempt begins in the folder above, where declared data lies. Scripts that open files by relative paths expect to
begin beside them: so the data is linked here, and the script begins here.
"""

import os
import sys


def link_beside(beside: str, here: str) -> None:
    """Link what lies in `beside` and not in `here` into `here`; folders in both are gone through."""
    for name in os.listdir(beside):
        theirs, ours = os.path.join(beside, name), os.path.join(here, name)
        if os.path.realpath(theirs) == HERE:
            continue
        if not os.path.lexists(ours):
            os.symlink(theirs, ours)
        elif os.path.isdir(theirs) and os.path.isdir(ours):
            link_beside(theirs, ours)


if __name__ == "__main__":
    HERE = os.path.dirname(os.path.realpath(__file__))
    link_beside(os.path.dirname(HERE), HERE)
    script = os.path.relpath(sys.argv[1], HERE)
    os.chdir(HERE)
    os.execv(sys.executable, [sys.executable, script, *sys.argv[2:]])
