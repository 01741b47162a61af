"""Answer the evaluator's requests with what `kernels` makes of them. This file is frozen.

A request is a line of JSON. `prepare` makes room for the inputs of so many steps and, on a GPU, has all steps recorded as a
CUDA graph, so that what is timed is the GPU's work and not Python's. `fill` draws all inputs and poisons all outputs.
`run` does the steps, each on inputs of its own, and sums rows of the outputs, which rows and with which signs being known
by the request's keys. `show` gives rows of a step's outputs.
"""

import json
import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

import triton
import triton.language as tl
from inputs import DEVICE, PART, draw, flat, signed_sum


@triton.jit
def _mixed(number):
    number = (number ^ (number >> 16)) * 0x7FEB352D
    number = (number ^ (number >> 15)) * 0x846CA68B
    return number ^ (number >> 16)


@triton.jit(do_not_specialize=["rows"])
def _sum(output, found, keys, rows, width, BLOCK: tl.constexpr):
    """One of the rows that `inputs.looked` names, added to a sum with its signs."""
    drawn = _mixed(tl.load(keys).to(tl.uint32) + tl.program_id(0).to(tl.uint32))
    output += ((drawn >> 1) % rows.to(tl.uint32)).to(tl.int64) * width
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    second = tl.load(keys + 1).to(tl.uint32)
    for start in range(0, width, BLOCK):
        column = start + tl.arange(0, BLOCK)
        value = tl.load(output + column, mask=column < width, other=0.0).to(tl.float32)
        total += value * (1.0 - 2.0 * (_mixed(second + column.to(tl.uint32)) & 1).to(tl.float32))
    tl.atomic_add(found, tl.sum(total, axis=0) * (1.0 - 2.0 * (drawn & 1).to(tl.float32)))


def add_sum(output: torch.Tensor, found: torch.Tensor, keys: torch.Tensor) -> None:
    """The same as `inputs.signed_sum` in one launch, added to a float32."""
    rows, width = output.shape
    block = min(4096, triton.next_power_of_2(width))
    _sum[(triton.cdiv(rows, PART),)](output, found, keys, rows, width, block)


class Service:
    """Holds inputs and outputs between requests."""

    def __init__(self, kernels: object) -> None:
        self.kernels = kernels
        self.keys = torch.zeros(2, dtype=torch.int64, device=DEVICE)

    def prepare(self, kernel: str, shape: list[int], kind: str, steps: int, constants: list) -> bytes:
        self.inputs, self.outputs, self.found, self.graph = [], [], None, None  # what was there before is let go first
        self.kernel, self.shape, self.kind, self.constants = kernel, shape, getattr(torch, kind), constants
        if DEVICE == "cuda":
            torch.cuda.empty_cache()
        self.inputs = [draw(kernel, shape, self.kind, step) for step in range(steps)]
        outputs = self.step(0)  # compiles and tunes
        self.found = torch.zeros(steps, len(outputs), device=DEVICE)
        if DEVICE == "cuda":
            self.work(outputs)
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.work()
        return b"ready"

    def work(self, known: list[torch.Tensor] | None = None) -> None:
        """All steps and the sums over their outputs, or only the sums over outputs that are known."""
        self.found.zero_()
        self.outputs = []
        for step, sums in enumerate(self.found):
            outputs = self.step(step) if known is None else known
            for number, each in enumerate(outputs):
                if DEVICE == "cuda":
                    add_sum(flat(each), sums[number], self.keys)
                else:
                    sums[number] = signed_sum(flat(each), self.keys)
            self.outputs.append(outputs)

    def step(self, step: int) -> list[torch.Tensor]:
        kernels, inputs = self.kernels, self.inputs[step]
        if self.kernel == "xxt":
            return [kernels.symmetric.xxt(*inputs)]
        if self.kernel == "caa":
            return [kernels.symmetric.ba_plus_caa(*inputs, *self.constants)]
        if self.kernel == "polar":
            return [kernels.polar.polar_step(*inputs, *self.constants)]
        if self.kernel == "loss":
            logits, targets, slope = inputs
            leaves = [logits.detach().requires_grad_()]
            out = kernels.cross_entropy.softcapped_cross_entropy(*leaves, targets, tuple(self.constants))
        else:
            *leaves, slope = [each.detach().requires_grad_() for each in inputs]
            layers = kernels.linear_relu2
            out = (layers.linear_relu2 if self.kernel == "linear" else layers.mlp_relu2)(*leaves)
        return [out.detach(), *torch.autograd.grad(out, leaves, slope.detach().to(out.dtype))]

    def fill(self, seed: int) -> bytes:
        for step, inputs in enumerate(self.inputs):
            for one, two in zip(inputs, draw(self.kernel, self.shape, self.kind, seed + step), strict=True):
                one.copy_(two)
        for output in (each for outputs in self.outputs for each in outputs):
            output.fill_(float("nan"))
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return b"filled"

    def run(self, keys: list[int]) -> bytes:
        self.keys.copy_(torch.tensor(keys))
        if self.graph is None:
            self.work()
        else:
            self.graph.replay()
        return self.found.cpu().numpy().astype("<f4").tobytes()

    def show(self, step: int, rows: list[list[int]]) -> bytes:
        """Rows of each output of a step, as float32."""
        pairs = zip(self.outputs[step], rows, strict=True)
        found = [flat(each)[torch.tensor(where, device=DEVICE)].float() for each, where in pairs]
        return b"".join(each.cpu().numpy().astype("<f4").tobytes() for each in found)

    def answer(self, request: bytes) -> bytes:
        asked = json.loads(request)
        return {"prepare": self.prepare, "fill": self.fill, "run": self.run, "show": self.show}[asked.pop("do")](**asked)


if __name__ == "__main__":
    import kernels
    from aster_channel import connect

    connect().serve(Service(kernels).answer)
