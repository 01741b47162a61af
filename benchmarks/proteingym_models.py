"""What each model takes for one protein: seconds on one core and memory, each in a process of its own.

    python benchmarks/proteingym.py --models --data DIR [--limit 150] [--device cpu]

Of the proteins of DIR that have a structure: the shortest, the median and the longest. Weights that are not in DIR are
drawn at random in the published size, since time and memory do not depend on their values.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "packs" / "proteingym"))

from gym.data import Assay, Gym
from gym.models import Query, load
from gym.mutants import ALPHABET

ESM2 = {"8M": (6, 320), "35M": (12, 480), "150M": (30, 640), "650M": (33, 1280)}  # layers, width; 20 heads
NAMES = (
    "site-independent",
    "proteinsolver-structure",
    "proteinsolver",
    "proteinmpnn-structure",
    "proteinmpnn",
    *(f"visible:{size}" for size in ESM2),
    *(f"masked:{size}" for size in ESM2),
)


def proteins(gym: Gym) -> dict[str, Assay]:
    """The shortest, median and longest protein with a structure, and for the alignments the shortest that has one."""
    known = {each.uniprot: each for each in gym.assays if gym.structure(each) is not None}
    ordered = sorted(known.values(), key=lambda each: (len(each.sequence), each.uniprot))
    aligned = [each for each in ordered if gym.alignment(each) is not None]
    picked = {"short": ordered[0], "median": ordered[len(ordered) // 2], "long": ordered[-1]}
    return picked | ({"aligned": aligned[0]} if aligned else {})


def drawn(layout: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Random tensors of a layout."""
    import torch

    return {name: torch.randn(shape) / max(1, shape[-1]) ** 0.5 for name, shape in layout.items()}


def model(name: str, gym: Gym, folder: Path, device: str) -> tuple[Any, int, str]:
    """The model, its number of parameters, and where these come from."""
    kind, _, size = name.partition(":")
    if kind == "site-independent":
        return load(name), 0, "none"
    import torch

    if size:
        return esm(kind, size, folder, device)
    path, source = folder / "weights", "random"
    if kind.startswith("proteinmpnn"):
        from gym.models.proteinmpnn import layout

        state = drawn(layout())
        torch.save({"num_edges": 48, "model_state_dict": state}, path)
    else:
        from gym.models.proteinsolver import LAYOUT

        there = sorted((gym.folder / "weights").glob("*.state"))
        state, source = drawn(LAYOUT), "trained" if there else "random"
        torch.save(state, path)
        path = there[0] if there else path
    return load(f"{kind}:{path}", device), sum(each.numel() for each in state.values()), source


def esm(kind: str, size: str, folder: Path, device: str) -> tuple[Any, int, str]:
    """A network of the size of an ESM-2, without writing gigabytes."""
    import transformers
    from gym.models.hub import HubNetwork
    from gym.models.masked import Masked

    words = ["<cls>", "<pad>", "<eos>", "<unk>", *ALPHABET, *"XBUZO.-", "<null_1>", "<mask>"]
    (folder / "vocab.txt").write_text("\n".join(words))
    layers, width = ESM2[size]
    config = transformers.EsmConfig(
        vocab_size=33, mask_token_id=32, pad_token_id=1, hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=20, intermediate_size=4 * width, max_position_embeddings=1026,
        position_embedding_type="rotary", token_dropout=True, emb_layer_norm_before=False,
    )  # fmt: skip
    network = transformers.EsmForMaskedLM(config).eval()
    count = sum(each.numel() for each in network.parameters())
    network = network.half() if device.startswith("cuda") else network
    tokenizer = transformers.EsmTokenizer(str(folder / "vocab.txt"))
    return Masked(HubNetwork(tokenizer, network.to(device), False), hide=kind == "masked"), count, "random"


def one(name: str, protein: str, data: Path, device: str) -> None:
    """Measure in this process and print JSON."""
    gym = Gym(data)
    assay = proteins(gym)[protein]
    with tempfile.TemporaryDirectory() as folder:
        made, parameters, weights = model(name, gym, Path(folder), device)
    query = Query(assay.sequence, gym.structure(assay), gym.alignment(assay))
    before, began, spent = _peak(), time.perf_counter(), time.process_time()
    logp = made.log_probabilities([query])[0]
    seconds, used = time.perf_counter() - began, time.process_time() - spent
    assert logp.shape == (len(assay.sequence), 20)
    found = {"wall": seconds, "cpu": used, "before": before, "peak": _peak(), "parameters": parameters}
    if device.startswith("cuda"):
        import torch

        found["card"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps(found | {"weights": weights}))


def _peak() -> float:
    """MiB; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(options: argparse.Namespace) -> None:
    """A row a model and protein, printed as it is measured."""
    picked = proteins(Gym(options.data))
    print("| model | parameters | weights | protein | residues | seconds | CPU seconds | MiB before | MiB at most |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.only.split(",") if options.only else NAMES:
        for protein, assay in picked.items():
            if (protein == "aligned") == (name == "site-independent"):
                text, finished = row(name, protein, assay, options)
                print(text, flush=True)
                if not finished:
                    break


def row(name: str, protein: str, assay: Assay, options: argparse.Namespace) -> tuple[str, bool]:
    """One row, and whether the model came to an end; what takes longer than the limit says so."""
    command = [sys.executable, __file__, name, protein, str(options.data), options.device]
    alone = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # threads that wait for each other spin
    start = f"| {name}"
    place = f"{assay.uniprot} | {len(assay.sequence)}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit, check=True, env=alone)
    except subprocess.TimeoutExpired:
        return f"{start} | | | {place} | over {options.limit:.0f}, loading included | | | |", False
    except subprocess.CalledProcessError as error:
        return f"{start} | | | {place} | not run: {error.stderr.strip().splitlines()[-1]} | | | |", False
    found = json.loads(done.stdout.splitlines()[-1])
    card = f" (card: {found['card']:,.0f})" if "card" in found else ""
    size, taken = f"{found['parameters']:,} | {found['weights']}", f"{found['wall']:.1f} | {found['cpu']:.1f}"
    return f"{start} | {size} | {place} | {taken} | {found['before']:,.0f} | {found['peak']:,.0f}{card} |", True


if __name__ == "__main__":
    one(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
