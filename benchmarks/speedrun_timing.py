"""What the benchmark of the speedrun's kernels measures with: limits, graphs of calls, checks against float64, rows."""

from __future__ import annotations

import json
import platform
import statistics
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

PEAKS = (("H100 PCIe", 756e12), ("H100", 989e12), ("H200", 989e12), ("A100", 312e12))
"""Operations a second in bfloat16, dense, as published."""
COPIES = (2**27, 2**28, 2**29, 2**30)
"""Bytes that are copied to find the bandwidth: each is read once and written once."""
WARM_SECONDS = 0.3


class Bench:
    """Times forms, keeps rows, and knows when its seconds are over."""

    def __init__(self, torch: Any, out: Path, seconds: float, device: str, command: str) -> None:
        self.torch, self.out, self.device, self.command = torch, out, device, command
        self.until = time.monotonic() + seconds
        self.count = 0
        self.bandwidth = self.peak = 1.0
        self.forms: dict[tuple[str, ...], ModuleType] = {}

    def measure_limits(self) -> None:
        """Bytes a second of the fastest copy, read and written; the device's rate, or else that of a large product."""
        torch = self.torch
        self.measure_copy()
        a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
        rate = 2 * 8192**3 / self.milliseconds([lambda: a @ a]) * 1e3
        name = torch.cuda.get_device_name()
        self.peak = next((peak for part, peak in PEAKS if part in name), rate)
        print(f"copy {self.bandwidth / 1e12:.2f} TB/s, product {rate / 1e12:.0f} of {self.peak / 1e12:.0f} TFLOP/s")
        self.keep({"case": "product [8192,8192,8192]", "form": "cuBLAS", "tflops": round(rate / 1e12, 1)})

    def measure_copy(self) -> None:
        """Copies of several sizes, none of which fits the cache, once the memory has been busy for a while."""
        torch = self.torch
        one, two = (torch.randn(max(COPIES) // 2, device="cuda").bfloat16() for _ in range(2))
        began = time.monotonic()
        while time.monotonic() - began < WARM_SECONDS:
            one.copy_(two)
            torch.cuda.synchronize()
        found = {}
        for size in COPIES:
            to, of = one[: size // 2], two[: size // 2]
            found[size] = 2 * size / self.milliseconds([lambda to=to, of=of: to.copy_(of)]) * 1e3
        best = max(found, key=lambda size: found[size])
        self.bandwidth = found[best]
        rates = {str(size): round(rate / 1e12, 3) for size, rate in found.items()}
        self.keep({"case": "copy", "form": "PyTorch", "copied_bytes": best, "tb_s": rates})

    def milliseconds(self, calls: list[Callable[[], Any]]) -> float:
        """The time of a call, in a graph of calls that do the same on different inputs."""
        torch = self.torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # compiles and tunes
            for call in calls:
                call()
        torch.cuda.synchronize()
        graph, number = torch.cuda.CUDAGraph(), 0
        began = time.monotonic()
        calls[0]()
        torch.cuda.synchronize()
        least = 20 if time.monotonic() - began < 1e-3 else 5
        with torch.cuda.graph(graph):
            while number < least or number % len(calls):
                calls[number % len(calls)]()
                number += 1
        times = []
        for _ in range(12):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            graph.replay()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / number)
        return statistics.median(times[2:])

    def over(self) -> bool:
        return time.monotonic() > self.until

    def time(self, case: str, form: str, calls: list[Callable[[], Any]], work: float = 0.0, size: float = 0.0) -> None:
        """One figure: `work` operations must be done, `size` bytes must move."""
        if self.device == "cpu":
            return
        if self.over():
            print(f"{case:36s} {form:20s} left out: no time", flush=True)
            return
        limit = 1e3 * max(size / self.bandwidth, work / self.peak)
        row: dict[str, Any] = {"case": case, "form": form, "limit_ms": round(limit, 5)}
        try:
            row["ms"] = round(self.milliseconds(calls), 5)
            row["of_limit"] = round(limit / row["ms"], 3)
            print(f"{case:36s} {form:20s} {row['ms']:9.4f} ms  {100 * row['of_limit']:5.1f}% of the limit", flush=True)
        except Exception as error:  # noqa: BLE001 (a form that fails is a row, and the others are still timed)
            row["error"] = f"{type(error).__name__}: {error}"[:500]
            traceback.print_exc()
        self.torch.cuda.empty_cache()
        self.keep(row)

    def keep(self, row: dict[str, Any]) -> None:
        """Append a row with what it was measured on."""
        self.count += 1
        if self.device == "cpu":
            return
        import triton

        torch = self.torch
        row = {"benchmark": "speedrun_kernels", **row, "device": torch.cuda.get_device_name()}
        row |= {"torch": torch.__version__, "triton": triton.__version__, "python": platform.python_version()}
        row |= {"copy_tb_s": round(self.bandwidth / 1e12, 3), "peak_tflops": round(self.peak / 1e12, 1)}
        row |= {"command": self.command, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def check(self, case: str, form: str, found: list[Any], right: list[Any], known: list[float]) -> list[float]:
        """Relative errors against float64, of as many rows as it is known for; `known` are PyTorch's.

        Raises:
            ValueError: one is not a number, or more than twice PyTorch's.
        """
        errors = []
        for number, (one, two) in enumerate(zip(found, right, strict=True)):
            error = float((one.detach()[: len(two)].double() - two.detach()).norm() / two.detach().norm())
            errors.append(error)
            most = 2 * known[number] + (2e-3 if self.device == "cuda" else 1e-6) if known else 1.0
            self.keep({"case": case, "form": form, "output": number, "error": error, "most": most})
            if not error <= most:
                raise ValueError(
                    f"{case}, {form}: output {number} is off by {error:.2e} of float64, more than {most:.0e}"
                )
        return errors

    def inputs(self, *shape: int, scale: float = 1.0) -> Any:
        kind = self.torch.bfloat16 if self.device == "cuda" else self.torch.float32
        return (self.torch.randn(*shape, device=self.device) * scale).to(kind)

    def sets(self, make: Callable[[], list[Any]]) -> list[list[Any]]:
        """Inputs that rotate: as many as do not fit the cache."""
        first = make()
        size = sum(each.numel() * each.element_size() for each in first)
        return [first, *(make() for _ in range(min(8, max(1, 2**27 // size)) if self.device == "cuda" else 0))]

    def compare(
        self, case: str, forms: dict[str, Callable[..., Any]], sets: list[list[Any]], few: list[Any], **limit: float
    ) -> None:
        """Check each form and time it. `PyTorch` is the first; `few` are the first rows of the first inputs.

        If no `size` is given, all inputs and outputs must move once.
        """
        wide = [each.double() if each.is_floating_point() else each for each in few]
        right, known = listed(forms["PyTorch"](*wide)), []
        del wide
        for form, call in forms.items():
            if self.over():
                print(f"{case:36s} {form:20s} left out: no time", flush=True)
                continue
            try:
                found = listed(call(*sets[0]))
                limit.setdefault("size", sum(each.numel() * each.element_size() for each in [*sets[0], *found]))
                errors = self.check(case, form, found, right, known)
                known = known or errors
                del found
            except ValueError as wrong:
                print(wrong, flush=True)
                self.keep({"case": case, "form": form, "wrong": str(wrong)})
                if self.device == "cpu":
                    raise
                continue
            self.time(case, form, [lambda one=one, call=call: call(*one) for one in sets], **limit)

    def with_compiled(self, forms: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
        """The forms, and on a GPU the first by torch.compile besides."""
        if self.device == "cpu":
            return forms
        self.torch._dynamo.reset()
        return {**forms, "torch.compile": self.torch.compile(forms["PyTorch"], dynamic=False)}


def listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (tuple, list)) else [found]
