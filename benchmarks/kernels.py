"""Times the kernels of the NanoChat ideas beside PyTorch, torch.compile and the limit; a row for each figure.

    python benchmarks/kernels.py --out rows.jsonl [--only epilogue,head,bigram,ngrams,projection] [--seconds 85]

The limit is the bytes that must move, each input read once and each output written once, at the bandwidth of a copy
that is measured first; of a product, its operations at the rate of a large product, where that takes longer. Inputs
rotate among sets that do not fit the cache; figures are medians by device events. Each form is checked against float64
on a part of its input before it is timed. What does not fit the seconds is left out and said. Without a GPU nothing is
timed: `--check` runs the checks on small inputs through Triton's interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

IDEAS = Path(__file__).resolve().parents[1] / "packs" / "nanochat" / "ideas"
SHAPES = ((128, 2048, 4, 128), (32, 2048, 16, 128), (64, 2048, 6, 64))
AHEAD = 2_000_000
"""Cycles for which the device waits before a call, about 1 ms, while the host launches it: launching is not timed."""
LAYOUTS = ("tokens first", "heads first")
SECTIONS = ("epilogue", "head", "bigram", "ngrams", "projection")


def modules(folder: Path) -> tuple[Any, Any, Any]:
    """The modules that ideas add, written to a folder: epilogue, head, ngrams."""
    for idea, name in (("attention-epilogue", "epilogue"), ("fused-head", "head"), ("ngram-input", "ngrams")):
        part = (IDEAS / f"{idea}.md").read_text().split(f"+++ b/solution/{name}.py\n")[1]
        lines = part.splitlines()[1:]
        end = next(i for i, line in enumerate([*lines, "```"]) if not line.startswith("+") or line.startswith("+++"))
        (folder / f"{name}.py").write_text("".join(line[1:] + "\n" for line in lines[:end]))
    sys.path.insert(0, str(folder))
    import epilogue  # type: ignore[import-not-found]
    import head  # type: ignore[import-not-found]
    import ngrams  # type: ignore[import-not-found]

    return epilogue, head, ngrams


class Bench:
    """Times forms, keeps rows, and knows when its seconds are over."""

    def __init__(self, torch: Any, out: Path | None, seconds: float, device: str) -> None:
        self.torch, self.out, self.device = torch, out, device
        self.until = time.monotonic() + seconds
        self.rows: list[dict[str, Any]] = []
        self.bandwidth = self.rate = 0.0

    def measure_limits(self) -> None:
        """Bytes a second of a large copy, read and written, and operations a second of a large product."""
        torch = self.torch
        one, two = (torch.randn(2**28, device="cuda").bfloat16() for _ in range(2))
        self.bandwidth = 4 * one.numel() / self.milliseconds([lambda: one.copy_(two)]) * 1e3
        a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
        self.rate = 2 * 8192**3 / self.milliseconds([lambda: a @ a]) * 1e3
        print(f"copy {self.bandwidth / 1e12:.2f} TB/s, product {self.rate / 1e12:.0f} TFLOP/s", flush=True)

    def milliseconds(self, calls: list[Callable[[], Any]], most: float = 0.25) -> float:
        """The median of a call, in turns over calls that do the same on different inputs, in at most `most` seconds."""
        torch = self.torch
        for call in calls * 2:
            call()
        torch.cuda.synchronize()
        began, times = time.monotonic(), []
        while len(times) < 5 or (time.monotonic() - began < most and len(times) < 200):
            marks = []
            for call in calls:
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                torch.cuda._sleep(AHEAD)
                start.record()
                call()
                end.record()
                marks.append((start, end))
            torch.cuda.synchronize()
            times += [start.elapsed_time(end) for start, end in marks]
        return statistics.median(times)

    def over(self) -> bool:
        return time.monotonic() > self.until

    def time(self, case: str, form: str, calls: list[Callable[[], Any]], size: float, work: float = 0.0) -> None:
        """One figure: `size` bytes must move, `work` operations must be done."""
        if self.device == "cpu":
            calls[0]()
            return
        if self.over():
            print(f"{case:44s} {form:24s} left out: no time", flush=True)
            return
        limit = 1e3 * max(size / self.bandwidth, work / self.rate)
        row = {"benchmark": "kernels", "case": case, "form": form, "limit_ms": round(limit, 4)}
        try:
            row["ms"] = round(self.milliseconds(calls), 4)
            row["of_limit"] = round(limit / row["ms"], 3)
            print(f"{case:44s} {form:24s} {row['ms']:9.3f} ms  {100 * row['of_limit']:5.1f}% of the limit", flush=True)
        except Exception as error:  # noqa: BLE001 (a form that fails is a row, and the others are still timed)
            row["error"] = f"{type(error).__name__}: {error}"[:500]
            traceback.print_exc()
            self.torch.cuda.empty_cache()
        self.keep(row)

    def keep(self, row: dict[str, Any]) -> None:
        import triton

        torch = self.torch
        name = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        row |= {"device": name, "torch": torch.__version__, "triton": triton.__version__}
        row |= {"copy_tb_s": round(self.bandwidth / 1e12, 3), "day": time.strftime("%Y-%m-%d")}
        self.rows.append(row)
        if self.out is not None:
            with self.out.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def check(self, case: str, found: Any, right: Any, most: float) -> None:
        """Print and keep the relative error against float64.

        Raises:
            ValueError: it is not a number or larger than `most`.
        """
        error = float((found.double() - right.double()).norm() / right.double().norm())
        if self.device == "cuda":
            self.keep({"benchmark": "kernels", "case": case, "form": "check", "error": error, "most": most})
        if not error <= most:
            raise ValueError(f"{case}: off by {error:.2e} of float64, more than {most:.0e}")

    def inputs(self, *shape: int, scale: float = 1.0) -> Any:
        kind = self.torch.bfloat16 if self.device == "cuda" else self.torch.float32
        return (self.torch.randn(*shape, device=self.device) * scale).to(kind)


def slopes_of(torch: Any, call: Callable[..., Any], args: list[Any], dy: Any) -> list[Any]:
    leaves = [each.detach().requires_grad_() for each in args]
    return [*torch.autograd.grad(call(*leaves), leaves, dy)]


def backward(torch: Any, call: Callable[..., Any], args: list[Any], dy: Any) -> Callable[[], Any]:
    """The backward pass alone, over a graph that is kept."""
    leaves = [each.detach().requires_grad_() for each in args]
    out = call(*leaves)
    return lambda: torch.autograd.grad(out, leaves, dy, retain_graph=True)


def bench_epilogue(bench: Bench, torch: Any, kernels: Any) -> None:
    small = bench.device == "cpu"
    shapes = [((2, 8, 4, 32), first) for first in LAYOUTS] if small else [(SHAPES[0], "tokens first")]
    shapes += [] if small else [(shape, "heads first") for shape in SHAPES]
    for number, ((batch, length, heads, width), first) in enumerate(shapes):
        sets = []
        for _ in range(2):
            x = bench.inputs(batch, length, heads, width)
            if first == "heads first":  # as PyTorch's attention gives it
                x = x.transpose(1, 2).contiguous().transpose(1, 2)
            sets.append(
                ([x, 1 + bench.inputs(batch, length, heads, scale=0.2)], bench.inputs(batch, length, heads, width))
            )
        args, dy = sets[0]
        part = [each[:2] for each in args]
        right = [each.double() for each in part]
        found = [kernels.epilogue(*part), *slopes_of(torch, kernels.epilogue, part, dy[:2])]
        wanted = [kernels.eager(*right), *slopes_of(torch, kernels.eager, right, dy[:2].double())]
        shape = f"[{batch},{length},{heads},{width}] {first}"
        for name, one, two in zip(("y", "dx", "dg"), found, wanted, strict=True):
            bench.check(f"epilogue {shape} {name}", one, two, 6e-3)
        size = 2.0 * args[0].numel()
        forms = {"ours": kernels.epilogue}
        if not small:
            forms["torch.compile"] = torch.compile(kernels.eager, dynamic=False)
            if number == 0:
                forms["eager"] = kernels.eager
        for form, call in forms.items():
            bench.time(f"epilogue forward {shape}", form, [lambda a=a, f=call: f(*a) for a, _ in sets], 2 * size)
            if not bench.over():
                calls = [backward(torch, call, a, d) for a, d in sets]
                bench.time(f"epilogue backward {shape}", form, calls, 3 * size)


def bench_projection(bench: Bench, torch: Any, kernels: Any) -> None:
    batch, length, heads, width, features = (2, 8, 4, 32, 48) if bench.device == "cpu" else (128, 2048, 4, 128, 512)

    def plain(x: Any, g: Any, w: Any) -> Any:
        return kernels.eager(x, g).flatten(2) @ w.T

    def alone(x: Any, g: Any, w: Any) -> Any:
        return kernels.epilogue(x, g).flatten(2) @ w.T

    sets = []
    for _ in range(2):
        x = bench.inputs(batch, heads, length, width).transpose(1, 2)
        g, w = 1 + bench.inputs(batch, length, heads, scale=0.2), bench.inputs(features, heads * width, scale=0.05)
        sets.append(([x, g, w], bench.inputs(batch, length, features)))
    (x, g, w), dout = sets[0]
    part, right = [x[:2], g[:2], w], [each.double() for each in (x[:2], g[:2], w)]
    found = [kernels.projected(*part), *slopes_of(torch, kernels.projected, part, dout[:2])]
    wanted = [plain(*right), *slopes_of(torch, plain, right, dout[:2].double())]
    for name, one, two in zip(("out", "dx", "dg", "dw"), found, wanted, strict=True):
        bench.check(f"projection {name}", one, two, 1e-2)
    size, work = 2.0 * x.numel(), 2.0 * batch * length * features * heads * width
    forms = {"ours, in the product": kernels.projected, "ours, then cuBLAS": alone}
    if bench.device == "cuda":
        forms["torch.compile"] = torch.compile(plain, dynamic=False)
    for form, call in forms.items():
        bench.time("projection forward", form, [lambda a=a, f=call: f(*a) for a, _ in sets], 2 * size, work)
        if not bench.over():
            calls = [backward(torch, call, a, d) for a, d in sets]
            bench.time("projection backward", form, calls, 3 * size, 2 * work)


def bench_head(bench: Bench, torch: Any, head: Any, table: bool) -> None:
    """The head with softcap and loss, forward and backward together; with the bigram table if asked."""
    count, width, vocabulary = (96, 16, 50) if bench.device == "cpu" else (2**17, 512, 8192)
    hidden, weight = bench.inputs(count, width), bench.inputs(vocabulary, width, scale=0.05)
    # tokens as unequal as those of text: the first of n has a share of about 1 / log(n)
    tokens, targets = (
        (vocabulary ** torch.rand(count, device=bench.device) - 1).long().clamp(0, vocabulary - 1) for _ in range(2)
    )
    gate = torch.rand(count, device=bench.device).to(hidden.dtype)
    rows = bench.inputs(vocabulary, vocabulary)
    total = torch.zeros(vocabulary, vocabulary, device=bench.device)
    cap = 15.0

    def plain(hidden: Any, weight: Any, gate: Any, rows: Any, tokens: Any, targets: Any) -> Any:
        logits = hidden @ weight.T
        if table:
            logits = logits + gate[:, None] * rows[tokens]
        kind = torch.promote_types(logits.dtype, torch.float32)
        return torch.nn.functional.cross_entropy(cap * torch.tanh(logits.to(kind) / cap), targets)

    def ours(hidden: Any, weight: Any, gate: Any, rows: Any, tokens: Any, targets: Any) -> Any:
        if not table:
            return head.head_loss(hidden, weight, targets, cap)
        return head._Loss.apply(hidden, weight, gate, rows.detach(), total, tokens, targets, cap)

    few = slice(0, 512)
    part = [hidden[few], weight, gate[few], rows]
    names = [tokens[few], targets[few]]
    kept = [each.double().requires_grad_() for each in part]
    wanted = torch.autograd.grad(plain(*kept, *names), kept, allow_unused=True)
    leaves = [each.detach().requires_grad_() for each in part]
    found = [*torch.autograd.grad(ours(*leaves, *names), leaves, allow_unused=True)]
    found[3] = total
    case = "head with bigram table" if table else "head"
    for number, name in enumerate(("hidden", "weight", "gate", "table") if table else ("hidden", "weight")):
        bench.check(f"{case} d{name}", found[number], wanted[number], 2e-2)

    inputs = [each.detach().requires_grad_() for each in (hidden, weight, gate, rows)]
    asked = inputs if table else inputs[:2]

    def whole(call: Callable[..., Any]) -> list[Callable[[], Any]]:
        return [lambda: torch.autograd.grad(call(*inputs, tokens, targets), asked, allow_unused=True)]

    # logits written, read, gradient written, read by two products; with a table its rows once, and their gradient
    size = 5 * 2.0 * count * vocabulary + (6.0 * vocabulary**2 if table else 0.0)
    work = 6.0 * count * width * vocabulary
    for warps in (8, 16) if bench.device == "cuda" else (8,):
        for run in (16, 32) if table else (16,):
            head.WARPS, head.RUN = warps, run
            bench.time(case, f"ours, warps {warps}" + (f", runs {run}" if table else ""), whole(ours), size, work)
    if bench.device == "cuda":
        bench.time(case, "torch.compile", whole(torch.compile(plain, dynamic=False)), size, work)
    if table:
        made = head.BigramTable(vocabulary, 32, 0.01, (0.8, 0.95), 1e-10).to(bench.device)
        made.loss(hidden, weight, gate, tokens, targets, cap)

        def step() -> None:
            made.calls = 1
            made.step(1.0)

        bench.time("bigram table, optimizer", "ours", [step], 20.0 * vocabulary**2)


def bench_ngrams(bench: Bench, torch: Any, ngrams: Any) -> None:
    """Tables of two sizes."""
    for rows in (500,) if bench.device == "cpu" else (2**17, 2**20):
        bench_table(bench, torch, ngrams, rows)


def bench_table(bench: Bench, torch: Any, ngrams: Any, rows: int) -> None:
    """One table: its rows gathered for a batch, and its update by the gradients of the rows."""
    count, width = (2**8, 32) if bench.device == "cpu" else (2**18, 512)
    tokens = (8192 ** torch.rand(count // 64, 64, device=bench.device)).long().clamp(0, 8191)
    where = ngrams.places(tokens, 2, rows).flatten()
    table, slopes = bench.inputs(rows, width), bench.inputs(count, width, scale=1e-6)
    square = torch.zeros(rows, device=bench.device)
    sums = torch.zeros(rows, width, device=bench.device, dtype=torch.float64)
    sums.index_add_(0, where, slopes.double() * count)
    right = table.double() - 0.5 * sums * (sums.square().mean(-1, keepdim=True) + 1e-20).rsqrt()
    ngrams.touch(table, square, slopes, where, 0.5, 1.0, 7)
    bench.check(f"n-grams {rows} rows", table, right, 1e-2)
    del sums, right
    touched = len(where.unique())
    # a gradient row for each position is read, and each row that was touched is read and written
    size = 2.0 * count * width + 4.0 * touched * width
    case = f"n-gram table of {rows} rows, {touched} touched"

    def gather() -> None:
        torch.nn.functional.embedding(where, table)

    def sparse() -> None:
        ngrams.touch(table, square, slopes, where, 0.1, 1.0, 7)

    bench.time(f"{case}: gather", "PyTorch", [gather], 4.0 * count * width)
    bench.time(f"{case}: update", "ours", [sparse], size)
    if bench.device == "cpu" or bench.over():
        return
    means, squares = (torch.zeros(rows, width, device="cuda") for _ in range(2))

    def dense() -> None:
        slope = torch.ops.aten.embedding_dense_backward(slopes, where, rows, -1, False)
        means.lerp_(slope.float(), 0.2)
        squares.lerp_(slope.float().square(), 0.05)
        table.sub_((0.1 * means / (squares.sqrt() + 1e-10)).to(table.dtype))

    bench.time(f"{case}: update", "dense, eager Adam", [dense], size)


def main(arguments: list[str] | None = None) -> int:
    """Run the sections; 1 if one failed, 2 if there is no GPU and none is checked."""
    parser = argparse.ArgumentParser(description="Time the kernels of the NanoChat ideas.")
    parser.add_argument("--out", type=Path, help="file to which a row of JSON is added for each figure")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, of {','.join(SECTIONS)}")
    parser.add_argument("--seconds", type=float, default=85.0, help="no figure is begun after these")
    parser.add_argument("--check", action="store_true", help="without a GPU: only the checks, through the interpreter")
    options = parser.parse_args(arguments)
    if unknown := set(options.only.split(",")) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if missing := [name for name in ("torch", "triton") if find_spec(name) is None]:
        parser.error(f"this needs {' and '.join(missing)}: install them in this Python")
    if options.check:
        os.environ["TRITON_INTERPRET"] = "1"
    import torch

    device = "cpu" if options.check else "cuda"
    if device == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here, so nothing can be timed; --check tests the kernels through the interpreter.")
        return 2
    torch.manual_seed(int(time.time()) % 2**31)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        epilogue, head, ngrams = modules(Path(folder))
        bench = Bench(torch, options.out, options.seconds, device)
        if device == "cuda":
            bench.measure_limits()
        sections: dict[str, Callable[[], None]] = {
            "epilogue": lambda: bench_epilogue(bench, torch, epilogue),
            "projection": lambda: bench_projection(bench, torch, epilogue),
            "head": lambda: bench_head(bench, torch, head, table=False),
            "bigram": lambda: bench_head(bench, torch, head, table=True),
            "ngrams": lambda: bench_ngrams(bench, torch, ngrams),
        }
        for name in options.only.split(","):
            try:
                sections[name]()
            except Exception:  # noqa: BLE001 (a section that fails is told, and the others still run)
                failed += 1
                traceback.print_exc()
            if device == "cuda":
                torch.cuda.empty_cache()
    print(f"{len(bench.rows)} rows, {failed} sections failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
