"""Answer the evaluator's requests with what `epilogue` makes of them. This file is frozen.

A request is a line of JSON. `fill` makes pools of inputs, twice as long as a step needs, and poisons all outputs. `run`
makes steps: each works on stretches of the pools that the request names, and its outputs are summed with signs that the
request names, so that the answer depends on every number of every step and cannot be given before they are there. `show`
gives rows of outputs.
"""

import json
import os

import torch
from inputs import DEVICE, RING, pool, weights

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

def digest(outputs: list[torch.Tensor], signs: list[torch.Tensor]) -> torch.Tensor:
    """Weighted sums of y, dx and dg, [3] float32."""
    y, dx, dg = outputs
    channel, row = signs
    sums = [torch.mv(each.view(-1, len(channel)), channel).float() @ row.float() for each in (y, dx)]
    return torch.stack([*sums, dg.flatten().float() @ row.float()])


class Service:
    """Holds pools and outputs between requests."""

    def __init__(self, kernels: object) -> None:
        self.kernels = kernels

    def fill(self, seed: int, shape: list[int], kind: str) -> bytes:
        self.shape, self.kind = shape, getattr(torch, kind)
        self.inputs = pool(seed, shape, self.kind)
        sizes = (shape, shape, shape[:3])
        nan = float("nan")
        self.rings = [[torch.full(size, nan, dtype=self.kind, device=DEVICE) for size in sizes] for _ in range(RING)]
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return b"filled"

    def run(self, key: int, offsets: list[list[int]]) -> bytes:
        batch, length, heads, width = self.shape
        signs = weights(key, self.shape, self.kind)
        found = []
        for step, places in enumerate(offsets):
            x, g, dy = (t[o : o + batch * length] for t, o in zip(self.inputs, places, strict=True))
            x, g, dy = x.view(*self.shape), g.view(batch, length, heads), dy.view(*self.shape)
            outputs = self.rings[step % RING]
            self.kernels.forward(x, g, outputs[0])
            self.kernels.backward(x, g, dy, outputs[1], outputs[2])
            found.append(digest(outputs, signs))
        return torch.stack(found).cpu().numpy().astype("<f4").tobytes()

    def show(self, ring: int, rows: list[int]) -> bytes:
        """Rows (of all tokens and heads) of y, dx and dg, as float32."""
        where = torch.tensor(rows, device=DEVICE)
        flat = [each.view(len(each.flatten()) // n, n)[where] for each, n in zip(self.rings[ring], self.wide(), strict=True)]
        return b"".join(each.float().cpu().numpy().astype("<f4").tobytes() for each in flat)

    def wide(self) -> tuple[int, int, int]:
        return self.shape[3], self.shape[3], 1

    def answer(self, request: bytes) -> bytes:
        asked = json.loads(request)
        return getattr(self, {"fill": "fill", "run": "run", "show": "show"}[asked.pop("do")])(**asked)


if __name__ == "__main__":
    import epilogue
    from aster_channel import connect

    connect().serve(Service(epilogue).answer)
