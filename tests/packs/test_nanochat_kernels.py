"""The kernels that NanoChat ideas add, through Triton's interpreter, against PyTorch in float64."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from tests.packs.nanochat import FOLDER

torch = pytest.importorskip("torch", reason="the kernels' tests need PyTorch")
with pytest.MonkeyPatch.context() as _patch:
    _patch.setenv("TRITON_INTERPRET", "1")  # Triton's own functions too are made for the interpreter or the compiler
    pytest.importorskip("triton.language", reason="the kernels' tests need Triton and its interpreter")

TYPES = [("float64", 1e-13), ("float32", 1e-6), ("float16", 1e-3), ("bfloat16", 8e-3)]


def added(idea: str, name: str) -> str:
    """The text of a module that an idea's diff makes."""
    part = (FOLDER / "ideas" / f"{idea}.md").read_text().split(f"+++ b/solution/{name}.py\n")[1].splitlines()[1:]
    end = next(i for i, line in enumerate([*part, "```"]) if not line.startswith("+"))
    return "".join(line[1:] + "\n" for line in part[:end] if not line.startswith("+++ b/"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], ModuleType]]:
    """Imports a module of an idea with the interpreter in the compiler's place, which Triton decides at that time."""
    folder = tmp_path_factory.mktemp("kernels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.syspath_prepend(str(folder))

        def load(idea: str, name: str) -> ModuleType:
            if name not in sys.modules:
                (folder / f"{name}.py").write_text(added(idea, name))
            return __import__(name)

        yield load
        for name in ("epilogue", "head", "ngrams"):
            sys.modules.pop(name, None)


def off(found: Any, right: Any) -> float:
    return float((found.detach().double() - right.detach()).norm() / right.detach().norm())


def draw(*shape: int, kind: str, slopes: bool = True) -> Any:
    return torch.randn(*shape).to(getattr(torch, kind)).requires_grad_(slopes)


def wide(*tensors: Any) -> list[Any]:
    return [each.detach().double().requires_grad_() for each in tensors]


# The attention's epilogue


@pytest.fixture
def epilogue(made: Callable[[str, str], ModuleType]) -> ModuleType:
    torch.manual_seed(0)
    return made("attention-epilogue", "epilogue")


@pytest.mark.parametrize(("kind", "most"), TYPES)
@pytest.mark.parametrize("shape", [(2, 5, 3, 16), (1, 3, 2, 24)])
def test_the_epilogue_is_eager_within_rounding(
    kind: str, most: float, shape: tuple[int, int, int, int], epilogue: ModuleType
) -> None:
    batch, length, heads, width = shape
    x = draw(batch, heads, length, width, kind=kind, slopes=False).transpose(1, 2).requires_grad_()  # as SDPA gives it
    g, dy = draw(batch, length, heads, kind=kind), draw(*shape, kind=kind, slopes=False)
    y, right = epilogue.epilogue(x, g), wide(x, g)
    wanted = epilogue.eager(*right)
    assert y.dtype == x.dtype
    assert off(y, wanted) < most
    slopes = torch.autograd.grad(wanted, right, dy.double())
    for found, slope in zip(torch.autograd.grad(y, (x, g), dy), slopes, strict=True):
        assert off(found, slope) < most


@pytest.mark.parametrize(("kind", "most"), TYPES[:3])  # the interpreter's products are wrong in bfloat16
def test_the_product_takes_the_epilogue_in(kind: str, most: float, epilogue: ModuleType) -> None:
    x = draw(2, 3, 5, 16, kind=kind, slopes=False).transpose(1, 2).requires_grad_()
    g, w, dout = draw(2, 5, 3, kind=kind), draw(37, 48, kind=kind), draw(2, 5, 37, kind=kind, slopes=False)
    out, right = epilogue.projected(x, g, w), wide(x, g, w)
    wanted = epilogue.eager(*right[:2]).flatten(2) @ right[2].T
    assert off(out, wanted) < most
    slopes = torch.autograd.grad(wanted, right, dout.double())
    for found, slope in zip(torch.autograd.grad(out, (x, g, w), dout), slopes, strict=True):
        assert off(found, slope) < most


def test_gradients_of_both_forms_and_their_registration(epilogue: ModuleType) -> None:
    x, g, w = (draw(*shape, kind="float64") for shape in ((1, 2, 2, 16), (1, 2, 2), (3, 32)))
    assert torch.autograd.gradcheck(epilogue.epilogue, (x, g))
    assert torch.autograd.gradcheck(epilogue.projected, (x, g, w))
    torch.library.opcheck(epilogue._epilogue, (x, g, 1e-6))
    torch.library.opcheck(epilogue._projected, (x, g, w, 1e-6))


def test_both_forms_are_compiled_without_a_break(epilogue: ModuleType) -> None:
    def loss(x: Any, g: Any, w: Any) -> Any:
        return (epilogue.epilogue(2 * x, g) * 3).sum() + epilogue.projected(x, g, w).square().sum()

    inputs = [draw(*shape, kind="float64") for shape in ((1, 4, 2, 16), (1, 4, 2), (5, 32))]
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    right = torch.autograd.grad(loss(*inputs), inputs)
    for found, slope in zip(torch.autograd.grad(compiled(*inputs), inputs), right, strict=True):
        assert off(found, slope) < 1e-12


# The head


@pytest.fixture
def head(made: Callable[[str, str], ModuleType]) -> ModuleType:
    torch.manual_seed(0)
    return made("fused-head", "head")


@pytest.mark.parametrize("by_kernel", [True, False])
@pytest.mark.parametrize(("kind", "most"), TYPES[:3])
def test_the_head_and_its_table_are_eager_within_rounding(
    kind: str, most: float, by_kernel: bool, head: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "INTERPRETED", by_kernel)
    count, vocabulary = 90, 37
    leaves = [draw(*shape, kind=kind) for shape in ((count, 8), (vocabulary, 8), (count,), (vocabulary, vocabulary))]
    tokens, targets = (torch.randint(0, vocabulary, (count,)) for _ in range(2))
    tokens[:50] = 3  # runs that are cut
    hidden, weight, gate, table = wide(*leaves)
    logits = 15 * torch.tanh((hidden @ weight.T + gate[:, None] * table[tokens]) / 15)
    wanted = torch.nn.functional.cross_entropy(logits, targets)
    right = torch.autograd.grad(wanted / 2, (hidden, weight, gate, table))
    slopes = torch.zeros(vocabulary, vocabulary, dtype=torch.promote_types(leaves[0].dtype, torch.float32))
    loss = head._Loss.apply(*leaves[:3], leaves[3].detach(), slopes, tokens, targets, 15.0)
    assert abs(float(loss.detach() - wanted.detach())) < 3 * most
    found = [*torch.autograd.grad(loss / 2, leaves[:3]), slopes / 2]
    for one, two in zip(found, right, strict=True):
        assert off(one, two) < 3 * most


def test_a_table_of_zeros_changes_nothing(head: ModuleType) -> None:
    hidden, weight, gate = draw(20, 8, kind="float32"), draw(12, 8, kind="float32"), torch.rand(20)
    tokens, targets = (torch.randint(0, 12, (20,)) for _ in range(2))
    table = head.BigramTable(12, 4, 0.1, (0.8, 0.95), 1e-10)
    with_table = table.loss(hidden, weight, gate, tokens, targets, 15.0)
    without = head.head_loss(hidden, weight, targets, 15.0)
    assert torch.equal(with_table, without)
    slopes = [torch.autograd.grad(loss, (hidden, weight)) for loss in (with_table, without)]
    assert all(torch.equal(one, two) for one, two in zip(*slopes, strict=True))


def test_runs_hold_each_position_once_and_one_token_each(head: ModuleType) -> None:
    tokens = torch.tensor([3] * 40 + [1] * 5 + [7])
    order, owner, begins, ends = head._runs(tokens, 8)
    seen = [(int(p), int(v)) for v, b, e in zip(owner, begins, ends, strict=True) for p in order[b:e]]
    assert sorted(p for p, _ in seen) == list(range(46))
    assert all(tokens[p] == v for p, v in seen)
    assert int((ends - begins).max()) <= head.RUN


@pytest.mark.parametrize(("kind", "most"), [("float32", 1e-6), ("bfloat16", 1e-2)])
def test_the_table_takes_steps_of_adam(
    kind: str, most: float, head: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = []
    for by_kernel in (True, False):
        monkeypatch.setattr(head, "INTERPRETED", by_kernel)
        torch.manual_seed(1)
        table = head.BigramTable(12, 4, 0.1, (0.8, 0.95), 1e-10)
        table.table = table.table.to(getattr(torch, kind))
        for _ in range(3):
            for _ in range(2):
                tokens, targets = (torch.randint(0, 12, (20,)) for _ in range(2))
                table.loss(torch.randn(20, 8), torch.randn(12, 8), torch.rand(20), tokens, targets, 15.0)
            table.step(0.5)
        assert not table.slopes.any()
        tables.append(table.table.double())
    assert off(*tables) < most
    assert tables[0].abs().mean() > 0.01


# The n-grams


@pytest.fixture
def ngrams(made: Callable[[str, str], ModuleType]) -> ModuleType:
    torch.manual_seed(0)
    return made("ngram-input", "ngrams")


def test_places_are_spread_and_know_nothing_of_later_tokens(ngrams: ModuleType) -> None:
    tokens = torch.randint(0, 8192, (4, 512))
    for order in (2, 3, 4):
        found = ngrams.places(tokens, order, 2**17)
        assert len(found.unique()) > 1950
        changed = tokens.clone()
        changed[:, 300] += 1
        same = ngrams.places(changed, order, 2**17) == found
        assert same[:, :300].all()
        assert same[:, 300 + order :].all()
        assert not same[:, 300 : 300 + order].any()


@pytest.mark.parametrize(("kind", "most"), [("float32", 1e-6), ("bfloat16", 1e-2)])
def test_touched_rows_are_updated_as_one_by_one(
    kind: str, most: float, ngrams: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = []
    for by_kernel in (True, False):
        monkeypatch.setattr(ngrams, "INTERPRETED", by_kernel)
        torch.manual_seed(2)
        grams = ngrams.NGrams([2, 3], 50, 24, 0.3, 0.9)
        grams.tables = grams.tables.to(getattr(torch, kind))
        for _ in range(2):
            for _ in range(2):
                rows = grams.gather(torch.randint(0, 4, (2, 20)))
                sum((row.float() * torch.randn(2, 20, 24)).mean() for row in rows).backward()
            grams.step(0.5)
            assert not grams.pending
        tables.append(grams.tables.double())
    assert off(*tables) < most
    assert (tables[0] == 0).all(dim=-1).any(), "rows that no n-gram hit stay as they were"
