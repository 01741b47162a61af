"""A checkout of the NanoGPT speedrun as a problem, with a script of our own that prints the same lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.problems.wrapping.conftest import Write, everything

from aster.errors import InitError
from aster.problems.problem import Problem, load_problem
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.sources import make

TRAIN = """\
import os
import struct
import time
from glob import glob

from triton_kernels import HALF

rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
assert 8 % world_size == 0
data_path = os.environ.get("DATA_PATH", ".")
os.makedirs("logs", exist_ok=True)


def print0(text):
    if rank == 0:
        with open("logs/run.txt", "a") as file:
            print(text, file=file)
        print(text)


def tokens(split):
    total = 0
    for path in sorted(glob(os.path.join(data_path, f"data/fineweb10B/fineweb_{split}_*.bin"))):
        with open(path, "rb") as file:
            magic, version, count = struct.unpack("3i", file.read(12))
        assert (magic, version) == (20240520, 1)
        total += count
    return total


steps, train_time = 4, 0.0
print0(f"tokens {tokens('train')} {tokens('val')} offline {os.environ.get('HF_HUB_OFFLINE')}")
for step in range(steps + 1):
    if step % 2 == 0:
        val_loss = 3.27 + HALF * (steps - step)
        print0(f"step:{step}/{steps} val_loss:{val_loss:.4f} train_time:{train_time:.0f}ms step_avg:{1:.2f}ms")
    if step == steps:
        break
    time.sleep(0.01)
    train_time += 1000 * (0.01 + 0.0001 * world_size)
    print0(f"step:{step + 1}/{steps} train_time:{train_time:.0f}ms step_avg:{1:.2f}ms")
print0("peak memory allocated: 1 MiB reserved: 2 MiB")
"""
KERNELS = "HALF = 0.5\n"
FETCH = """\
import os
import struct
import sys
from pathlib import Path

folder = Path(__file__).parent / "fineweb10B"
folder.mkdir(exist_ok=True)
for name in ["val_000000", *(f"train_{n:06d}" for n in range(1, int(sys.argv[1]) + 1))]:
    (folder / f"fineweb_{name}.bin").write_bytes(struct.pack("256i", 20240520, 1, 5, *[0] * 253) + bytes(10))
"""
FILES: dict[str, str | bytes] = {
    "train_gpt.py": TRAIN,
    "triton_kernels.py": KERNELS,
    "train_gpt_medium.py": TRAIN,
    "requirements.txt": "torch==2.10\n",
    "LICENSE": "MIT\n",
    "README.md": "the speedrun\n",
    "run.sh": "torchrun --standalone --nproc_per_node=8 train_gpt.py\n",
    "data/cached_fineweb10B.py": FETCH,
    "records/old/train_gpt.py": "x = 1\n",
    "records/old/triton_kernels.py": "x = 1\n",
}

TORCHRUN = """\
import os
import subprocess
import sys

assert sys.argv[1] == "--standalone"
world = int(sys.argv[2].removeprefix("--nproc_per_node="))
code = 0
for rank in range(world):
    env = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    code = code or subprocess.run([sys.executable, *sys.argv[3:]], env=env).returncode
sys.exit(code)
"""
"""What stands in for torch.distributed.run, which is torchrun."""


def wrap(code: Path, **asked: object) -> tuple[Made, Problem]:
    before = everything(code)
    made = make(replace(Asked(folder=code.parent / "p", speedrun=code), **asked))  # type: ignore[arg-type]
    assert everything(code) == before
    return made, load_problem(made.folder)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    for name in ("huggingface", "tiktoken"):
        (home / ".cache" / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return home


def test_a_checkout_becomes_a_problem(write: Write) -> None:
    needs = f"import no_such_library\n{TRAIN}"
    made, problem = wrap(write({**FILES, "train_gpt.py": needs}))
    spec = problem.spec
    assert made.prepare
    assert set(problem.editable_files) == {"solution/train_gpt.py", "solution/triton_kernels.py"}
    assert set(problem.frozen_solution_files) == {
        "solution/launch.py",
        "solution/requirements.txt",
        "solution/LICENSE",
    }
    assert problem.solution_files["solution/train_gpt.py"].decode() == needs
    assert spec.stages[0].command == (
        "python", "solution/launch.py", "--standalone", "--nproc_per_node=8", "solution/train_gpt.py"
    )  # fmt: skip
    assert [metric.name for metric in spec.metrics] == ["training_seconds", "val_loss"]
    assert (spec.objective.goal, spec.objective.resolution, spec.objective.self_reported) == ("minimize", 0.001, True)
    assert [(each.metric, each.max, each.p) for each in spec.bounds] == [
        ("val_loss", 3.28, 0.01),
        ("val_loss", 3.3, None),
    ]
    assert (spec.resources.gpus, spec.resources.cpus, spec.resources.memory_mb) == (8, 32, 144 * 1024)
    assert (spec.stages[0].timeout_s, spec.seeds.confirm, spec.takes_seed) == (1800, 16, False)
    assert [(data.path, data.visible) for data in spec.data] == [("data/fineweb10B", ("run",))]
    assert spec.environment.caches == ("~/.cache/huggingface", "~/.cache/tiktoken")
    assert spec.environment.requirements == "solution/requirements.txt"
    assert spec.prepare is not None
    assert spec.prepare.command == ("python", "prepare.py")
    assert "at most 3.28, with a p-value below 0.01" in problem.statement_text
    assert any("takes no seed, so repeats are unpaired" in note for note in made.notes)


def test_fewer_gpus_and_other_sizes(write: Write) -> None:
    _, problem = wrap(write(FILES), gpus=1, memory="40GiB")
    assert "--nproc_per_node=1" in problem.spec.stages[0].command
    assert (problem.spec.resources.gpus, problem.spec.resources.memory_mb) == (1, 40 * 1024)
    assert problem.spec.stages[0].timeout_s == 3600
    assert "on one GPU" in problem.spec.problem.title


def test_tokens_that_are_there_are_linked_and_stay_as_they_are(write: Write) -> None:
    shard = "data/fineweb10B/fineweb_val_000000.bin"
    code = write({**FILES, shard: b"x" * 2_000_000})
    made, _ = wrap(code)
    assert (made.folder / shard).read_bytes() == (code / shard).read_bytes()
    assert (made.folder / "data/fineweb10B").is_symlink()


def test_without_tokens_and_what_fetches_them_it_is_said(write: Write) -> None:
    files = {name: text for name, text in FILES.items() if name != "data/cached_fineweb10B.py"}
    made, _ = wrap(write(files))
    assert any("put the contest's shards into data/fineweb10B" in note for note in made.notes)


def test_a_seed_that_is_written_into_the_code_is_noticed(write: Write) -> None:
    made, _ = wrap(write({**FILES, "train_gpt.py": f"seed = 5\n{TRAIN}"}))
    assert any("train_gpt.py:1 `seed = 5`" in note for note in made.notes)


@pytest.mark.parametrize(
    ("files", "asked", "said"),
    [
        ({"train_gpt.py": None}, {}, "it has no train_gpt.py"),
        ({"train_gpt.py": "print(1)\n"}, {}, "has no line that prints `step:"),
        ({}, {"gpus": 3}, "--gpus must be 1, 2, 4 or 8, not 3"),
        ({}, {"gpus": 0}, "--gpus must be 1, 2, 4 or 8, not 0"),
        ({}, {"seed_env": "SEED"}, "--seed-env cannot go with --speedrun"),
        ({}, {"autoresearch": Path("x")}, "--autoresearch and --speedrun are two sources"),
        ({"train_gpt.py": f"import launch\n{TRAIN}", "launch.py": "x = 1\n"}, {}, "has a launch.py of its own"),
    ],
)
def test_what_cannot_be_wrapped(
    write: Write, files: dict[str, str | None], asked: dict[str, object], said: str
) -> None:
    code = write({name: text for name, text in {**FILES, **files}.items() if text is not None})
    with pytest.raises(InitError, match=re.escape(said)):
        wrap(code, **asked)
    assert not (code.parent / "p").exists()


# --- prepared and run, without Aster around it ---------------------------------------------------------------------


def prepared(code: Path, *words: str) -> tuple[Made, Problem, subprocess.CompletedProcess[str]]:
    made, problem = wrap(code, gpus=2)
    done = subprocess.run([sys.executable, "prepare.py", *words], cwd=made.folder, capture_output=True, text=True)
    return made, problem, done


def run(made: Made, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the stage in the problem folder, with a stand-in for torchrun."""
    package = made.folder / "torch" / "distributed"
    package.mkdir(parents=True)
    for name in ("../__init__.py", "__init__.py", "run.py"):
        (package / name).write_text(TORCHRUN if name == "run.py" else "")
    command = tomllib.loads((made.folder / "problem.toml").read_text())["stage"][0]["command"]
    env = {**os.environ, "PYTHONSAFEPATH": "", **more}
    return subprocess.run([sys.executable, *command[1:]], cwd=made.folder, capture_output=True, text=True, env=env)


def test_it_is_prepared_and_its_log_is_parsed(write: Write, home: Path) -> None:
    made, problem, done = prepared(write(FILES), "2")
    assert done.returncode == 0, done.stderr
    assert len(list((made.folder / "data/fineweb10B").glob("fineweb_train_*.bin"))) == 2
    result = run(made)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "tokens 10 5 offline 1" in lines
    assert "step:0/4 val_loss:5.2700 train_time:0ms step_avg:1.00ms" in lines
    assert lines[-2:] == ["val_loss: 3.2700", "training_seconds: 0.041"]
    found = {
        metric.name: [m[1] for line in lines if (m := re.search(metric.pattern or "", line))][-1]
        for metric in problem.spec.metrics
    }
    assert found == {"training_seconds": "0.041", "val_loss": "3.2700"}
    assert problem.spec.progress is not None
    steps = [match.groups() for line in lines if (match := re.search(problem.spec.progress.pattern, line))]
    assert [step for step, _ in steps] == ["0", "2", "4"]
    assert (made.folder / "logs/run.txt").is_file()


def test_a_run_that_breaks_off_measures_nothing(write: Write) -> None:
    broken = TRAIN.replace("    if step == steps:\n", "    if step == 2:\n        break\n    if step == steps:\n")
    made, _, _ = prepared(write({**FILES, "train_gpt.py": broken}), "1")
    result = run(made)
    assert result.returncode == 1
    assert "It ended without the line of its last step" in result.stderr
    assert "training_seconds:" not in result.stdout


def test_a_run_that_fails_fails(write: Write) -> None:
    made, _, _ = prepared(write({**FILES, "triton_kernels.py": "HALF = 0.5\nraise SystemExit(3)\n"}), "1")
    assert run(made).returncode == 3


def test_kernels_that_were_fetched_are_named_for_the_library(write: Write, home: Path) -> None:
    hub = home / ".cache/huggingface/hub"
    for at, each in enumerate(["kernels--org--flash/snapshots/a/build", "kernels--org--flash/snapshots/b/build"]):
        (hub / each).mkdir(parents=True)
        os.utime((hub / each).parent, (at, at))
    (hub / "models--org--gpt2/snapshots/c").mkdir(parents=True)  # no kernel
    (hub / "version.txt").write_text("1")
    told = TRAIN.replace("offline {", "kernels {os.environ.get('LOCAL_KERNELS')} offline {")
    made, _, _ = prepared(write({**FILES, "train_gpt.py": told}), "1")
    result = run(made)
    assert f"kernels org/flash={hub}/kernels--org--flash/snapshots/b offline 1" in result.stdout


def test_preparing_without_shards_says_where_to_put_them(write: Write) -> None:
    _, _, done = prepared(write({**FILES, "data/cached_fineweb10B.py": "x = 1\n"}))
    assert done.returncode == 1
    assert "put the contest's shards there" in done.stderr
