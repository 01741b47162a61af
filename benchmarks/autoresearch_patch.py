"""The small patch under which karpathy/autoresearch runs on one GPU without the hub's kernels, in a minute.

    python benchmarks/autoresearch_patch.py CHECKOUT [--seconds 60] [--eager]
    aster init --autoresearch CHECKOUT problem && aster prepare problem && aster run problem --researcher tuner ...

It changes a checkout in place: `train.py` takes SDPA and FlexAttention for FlashAttention 3, `prepare.py` a shorter
training budget and an evaluation of 4.2 M tokens. Data is local: put parquet shards into ~/.cache/autoresearch/data,
the validation shard as shard_06542.parquet, and prepare with `--num-shards` as many as there are.

`--eager` is for trying the plumbing: nothing is compiled, which takes most of a run that trains for some seconds, and
sequences go through the GPU 32 at a time instead of 128, because what is not fused takes more memory.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ATTENTION = '''\
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

_masks = {}


class fa3:
    """FlashAttention 3's call, by SDPA where the window is the whole sequence and FlexAttention where it slides."""

    @staticmethod
    def flash_attn_func(q, k, v, causal, window_size):
        window = window_size[0]
        q, k, v = (t.to(torch.bfloat16).transpose(1, 2) for t in (q, k, v))
        if window >= q.size(2):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            y = flex_attention(q, k, v, block_mask=_masks[window])
        return y.transpose(1, 2)


def _mask(window, length):
    def near(b, h, i, j):
        return (j <= i) & (i - j <= window)

    return create_block_mask(near, None, None, length, length, device="cuda")


'''
EAGER_ATTENTION = '''\
_masks = {}


class fa3:
    """FlashAttention 3's call, by SDPA, with a mask where the window slides."""

    @staticmethod
    def flash_attn_func(q, k, v, causal, window_size):
        window = window_size[0]
        q, k, v = (t.to(torch.bfloat16).transpose(1, 2) for t in (q, k, v))
        if window >= q.size(2):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=_masks[window])
        return y.transpose(1, 2)


def _mask(window, length):
    back = torch.arange(length, device="cuda")[:, None] - torch.arange(length, device="cuda")[None]
    return (back >= 0) & (back <= window)


'''
EAGER = (
    ("@torch.compile(dynamic=False, fullgraph=True)\n", "", 2),
    ("model = torch.compile(model, dynamic=False)\n", "", 1),
    ('dtype=torch.float32, device="cpu")', 'dtype=torch.float32, device="cuda")', 10),
    ("(grad, 1 - beta1_t)", "(grad, (1 - beta1_t).to(grad.dtype))", 1),
    ("(grad.square(), 1 - beta2_t)", "(grad.square(), (1 - beta2_t).to(grad.dtype))", 1),
    ("dtype=second_momentum_buffer.dtype), 1 - beta2)", "dtype=second_momentum_buffer.dtype), 1 - beta2.float())", 1),
    ("DEVICE_BATCH_SIZE = 128 ", "DEVICE_BATCH_SIZE = 32 ", 1),
)
"""(what train.py says, what it says uncompiled, how often): without fusion `lerp_` wants one type and one device."""
SLIDING = "_masks[MAX_SEQ_LEN // 2] = _mask(MAX_SEQ_LEN // 2, MAX_SEQ_LEN)\n"


class Unpatchable(ValueError):
    """The checkout is not as the patch knows it."""


def patch_training(source: str, eager: bool = False) -> str:
    """Return train.py with SDPA and FlexAttention for the hub's kernel, or with SDPA alone and nothing compiled.

    Raises:
        Unpatchable: it loads its kernel in another way, or its lines are others.
    """
    begin, end = source.find("from kernels import"), source.find("from prepare import")
    stop = source.find("\n", end) + 1
    if not 0 <= begin < end < stop:
        raise Unpatchable("train.py does not import `kernels` and then `prepare`; patch its attention by hand")
    rest = source[stop:]
    for old, new, times in EAGER if eager else ():
        if rest.count(old) != times:
            raise Unpatchable(f"train.py does not say `{old.strip()}` {times} times; edit it by hand")
        rest = rest.replace(old, new)
    return source[:begin] + (EAGER_ATTENTION if eager else ATTENTION) + source[end:stop] + SLIDING + rest


def patch_preparation(source: str, seconds: int) -> str:
    """Return prepare.py with a training budget of `seconds` and an evaluation of 8 * 524,288 tokens.

    Raises:
        Unpatchable: its constants have other names or values.
    """
    for old, new in (
        ("TIME_BUDGET = 300 ", f"TIME_BUDGET = {seconds} "),
        ("EVAL_TOKENS = 40 * 524288 ", "EVAL_TOKENS = 8 * 524288 "),
    ):
        if source.count(old) != 1:
            raise Unpatchable(f"prepare.py does not say `{old.strip()}` once; set it by hand")
        source = source.replace(old, new)
    return source


def main(words: list[str]) -> int:
    """Patch the checkout that the command line names; 2 if that cannot be done, and then nothing is changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    asked = parser.parse_args(words)
    training, preparation = asked.checkout / "train.py", asked.checkout / "prepare.py"
    try:
        trained = patch_training(training.read_text(), asked.eager)
        prepared = patch_preparation(preparation.read_text(), asked.seconds)
    except (OSError, Unpatchable) as error:
        print(error, file=sys.stderr)
        return 2
    training.write_text(trained)
    preparation.write_text(prepared)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
