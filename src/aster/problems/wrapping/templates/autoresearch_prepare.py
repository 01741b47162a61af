"""What has to be there before the first run: `aster prepare` runs this, outside the sandbox. Made by `aster init`.

Runs the checkout's own prepare.py, and fetches the kernels that train.py asks the hub for. Words go to prepare.py.
"""

import re
import subprocess
import sys
from pathlib import Path

SOLUTION = Path(__file__).resolve().parent / "solution"


def fetch_kernels() -> None:
    """Fetch what train.py names and needs on this device, so that it is found without a network."""
    source = (SOLUTION / "train.py").read_text()
    if "get_kernel(" not in source:
        return
    (Path.home() / ".cache" / "huggingface").mkdir(parents=True, exist_ok=True)
    from kernels import get_kernel

    named = re.findall(r"""["']([\w.-]+/[\w.-]*(?:flash|attn|attention|kernel)[\w.-]*)["']""", source)
    failed = []
    for repository in dict.fromkeys(named):
        try:
            get_kernel(repository)
        except Exception as error:  # noqa: BLE001 - any library's own: a build for other devices than this one fails to load
            failed.append(f"{repository}: {error}")
    print(f"kernels: {len(named) - len(failed)} of {len(named)} fetched", *failed, sep="\n  ")
    if len(failed) == len(named):
        sys.exit("No kernel could be fetched, so train.py would not start.")


if __name__ == "__main__":
    subprocess.run([sys.executable, "prepare.py", *sys.argv[1:]], cwd=SOLUTION, check=True)
    fetch_kernels()
