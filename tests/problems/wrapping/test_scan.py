from __future__ import annotations

import pytest

from aster.problems.wrapping.scan import (
    mentioned,
    missing_imports,
    pinned_seeds,
    places_outside,
    reachable,
    seed_option,
    seed_variables,
    where_printed,
)


@pytest.mark.parametrize(
    "line",
    [
        "torch.manual_seed(42)",
        "torch.cuda.manual_seed_all(42)",
        "random.seed(42)",
        "np.random.seed(42)",
        "rng = np.random.default_rng(42)",
        "rng = np.random.default_rng(seed=42)",
        "rng = random.Random(42)",
        "key = jax.random.PRNGKey(42)",
        "SEED = 42",
        "seed: int = 42",
        "def main(steps, seed=42): pass",
        "cfg.seed = 42",
    ],
)
def test_seeds_in_the_code_are_found(line: str) -> None:
    (found,) = pinned_seeds({"a.py": f"import x\n{line}\n".encode()})
    assert (found.path, found.line, found.text, found.value, found.broad) == ("a.py", 2, line, 42, True)
    assert line.encode()[found.start : found.end] == b"42"


@pytest.mark.parametrize(
    "line",
    [
        "SEED = int(os.environ.get('SEED', 42))",
        "random.seed(seed)",
        "random.seed()",
        "parser.add_argument('--seed', default=42)",
        "seeds = 42",
        "model.train(42)",
        "def broken(:",
    ],
)
def test_what_is_no_fixed_seed_is_not(line: str) -> None:
    assert pinned_seeds({"a.py": line.encode()}) == []


def test_a_seed_of_one_call_does_not_govern_the_rest() -> None:
    (found,) = pinned_seeds({"a.py": b"train_test_split(x, random_state=0)"})
    assert not found.broad


def test_ways_for_a_seed_to_get_in() -> None:
    code = b'a = os.environ["SEED"]\nb = os.getenv("RUN_SEED", "1")\nc = os.environ.get("HOME")\n'
    assert seed_variables({"a.py": code}) == ["RUN_SEED", "SEED"]
    assert seed_option(b'parser.add_argument("-s", "--seed", type=int)') == "--seed"
    assert seed_option(b'parser.add_argument("--speed")\nx = "--seed"') is None


def test_a_summary_line_is_told_from_a_word_on_a_line() -> None:
    files = {"a.py": b'print(f"step {s} loss: {l}")\nprint(f"\\nval_loss: {v}")'}
    assert where_printed(files, "val_loss") == "first"
    assert where_printed(files, "loss") == "inline"
    assert where_printed({"a.py": b'print("loss", 1); print({"acc": 2}); log("train/acc: 3")'}, "acc") == "loose"


def test_files_are_reached_through_imports() -> None:
    files = {
        "train.py": b"from lib.model import f\nimport plain\n",
        "lib/__init__.py": b"",
        "lib/model.py": b"from .deep import g\nfrom . import beside\n",
        "lib/deep.py": b"",
        "lib/beside.py": b"",
        "plain.py": b"",
        "other.py": b"import torch_not_here",
    }
    used = reachable(files, "train.py")
    assert set(used) == set(files) - {"other.py"}
    assert missing_imports(used, files) == []
    assert missing_imports({"a.py": b"import not_here_a.b, numpy\nfrom lib import x\n"}, files) == ["not_here_a"]


def test_paths_in_the_code() -> None:
    files = {"a.py": b'open("./data/train.bin"); p = "corpus/"; q = "/mnt/big/x"; r = "../up.txt"; s = "a / b"'}
    assert mentioned(files, "data")
    assert mentioned(files, "data/train.bin")
    assert mentioned(files, "corpus/part/one")
    assert not mentioned(files, "weights")
    assert [text for _, _, text in places_outside(files)] == ["../up.txt", "/mnt/big/x"]
