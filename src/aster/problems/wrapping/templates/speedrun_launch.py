"""Run a script of the speedrun as torchrun does, and say at its end how long it trained. Made by `aster init`; frozen.

    python solution/launch.py --standalone --nproc_per_node=8 solution/train_gpt.py

What the script prints is passed on as it comes. Its last line of validation, `step:N/N val_loss:... train_time:...ms`,
is then said again as `val_loss: ...` and `training_seconds: ...`, which is what is measured.
"""

import os
import re
import subprocess
import sys

LAST = re.compile(rb"step:(\d+)/(\d+) val_loss:(\S+) train_time:(\d+(?:\.\d+)?)ms")
HUB = os.path.join(os.path.expanduser("~"), ".cache", "huggingface", "hub")


def kernels_here() -> str:
    """Return the kernels that were fetched, as LOCAL_KERNELS names them: the latest snapshot of each repository.

    A candidate has no network, and asked for a version the library would look there for the newest build.
    """
    found = []
    for repository in sorted(os.listdir(HUB)) if os.path.isdir(HUB) else ():
        kind, _, name = repository.partition("--")
        snapshots = os.path.join(HUB, repository, "snapshots")
        if kind not in ("kernels", "models") or "--" not in name or not os.path.isdir(snapshots):
            continue
        built = [os.path.join(snapshots, each) for each in os.listdir(snapshots)]
        built = [each for each in built if os.path.isdir(os.path.join(each, "build"))]
        if built:
            found.append(f"{name.replace('--', '/', 1)}={max(built, key=os.path.getmtime)}")
    return ":".join(found)


def surroundings() -> dict[str, str]:
    """Return the environment of the script: what `aster prepare` fetched is found without a network."""
    offline = {
        "HF_HUB_OFFLINE": "1",
        "TIKTOKEN_CACHE_DIR": os.path.join(os.path.expanduser("~"), ".cache", "tiktoken"),
        "PYTHONUNBUFFERED": "1",
    }
    local = kernels_here()
    return {**os.environ, **offline, **({"LOCAL_KERNELS": local} if local else {})}


def main() -> None:
    """Run the script; exit as it does, or say what was measured."""
    command = [sys.executable, "-m", "torch.distributed.run", *sys.argv[1:]]
    ended = None
    with subprocess.Popen(command, env=surroundings(), stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        for line in run.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            match = LAST.search(line)
            if match and match[1] == match[2]:
                ended = match
    if run.returncode:
        sys.exit(run.returncode if run.returncode > 0 else 1)
    if ended is None:
        sys.exit("It ended without the line of its last step, `step:N/N val_loss:... train_time:...ms`.")
    print(f"val_loss: {ended[3].decode()}")
    print(f"training_seconds: {float(ended[4]) / 1000:.3f}")


if __name__ == "__main__":
    main()
