"""Upstream's model and optimizer, taken from a checkout of karpathy/autoresearch, as a variant of NanoChat.

    git clone https://github.com/karpathy/autoresearch
    python benchmarks/nanochat_upstream.py --checkout autoresearch --out upstream
    python benchmarks/nanochat.py --data DIR --seeds 43,44 --ideas none,./upstream --out rows.jsonl

The folder then holds what train.py of the checkout defines, to the letter: model, start, optimizer, settings and
schedules (upstream.py), the pack's baseline for its attention (baseline.py), and this file as the train.py that brings
them together with the harness: its rows, its clock from GO on, a warm-up that leaves nothing behind. Only
FlashAttention 3, which upstream downloads, is replaced by the baseline's attention, so that speeds compare as well.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PACK = Path(__file__).resolve().parents[1] / "packs" / "nanochat"
IMPORTS = """import math
from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

fa3 = None  # is set to the baseline's attention
"""
RULE = "# " + "-" * 75
SECTIONS = ("GPT Model", "Optimizer", "Hyperparameters")


# --- making the folder ---


def definitions(text: str) -> str:
    """Return what upstream's train.py defines: the sections of model, optimizer and settings, and the schedules.

    Raises:
        ValueError: the file is not made as it was.
    """
    parts = text.split(RULE)
    bodies = {head.strip("# \n"): body for head, body in zip(parts[1::2], parts[2::2], strict=False)}
    kept = [bodies[head] for start in SECTIONS for head in bodies if head.startswith(start)]
    _, mark, after = text.partition("# Schedules")
    if len(kept) != len(SECTIONS) or not mark:
        raise ValueError(f"it has no sections {', '.join(SECTIONS)}, each under a rule of dashes, or no '# Schedules'")
    return "\n".join([IMPORTS, *kept, f"{mark}{after.partition(RULE)[0]}"])


def make(checkout: Path, out: Path) -> None:
    """Write the variant's folder.

    Raises:
        ValueError: there is no train.py in the checkout, or it is not made as it was.
        OSError: the folder cannot be written.
    """
    if not (checkout / "train.py").is_file():
        raise ValueError(f"--checkout {checkout} holds no train.py; clone karpathy/autoresearch and name its folder")
    try:
        text = definitions((checkout / "train.py").read_text())
    except ValueError as error:
        raise ValueError(f"--checkout {checkout}: train.py is not the one this was made for: {error}") from None
    out.mkdir(parents=True, exist_ok=True)
    (out / "upstream.py").write_text(text)
    (out / "baseline.py").write_text((PACK / "solution" / "train.py").read_text())
    (out / "train.py").write_text(Path(__file__).read_text())


def main(words: list[str]) -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--checkout", type=Path, required=True, help="folder of karpathy/autoresearch")
    parser.add_argument("--out", type=Path, required=True, help="the variant's folder")
    asked = parser.parse_args(words)
    try:
        make(asked.checkout, asked.out)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"--out {asked.out} cannot be written: {error}")
    return 0


# --- the variant ---


def build(vocab_size: int, length: int, device: Any) -> Any:
    """Return the model with its first values, as upstream makes it, on the baseline's attention."""
    import baseline  # type: ignore[import-not-found]
    import torch
    import upstream  # type: ignore[import-not-found]

    def attention(q: Any, k: Any, v: Any, *, causal: bool, window_size: tuple[int, int]) -> Any:
        if not causal or window_size[1]:
            raise ValueError("upstream's attention is causal")
        return baseline.attend(q.to(v.dtype), k.to(v.dtype), v, window_size[0])

    upstream.fa3 = SimpleNamespace(flash_attn_func=attention)
    heads = -(-upstream.DEPTH * upstream.ASPECT_RATIO // upstream.HEAD_DIM)
    sizes = {"n_head": heads, "n_kv_head": heads, "n_embd": heads * upstream.HEAD_DIM, "n_layer": upstream.DEPTH}
    config = upstream.GPTConfig(
        sequence_len=length, vocab_size=vocab_size, window_pattern=upstream.WINDOW_PATTERN, **sizes
    )
    with torch.device("meta"):
        model = upstream.GPT(config)
    model.to_empty(device=device)
    model.init_weights()
    return model


def optimizer_of(model: Any) -> Any:
    """Return upstream's optimizer with upstream's settings."""
    import upstream

    return model.setup_optimizer(
        unembedding_lr=upstream.UNEMBEDDING_LR,
        embedding_lr=upstream.EMBEDDING_LR,
        scalar_lr=upstream.SCALAR_LR,
        adam_betas=upstream.ADAM_BETAS,
        matrix_lr=upstream.MATRIX_LR,
        weight_decay=upstream.WEIGHT_DECAY,
    )


def in_half(device: str) -> Any:
    """Return the context in which upstream computes."""
    import torch

    return torch.amp.autocast(device_type=device, dtype=torch.bfloat16)


def learn(
    source: Any, model: Any, optimizer: Any, rows: int, parts: int, step: int, progress: float, device: str
) -> Any:
    """One step of upstream's loop; returns the loss of the last micro-batch, None where the source ends first."""
    import upstream

    loss = None
    for _ in range(parts):
        batch = source(rows)
        if batch is None:
            return None
        with in_half(device):
            loss = model(*batch)
        (loss / parts).backward()
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * upstream.get_lr_multiplier(progress)
        if group["kind"] == "muon":
            group["momentum"] = upstream.get_muon_momentum(step)
            group["weight_decay"] = upstream.get_weight_decay(progress)
    optimizer.step()
    for group in optimizer.param_groups:
        for param in group["params"]:
            param.grad = None
    return loss.detach() if loss is not None else None


def train(run: Any) -> dict[str, Any]:
    """Train until the time or the stream is over; returns the model's state."""
    import baseline
    import torch
    import upstream

    torch.manual_seed(run.seed)
    torch.set_float32_matmul_precision("high")
    torch._dynamo.config.recompile_limit = 64  # one update function serves parameters of many shapes
    model = build(run.vocab_size, run.length, run.device)
    on_gpu = run.device == "cuda"
    for window, _ in set(model.window_sizes) if on_gpu else ():
        if window < run.length - 1:
            sees = baseline.within(window)
            baseline.BLOCKS[window, run.length] = baseline.create_block_mask(
                sees, None, None, run.length, run.length, "cuda"
            )
    compiled = torch.compile(model, dynamic=False) if on_gpu else model
    rows = upstream.DEVICE_BATCH_SIZE
    parts = upstream.TOTAL_BATCH_SIZE // (rows * run.length)
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    warm = optimizer_of(model)
    for step in range(3):
        learn(run.dummy, compiled, warm, rows, parts, step, 0.5, run.device)
    model.load_state_dict(kept)
    optimizer = optimizer_of(model)
    gc.collect()
    gc.freeze()
    gc.disable()

    stream = run.go()
    run.log(step=0, flops_per_token=model.estimate_flops())
    step, took = 0, 0.0
    budget = run.seconds - baseline.SPARE
    while run.left() > baseline.SPARE + took:
        before = run.left()
        loss = learn(
            stream.next, compiled, optimizer, rows, parts, step, 1 - (before - baseline.SPARE) / budget, run.device
        )
        if loss is None:
            break
        said = float(loss)  # waits for the step, as upstream does
        step, took = step + 1, before - run.left()
        if step % 10 == 1:
            run.log(step=step, loss=said)
    run.log(step=step)
    gc.enable()
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def load(state: dict[str, Any], device: Any) -> Any:
    """Return the model of a sealed state: [B, T] -> logits [B, T, V]."""
    import baseline
    import torch

    model = build(len(state["lm_head.weight"]), baseline.LENGTH, torch.device(device))
    model.load_state_dict(state)
    model.eval()

    def logits(tokens: Any) -> Any:
        with torch.no_grad(), in_half(torch.device(device).type):
            return model(tokens)

    return logits


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
