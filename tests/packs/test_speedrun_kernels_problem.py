"""The speedrun-kernels problem: honest candidates pass, cheats do not. Answers only: times need a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.packs.pack import problem
from tests.packs.speedrun_kernels import FOLDER, imported, torch


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[ModuleType, ModuleType, ModuleType]]:
    """The evaluator, the service and the baseline's kernels."""
    torch.manual_seed(0)
    with imported(tmp_path) as kernels:
        yield __import__("evaluate"), __import__("serve"), kernels


def channel(serve: ModuleType, kernels: Any) -> Any:
    service = serve.Service(kernels)

    def call(request: bytes, timeout_s: float, most: int) -> bytes:
        answer: bytes = service.answer(request)
        return answer[:most]

    return SimpleNamespace(call=call)


def stand_in(kernels: ModuleType, **other: Any) -> Any:
    """The twins by PyTorch in the kernels' places, or other functions."""
    found = {}
    for module, names in (
        ("symmetric", ("xxt", "ba_plus_caa")),
        ("polar", ("polar_step",)),
        ("linear_relu2", ("linear_relu2", "mlp_relu2")),
        ("cross_entropy", ("softcapped_cross_entropy",)),
    ):
        part = getattr(kernels, module)
        found[module] = SimpleNamespace(**{name: other.get(name, getattr(part, f"{name}_eager")) for name in names})
    return SimpleNamespace(**found)


def test_both_sides_have_the_same_inputs() -> None:
    assert (FOLDER / "inputs.py").read_bytes() == (FOLDER / "solution" / "inputs.py").read_bytes()
    found = problem("speedrun_kernels")
    assert "inputs.py" in found.trusted_files
    assert {"solution/inputs.py", "solution/serve.py"} <= set(found.solution_files)
    assert list(found.spec.solution.editable) == ["kernels/*.py"]


def test_the_baseline_is_right(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate, serve, kernels = parts
    names = {task.kernel for task in evaluate.SMALL}
    assert names == {"xxt", "caa", "polar", "linear", "mlp", "loss"}
    small = [task for task in evaluate.SMALL if task.kernel != "caa"]
    monkeypatch.setattr(evaluate, "SMALL", [evaluate.Task("caa", (1, 20, 20), 1), *small[2:4], *small[5:]])
    assert 0 < evaluate.answers(channel(serve, kernels)) < 0.01


def test_an_honest_stand_in_passes(parts: Any) -> None:
    evaluate, serve, kernels = parts
    assert 0 < evaluate.answers(channel(serve, stand_in(kernels))) < 0.01


def test_the_services_sums_are_those_of_the_evaluator(parts: Any) -> None:
    evaluate, serve, _ = parts
    inputs = __import__("inputs")
    for rows, width in ((100, 70), (65, 1), (3, 5000)):
        output, keys = torch.randn(rows, width), torch.tensor([2**31 - 5, 123456])
        found = torch.zeros(2)
        serve.add_sum(output, found[1], keys)
        assert found[0] == 0
        assert abs(float(found[1] - inputs.signed_sum(output, keys))) < 1e-3
        where, down, across = evaluate.looked(keys, rows, width)
        assert (len(where), len(down), len(across)) == (-(-rows // inputs.PART), -(-rows // inputs.PART), width)


def remembered() -> Callable[..., Any]:
    """Gives the first answer of a size and type again."""
    known: dict[Any, Any] = {}

    def xxt(x: Any) -> Any:
        return known.setdefault((x.shape, x.dtype), x @ x.mT)

    return xxt


def without_a_term(x: Any, a: float, b: float, c: float) -> Any:
    return a * x + b * (x @ x.mT @ x)


def biased(x: Any, w1: Any, w2: Any) -> Any:
    """Right forward; the gradient misses the factor of the square."""
    hidden = torch.relu(x @ w1.T)
    return (hidden.square().detach() + hidden - hidden.detach()) @ w2


def sparse(logits: Any, targets: Any, cap: Any) -> Any:
    """Right forward; the gradient of unlikely tokens is left out."""
    wide = logits.float()
    logs = (cap[1] * torch.sigmoid((wide + cap[2]) / cap[3])).log_softmax(-1)
    likely = torch.where(logs > -5.0, logs, logs.detach())
    held = likely - likely.exp().sum(-1, keepdim=True) + likely.exp().sum(-1, keepdim=True).detach()
    return -held.gather(-1, targets[:, None])[:, 0]


CHEATS: dict[str, tuple[str, dict[str, Callable[..., Any]]]] = {
    "writes nothing": ("xxt", {"xxt": lambda x: torch.full((*x.shape[:-1], x.shape[-2]), float("nan")).to(x.dtype)}),
    "writes zeros": ("xxt", {"xxt": lambda x: torch.zeros((*x.shape[:-1], x.shape[-2])).to(x.dtype)}),
    "remembers": ("xxt", {"xxt": remembered()}),
    "does not mirror": ("xxt", {"xxt": lambda x: (x @ x.mT).triu()}),
    "leaves the last columns out": ("xxt", {"xxt": lambda x: x[..., :-1] @ x[..., :-1].mT}),
    "rounds coarsely": ("xxt", {"xxt": lambda x: (x @ x.mT).to(torch.float8_e4m3fn).to(x.dtype)}),
    "is off its constants": ("caa", {"ba_plus_caa": lambda a, beta, alpha: beta * a + a @ a.mT}),
    "leaves a term out": ("polar", {"polar_step": without_a_term}),
    "has another gradient": ("mlp", {"mlp_relu2": biased}),
    "is no square": ("linear", {"linear_relu2": lambda x, w1: torch.relu(x @ w1.T)}),
    "has a sparse gradient": ("loss", {"softcapped_cross_entropy": sparse}),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_refused(name: str, parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate, serve, kernels = parts
    kernel, functions = CHEATS[name]
    monkeypatch.setattr(evaluate, "SMALL", [next(task for task in evaluate.SMALL if task.kernel == kernel)])
    with pytest.raises(evaluate.Invalid, match=r"is right|is off by"):
        evaluate.answers(channel(serve, stand_in(kernels, **functions)))


def test_a_wrong_size_is_refused(parts: Any) -> None:
    evaluate, serve, kernels = parts
    whole = channel(serve, stand_in(kernels))
    with pytest.raises(evaluate.Invalid, match="bytes"):
        evaluate.answers(SimpleNamespace(call=lambda request, timeout_s, most: whole.call(request, 1.0, most - 2)))


def test_without_a_gpu_there_is_no_score(parts: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    evaluate, _, _ = parts
    monkeypatch.setitem(__import__("sys").modules, "aster_channel", SimpleNamespace(ServiceError=OSError, connect=None))
    monkeypatch.setattr(evaluate, "DEVICE", "cpu")
    assert evaluate.main([]) == 1
    assert "no GPU" in capsys.readouterr().err
