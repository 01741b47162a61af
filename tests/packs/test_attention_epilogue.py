"""The attention-epilogue problem: honest candidates pass, cheats do not. Answers only: times need a GPU."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.packs.pack import PACKS, library, problem, tree, write

torch = pytest.importorskip("torch", reason="the problem's tests need PyTorch")
with pytest.MonkeyPatch.context() as _patch:
    _patch.setenv("TRITON_INTERPRET", "1")  # Triton's own functions too are made for the interpreter or the compiler
    pytest.importorskip("triton.language", reason="the problem's tests need Triton and its interpreter")

FOLDER = PACKS / "attention_epilogue"
NAMES = ("evaluate", "inputs", "serve", "epilogue")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Callable[..., tuple[ModuleType, Any]]]:
    """The evaluator, and a channel to a service for a candidate's kernels."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.syspath_prepend(str(FOLDER))
        patch.syspath_prepend(str(tmp_path / "solution"))
        for name in NAMES:
            patch.delitem(sys.modules, name, raising=False)

        def made(idea: str = "", kernels: Any = None) -> tuple[ModuleType, Any]:
            write(tree("attention_epilogue", *[idea] if idea else []), tmp_path)
            service = __import__("serve").Service(kernels or __import__("epilogue"))

            def call(request: bytes, timeout_s: float, most: int) -> bytes:
                answer: bytes = service.answer(request)
                return answer[:most]

            evaluate = __import__("evaluate")
            patch.setattr(evaluate, "SMALL", ((2, 5, 3, 16), (1, 3, 1, 24)))
            return evaluate, SimpleNamespace(call=call)

        yield made
        for name in NAMES:
            sys.modules.pop(name, None)


def test_both_sides_have_the_same_inputs() -> None:
    assert (FOLDER / "inputs.py").read_bytes() == (FOLDER / "solution" / "inputs.py").read_bytes()
    assert "inputs.py" in problem("attention_epilogue").trusted_files
    assert "solution/inputs.py" in problem("attention_epilogue").solution_files


@pytest.mark.parametrize("idea", ["", *library("attention_epilogue").ordinary])
def test_the_baseline_and_the_ideas_are_right(idea: str, parts: Callable[..., Any]) -> None:
    evaluate, channel = parts(idea)
    assert 0 < evaluate.answers(channel) < 0.02


def honest() -> Any:
    """The definition, in float32."""

    def forward(x: Any, g: Any, y: Any) -> None:
        y.copy_(torch.nn.functional.rms_norm(x.float(), x.shape[-1:], eps=1e-6) * g.float().unsqueeze(-1))

    def backward(x: Any, g: Any, dy: Any, dx: Any, dg: Any) -> None:
        leaves = [each.float().requires_grad_() for each in (x, g)]
        y = torch.nn.functional.rms_norm(leaves[0], x.shape[-1:], eps=1e-6) * leaves[1].unsqueeze(-1)
        for out, slope in zip((dx, dg), torch.autograd.grad(y, leaves, dy.float()), strict=True):
            out.copy_(slope)

    return SimpleNamespace(forward=forward, backward=backward)


def nothing(*_: Any) -> None:
    """Leaves what stands there."""


def only_at_first() -> Any:
    """Works for the first three steps and leaves the rest to what is in the buffers."""
    whole, calls = honest(), iter(range(10**6))

    def forward(x: Any, g: Any, y: Any) -> None:
        if torch.isnan(y).any() or next(calls) < 3:
            whole.forward(x, g, y)

    return SimpleNamespace(forward=forward, backward=whole.backward)


def remembering() -> Any:
    """Gives the first answer again."""
    whole, known = honest(), []  # type: ignore[var-annotated]

    def backward(x: Any, g: Any, dy: Any, dx: Any, dg: Any) -> None:
        if not known or known[0].shape != dx.shape or known[0].dtype != dx.dtype:
            whole.backward(x, g, dy, dx, dg)
            known[:] = [dx.clone(), dg.clone()]
        dx.copy_(known[0])
        dg.copy_(known[1])

    return SimpleNamespace(forward=whole.forward, backward=backward)


def late() -> Any:
    """Answers at once and works afterwards."""
    whole = honest()

    def forward(x: Any, g: Any, y: Any) -> None:
        threading.Timer(0.05, whole.forward, (x, g, y)).start()

    return SimpleNamespace(forward=forward, backward=whole.backward)


def half() -> Any:
    """Leaves the last half of a tensor out."""
    whole = honest()

    def forward(x: Any, g: Any, y: Any) -> None:
        keep = y.clone()
        whole.forward(x, g, y)
        count = (y.numel() + 1) // 2
        y.view(-1)[-count:] = torch.nan_to_num(keep.view(-1)[-count:])

    return SimpleNamespace(forward=forward, backward=whole.backward)


def detached() -> Any:
    """Forgets that the norm depends on x."""

    def backward(x: Any, g: Any, dy: Any, dx: Any, dg: Any) -> None:
        honest().backward(x, g, dy, dx, dg)
        dx.copy_(dy * g.unsqueeze(-1) * (x.float().square().mean(-1, keepdim=True) + 1e-6).rsqrt())

    return SimpleNamespace(forward=honest().forward, backward=backward)


CHEATS: dict[str, Callable[[], Any]] = {
    "writes nothing": lambda: SimpleNamespace(forward=nothing, backward=nothing),
    "works at first": only_at_first,
    "remembers": remembering,
    "is late": late,
    "does half": half,
    "gives the input back": lambda: SimpleNamespace(forward=lambda x, g, y: y.copy_(x), backward=honest().backward),
    "leaves a term out": detached,
}


def test_an_honest_stand_in_passes(parts: Callable[..., Any]) -> None:
    evaluate, channel = parts(kernels=honest())
    assert evaluate.answers(channel) < 0.02


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_refused(name: str, parts: Callable[..., Any]) -> None:
    evaluate, channel = parts(kernels=CHEATS[name]())
    with pytest.raises(evaluate.Invalid, match=r"is right|is off by"):
        evaluate.answers(channel)


def test_a_wrong_size_is_refused(parts: Callable[..., Any]) -> None:
    evaluate, channel = parts()
    with pytest.raises(evaluate.Invalid, match="bytes"):
        evaluate.answers(SimpleNamespace(call=lambda request, timeout_s, most: channel.call(request, 1.0, most - 2)))
