"""The patch of an autoresearch checkout changes what it says, or nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from benchmarks.autoresearch_patch import main

TRAIN = """\
import torch
import torch.nn.functional as F

from kernels import get_kernel
fa3 = get_kernel("somewhere").interface

from prepare import MAX_SEQ_LEN, TIME_BUDGET

DEPTH = 8
"""
PREPARE = """\
MAX_SEQ_LEN = 2048 # context
TIME_BUDGET = 300 # seconds
EVAL_TOKENS = 40 * 524288 # tokens
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "prepare.py").write_text(PREPARE)
    return tmp_path


def test_attention_and_budgets_change_and_nothing_else(checkout: Path) -> None:
    assert main([str(checkout), "--seconds", "60"]) == 0
    train, prepare = (checkout / "train.py").read_text(), (checkout / "prepare.py").read_text()
    ast.parse(train)
    assert "kernels" not in train
    assert train.endswith("\n\nDEPTH = 8\n")
    assert train.index("def _mask(") < train.index("from prepare import") < train.index("_masks[MAX_SEQ_LEN // 2] =")
    assert prepare == "MAX_SEQ_LEN = 2048 # context\nTIME_BUDGET = 60 # seconds\nEVAL_TOKENS = 8 * 524288 # tokens\n"


COMPILED = """\
@torch.compile(dynamic=False, fullgraph=True)
def adamw_step_fused():
    exp_avg.lerp_(grad, 1 - beta1_t)
    exp_avg_sq.lerp_(grad.square(), 1 - beta2_t)

@torch.compile(dynamic=False, fullgraph=True)
def muon_step_fused():
    second_momentum_buffer.lerp_(v_mean.to(dtype=second_momentum_buffer.dtype), 1 - beta2)

DEVICE_BATCH_SIZE = 128  # rows
model = torch.compile(model, dynamic=False)
"""
SCALAR = '_step = torch.tensor(0.0, dtype=torch.float32, device="cpu")\n'


def test_eager_compiles_nothing(checkout: Path) -> None:
    (checkout / "train.py").write_text(TRAIN + COMPILED + 10 * SCALAR)
    assert main([str(checkout), "--eager"]) == 0
    train = (checkout / "train.py").read_text()
    ast.parse(train)
    assert "compile" not in train
    assert "flex_attention" not in train
    assert '"cpu"' not in train
    assert "DEVICE_BATCH_SIZE = 32  # rows\n" in train


@pytest.mark.parametrize("more", [COMPILED, COMPILED + 9 * SCALAR, 10 * SCALAR])
def test_eager_refuses_a_training_that_it_does_not_know(
    more: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "train.py").write_text(TRAIN + more)
    assert main([str(checkout), "--eager"]) == 2
    assert "by hand" in capsys.readouterr().err
    assert (checkout / "train.py").read_text() == TRAIN + more


@pytest.mark.parametrize("name", ["train.py", "prepare.py"])
def test_another_checkout_stays_as_it_is(checkout: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / name).write_text("X = 1\n")
    before = {path.name: path.read_text() for path in checkout.iterdir()}
    assert main([str(checkout)]) == 2
    assert "by hand" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in checkout.iterdir()} == before
