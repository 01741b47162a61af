"""What the referee of the NanoChat problem costs: its three stages over the channel, in plain processes, no sandbox.

    python benchmarks/nanochat_referee.py --data DIR [--pack packs/nanochat] [--solution FILE_OR_FOLDER] [--seed 42]
    python benchmarks/nanochat_referee.py --data DIR --pack packs/speedrun     # that of the speedrun, on all ranks

DIR is what `prepare.py --out DIR` wrote. Needs PyTorch and NumPy, and nothing of Aster but the channel's one file.
Prints the metrics that an experiment would have, and the seconds and the rate of each stage; with `--channel` the rates
of the channel alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHANNEL = ROOT / "src/aster/sandbox/keeper/channel.py"


def channel_module() -> Any:
    """The channel, without importing Aster."""
    spec = spec_from_file_location("aster_channel", CHANNEL)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{CHANNEL} is not there")
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def stage(work: Path, service: list[str], trusted: list[str]) -> float:
    """Run a trusted stage beside its service in `work`; return its seconds."""
    channel, score = channel_module(), str(work / "score.json")
    ends, running = channel.Ends(), []
    for (fds, value), command in ((ends.service, service), (ends.caller, trusted)):
        env = {**os.environ, "PYTHONPATH": str(work / "library"), channel.VARIABLE: value, "ASTER_SCORE": score}
        argv = [sys.executable, "-B", *command]
        running.append(subprocess.Popen(argv, cwd=work / "pack", env=env, pass_fds=fds))
    ends.close()
    began = time.monotonic()
    code = running[1].wait()
    took = time.monotonic() - began
    running[0].kill()
    running[0].wait()
    if code:
        raise SystemExit(f"{' '.join(trusted[:2])} ended with {code}")
    return took


def run(options: argparse.Namespace, work: Path) -> None:
    """One experiment, told stage by stage."""
    for name in ("library", "out", "aside"):
        (work / name).mkdir()
    shutil.copytree(options.pack, work / "pack")
    shutil.copy(CHANNEL, work / "library/aster_channel.py")
    if options.solution and options.solution.is_dir():
        shutil.copytree(options.solution, work / "pack/solution", dirs_exist_ok=True)
    elif options.solution:
        shutil.copy(options.solution, work / "pack/solution/train.py")
    tokens, out = ["--tokens", str(options.data / "tokens")], ["--out", str(work / "out")]
    learn = ["referee/learn.py", *tokens, *out, "--seed", str(options.seed)]
    print(f"learn: {stage(work, ['solution/harness/learn.py'], learn):.1f} s", flush=True)
    learnt = json.loads((work / "out/learnt.json").read_text())
    print(json.dumps(learnt), flush=True)
    if (said := sealing(work / "out/curve.jsonl", learnt)) is not None:
        print(f"sealing: {said:.2f} s from the last step that was noted to the last hash", flush=True)
    serve = ["solution/harness/serve.py", str(work / "out/state")]
    states = (work / "pack/referee/head.py").is_file()  # the referee of the speedrun asks for hidden states
    sealed = [] if states else ["--sealed", str(options.data / "sealed") if options.sealed else "/nonexistent"]
    score = ["referee/evaluate.py", *tokens, *out, "--aside", str(work / "aside"), *sealed]
    took = stage(work, serve, score)
    known = json.loads((work / "aside/known.json").read_text())
    meta = json.loads((options.data / "tokens/meta.json").read_text())["conditions"]
    size = known.get("val_tokens", 0) * (known.get("width", 0) if states else meta["vocab_size"]) * 2
    what = "hidden states" if states else "logits"
    print(f"score: {took:.1f} s, {size / 1e9:.2f} GB of {what}, {size / took / 1e9:.2f} GB/s with start", flush=True)
    print(f"again: {stage(work, serve, [*score, '--again']):.1f} s")
    print((work / "score.json").read_text())


def sealing(curve: Path, learnt: dict[str, Any]) -> float | None:
    """Seconds of the budget between the end of training, as the solution noted it, and the sealed state."""
    if "training_seconds" not in learnt or not curve.is_file():
        return None
    noted = [json.loads(line)["seconds"] for line in curve.read_text().splitlines()]
    return float(learnt["training_seconds"] - noted[-1]) if noted else None


def rates(count: int = 40) -> None:
    """Messages of 64 MiB from a service: into new memory, and into memory that is there."""
    channel = channel_module()
    ends = channel.Ends()
    if os.fork() == 0:
        end = channel.Channel(*ends.service[0], False)
        for fd in set(ends.caller[0]) - set(ends.service[0]):
            os.close(fd)
        answer = bytearray(os.urandom(1 << 20) * 64)
        end.serve(lambda _: answer)
        os._exit(0)
    for fd in set(ends.service[0]) - set(ends.caller[0]):
        os.close(fd)
    end, room = channel.Channel(*ends.caller[0], True), memoryview(bytearray(channel.MOST))
    end.call(b"", 60)
    for name in ("call", "ask and take"):
        began = time.monotonic()
        for _ in range(count):
            if name == "call":
                end.call(b"", 60)
            else:
                end.ask(b"")
                end.take(60, room)
        print(f"{name}: {count * channel.MOST / (time.monotonic() - began) / 1e9:.2f} GB/s")
    end.close()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description="What the referee of the NanoChat problem costs.")
    parser.add_argument("--data", type=Path, help="what prepare.py wrote")
    parser.add_argument("--pack", type=Path, default=ROOT / "packs/nanochat")
    parser.add_argument("--solution", type=Path, help="a train.py in place of the pack's, or a folder with its modules")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--sealed", action="store_true", help="score the sealed rows, as confirmations do")
    parser.add_argument("--channel", action="store_true", help="rates of the channel alone")
    options = parser.parse_args()
    if not options.data and not options.channel:
        parser.error("--data DIR is needed, or --channel")
    if options.data and not (options.data / "tokens/meta.json").is_file():
        parser.error(f"--data {options.data} holds no prepared data: run prepare.py --out {options.data} first")
    if options.data and find_spec("torch") is None:
        parser.error("this needs PyTorch: install `torch` in this Python")
    if options.channel:
        rates()
    if options.data:
        with tempfile.TemporaryDirectory() as work:
            run(options, Path(work))


if __name__ == "__main__":
    main()
