"""Times the speedrun's kernels beside cuBLAS, PyTorch, torch.compile and the limit; a row for each figure.

    python benchmarks/speedrun_kernels.py [--only xxt,caa,polar,express,linear,mlp,loss] [--seconds 480]
    python benchmarks/speedrun_kernels.py --table
    python benchmarks/speedrun_kernels.py --answers-only

Forms of our kernels are the pack's baseline with ideas of packs/speedrun_kernels. The limit of a product is its
operations, of a symmetric one half of them, at the device's published rate in bfloat16, or all that it is given and
returns, moved once, whichever takes longer; of the loss, the logits read twice and their gradient written once. Bytes
move at the bandwidth of the fastest of a few copies, which are measured first. Each figure is a share of a
CUDA graph of many calls, over inputs that rotate and do not fit the cache: the median of its replays, by device events.
Before it is timed each form is compared with float64, from which it may be off twice as far as PyTorch. Rows are
appended to benchmarks/results/speedrun_kernels.jsonl. Without a GPU nothing is timed: `--answers-only` compares with
float64 on small inputs, through Triton's interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from speedrun_forms import load
from speedrun_timing import Bench

RESULTS = Path(__file__).resolve().parent / "results" / "speedrun_kernels.jsonl"
SECTIONS = ("xxt", "caa", "polar", "express", "linear", "mlp", "loss")
ANNOUNCED = ("coalesced-transpose", "more-warps", "reciprocals", "larger-blocks")
TUNED = ("coalesced-transpose", "tuned-tiles", "reciprocals", "larger-blocks", "bounded-cap")
SYMMETRIC: dict[str, tuple[str, ...]] = {
    "before": (),
    "coalesced": ANNOUNCED[:1],
    "eight warps": ANNOUNCED[1:2],
    "announced": ANNOUNCED,
    "descriptors": ("tensor-descriptors",),
    "tuned": TUNED,
    "parts": ("diagonal-once",),
    "pieces": ("squares-and-strips", "diagonal-once"),
}
LOSS: dict[str, tuple[str, ...]] = {
    "before": (),
    "reciprocals": ANNOUNCED[2:3],
    "larger blocks": ANNOUNCED[3:],
    "announced": ANNOUNCED,
    "no largest": TUNED,
}
# six matrices of each of twelve layers, four of attention and two of the perceptron; then an eighth of them, one GPU's
MUON = ((48, 768, 768), (24, 768, 3072), (6, 768, 768), (3, 768, 3072))
CAP = ("sigmoid", 23.0, 5.0, 7.5)
VOCABULARY = 50304


def with_slopes(torch: Any, call: Callable[..., Any], count: int) -> Callable[..., Any]:
    """A call forward and backward: the first `count` inputs have gradients, the last is the output's gradient."""

    def both(*inputs: Any) -> Any:
        leaves = [each.detach().requires_grad_() for each in inputs[:count]]
        out = call(*leaves, *inputs[count:-1])
        return out.detach(), *torch.autograd.grad(out, leaves, inputs[-1].to(out.dtype))

    return both


# Sections


def forms_of(
    bench: Bench, folder: Path, variants: dict[str, tuple[str, ...]], pick: Callable[[ModuleType], Any]
) -> Any:
    found: dict[str, Callable[..., Any]] = {}
    for form, ideas in variants.items():
        if ideas not in bench.forms:
            bench.forms[ideas] = load(folder, f"form{len(bench.forms)}", ideas)
        found[f"ours, {form}"] = pick(bench.forms[ideas])
    return found


def shapes_of(bench: Bench) -> tuple[tuple[int, int, int], ...]:
    return MUON if bench.device == "cuda" else ((2, 20, 24),)


def bench_xxt(bench: Bench, folder: Path) -> None:
    for batch, rows, width in shapes_of(bench):
        forms = {"PyTorch": lambda x: x @ x.mT} | forms_of(bench, folder, SYMMETRIC, lambda k: k.symmetric.xxt)
        sets = bench.sets(lambda b=batch, m=rows, k=width: [bench.inputs(b, m, k)])
        case = f"x x^T [{batch},{rows},{width}]"
        forms = bench.with_compiled(forms) if batch == shapes_of(bench)[0][0] else forms
        bench.compare(case, forms, sets, [sets[0][0][:2]], work=1.0 * batch * rows * (rows + 1) * width)


def bench_caa(bench: Bench, torch: Any, folder: Path) -> None:
    numbers = (-2.0, 0.5)
    for batch, rows, _ in shapes_of(bench)[::2]:

        def make(batch: int = batch, rows: int = rows) -> list[Any]:
            x = bench.inputs(batch, rows, rows, scale=0.3 * rows**-0.5)
            return [x + x.mT]

        def plain(a: Any) -> Any:
            return torch.baddbmm(a, a, a, beta=numbers[0], alpha=numbers[1])

        forms = {"PyTorch": plain} | forms_of(
            bench, folder, SYMMETRIC, lambda k: lambda a: k.symmetric.ba_plus_caa(a, *numbers)
        )
        sets = bench.sets(make)
        case = f"b a + c a a^T [{batch},{rows},{rows}]"
        forms = bench.with_compiled(forms) if batch == shapes_of(bench)[0][0] else forms
        bench.compare(case, forms, sets, [sets[0][0][:2]], work=1.0 * batch * rows * (rows + 1) * rows)


def bench_polar(bench: Bench, folder: Path) -> None:
    numbers = (3.9, -2.8, 0.5)
    variants = {form: SYMMETRIC[form] for form in ("before", "announced", "descriptors", "tuned", "pieces")}
    for batch, rows, width in shapes_of(bench):
        pick: Callable[[ModuleType], Any] = lambda k: lambda x: k.polar.polar_step(x, *numbers)  # noqa: E731
        eager = forms_of(bench, folder, {"before": ()}, lambda k: lambda x: k.polar.polar_step_eager(x, *numbers))
        forms = {"PyTorch": eager["ours, before"]} | forms_of(bench, folder, variants, pick)
        scale = 1 / (rows**0.5 + width**0.5)
        sets = bench.sets(lambda b=batch, m=rows, k=width, s=scale: [bench.inputs(b, m, k, scale=s)])
        work = 1.0 * batch * rows * (rows + 1) * (width + rows) + 2.0 * batch * rows * rows * width
        forms = bench.with_compiled(forms) if batch == shapes_of(bench)[0][0] else forms
        bench.compare(f"polar step [{batch},{rows},{width}]", forms, sets, [sets[0][0][:2]], work=work)


def bench_express(bench: Bench, torch: Any, folder: Path) -> None:
    kind = torch.bfloat16 if bench.device == "cuda" else torch.float32
    variants = {form: SYMMETRIC[form] for form in ("before", "announced", "descriptors", "tuned", "pieces")}

    def picked(module: ModuleType, name: str) -> Callable[..., Any]:
        return lambda g: getattr(module.polar, name)(g, kind=torch.promote_types(kind, g.dtype))

    for batch, rows, width in shapes_of(bench):
        eager = forms_of(bench, folder, {"before": ()}, lambda k: picked(k, "polar_express_eager"))
        forms = {"PyTorch": eager["ours, before"]} | forms_of(
            bench, folder, variants, lambda k: picked(k, "polar_express")
        )
        sets = bench.sets(lambda b=batch, m=rows, k=width: [bench.inputs(b, m, k)])
        work = 5 * (1.0 * batch * rows * (rows + 1) * (width + rows) + 2.0 * batch * rows * rows * width)
        forms = bench.with_compiled(forms) if batch == shapes_of(bench)[0][0] else forms
        bench.compare(f"polar express [{batch},{rows},{width}]", forms, sets, [sets[0][0][:2]], work=work)


def bench_layers(bench: Bench, torch: Any, folder: Path, name: str) -> None:
    """The linear layer with its ReLU^2, or both layers, forward, and forward and backward."""
    count, width, features = (16384, 768, 3072) if bench.device == "cuda" else (33, 24, 40)
    layers = 1 if name == "linear_relu2" else 2

    def make() -> list[Any]:
        weights = [bench.inputs(features, width, scale=width**-0.5) for _ in range(layers)]
        return [bench.inputs(count, width), *weights, bench.inputs(count, features if layers == 1 else width)]

    sets = bench.sets(make)
    module = forms_of(bench, folder, {"before": ()}, lambda k: k.linear_relu2)["ours, before"]
    forms = {"PyTorch": getattr(module, f"{name}_eager"), "ours": getattr(module, name)}
    forms = bench.with_compiled(forms)
    case, work = f"{name} [{count},{width},{features}]", 2.0 * layers * count * width * features
    bench.compare(f"{case} forward", forms, [one[:-1] for one in sets], sets[0][:-1], work=work)
    both = {form: with_slopes(torch, call, 1 + layers) for form, call in forms.items()}
    bench.compare(f"{case} both", both, sets, sets[0], work=3 * work)


def bench_loss(bench: Bench, torch: Any, folder: Path) -> None:
    count, vocabulary = (8192, VOCABULARY) if bench.device == "cuda" else (5, 71)

    def make() -> list[Any]:
        targets = torch.randint(0, vocabulary, (count,), device=bench.device)
        return [bench.inputs(count, vocabulary, scale=5.0), targets, torch.rand(count, device=bench.device)]

    def picked(module: ModuleType, name: str) -> Callable[..., Any]:
        return lambda logits, targets: getattr(module.cross_entropy, name)(logits, targets, CAP)

    sets = bench.sets(make)
    few = [each[:256] for each in sets[0]]
    eager = forms_of(bench, folder, {"before": ()}, lambda k: picked(k, "softcapped_cross_entropy_eager"))
    forms = {"PyTorch": eager["ours, before"]}
    forms |= forms_of(bench, folder, LOSS, lambda k: picked(k, "softcapped_cross_entropy"))
    forms = bench.with_compiled(forms)
    size = 2.0 * count * vocabulary
    case = f"loss [{count},{vocabulary}]"
    bench.compare(f"{case} forward", forms, [one[:-1] for one in sets], few[:-1], size=size)
    both = {form: with_slopes(torch, call, 1) for form, call in forms.items()}
    bench.compare(f"{case} both", both, sets, few, size=3 * size)


# The table


def table(path: Path) -> str:
    """The newest figure of each case and form, as Markdown."""
    newest: dict[str, dict[str, dict[str, Any]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "ms" in row:
            newest.setdefault(row["case"], {})[row["form"]] = row
    text = ["| case | form | ms | of PyTorch's time | of the limit |", "|---|---|---|---|---|"]
    for case, rows in newest.items():
        best, plain = min(row["ms"] for row in rows.values()), rows.get("PyTorch", {}).get("ms")
        for form, row in rows.items():
            shown = f"**{row['ms']:.4f}**" if row["ms"] == best else f"{row['ms']:.4f}"
            share = f"{row['ms'] / plain:.3f}" if plain else ""
            text.append(f"| {case} | {form} | {shown} | {share} | {100 * row['of_limit']:.0f}% |")
    machines = sorted({(r["device"], r["torch"], r["triton"]) for rows in newest.values() for r in rows.values()})
    text += ["", *(f"{device}, torch {torch}, triton {triton}" for device, torch, triton in machines)]
    return "\n".join(text)


def sections(bench: Bench, torch: Any, folder: Path) -> dict[str, Callable[[], None]]:
    return {
        "xxt": lambda: bench_xxt(bench, folder),
        "caa": lambda: bench_caa(bench, torch, folder),
        "polar": lambda: bench_polar(bench, folder),
        "express": lambda: bench_express(bench, torch, folder),
        "linear": lambda: bench_layers(bench, torch, folder, "linear_relu2"),
        "mlp": lambda: bench_layers(bench, torch, folder, "mlp_relu2"),
        "loss": lambda: bench_loss(bench, torch, folder),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the sections; 1 if one failed, 2 if there is no GPU and no answers are compared."""
    parser = argparse.ArgumentParser(description="Time the speedrun's kernels.")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="file to which a row of JSON is added for each figure"
    )
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, of {','.join(SECTIONS)}")
    parser.add_argument("--seconds", type=float, default=480.0, help="no figure is begun after these")
    parser.add_argument("--answers-only", action="store_true", help="without a GPU: compare, through the interpreter")
    parser.add_argument("--table", action="store_true", help="print the rows there are as a table")
    options = parser.parse_args(arguments)
    if unknown := set(options.only.split(",")) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if options.table:
        print(table(options.out))
        return 0
    if options.answers_only:
        os.environ["TRITON_INTERPRET"] = "1"
    import torch

    device = "cpu" if options.answers_only else "cuda"
    if device == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here, so nothing can be timed; --answers-only compares answers with float64.")
        return 2
    torch.manual_seed(int(time.time()) % 2**31)
    command = "python benchmarks/speedrun_kernels.py " + " ".join(sys.argv[1:] if arguments is None else arguments)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        bench = Bench(torch, options.out, options.seconds, device, command.strip())
        if device == "cuda":
            bench.measure_limits()
        known = sections(bench, torch, Path(folder))
        for name in options.only.split(","):
            try:
                known[name]()
            except Exception:  # noqa: BLE001 (a section that fails is told, and the others still run)
                failed += 1
                traceback.print_exc()
            if device == "cuda":
                torch.cuda.empty_cache()
    print(f"{bench.count} rows, {failed} sections failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
