"""The speedrun's kernels and their ideas, through Triton's interpreter, against PyTorch in float64."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.packs.pack import PACKS, library
from tests.packs.speedrun_kernels import ANNOUNCED, FOLDER, imported, off, torch

TYPES = [("float64", 1e-13), ("float32", 1e-5), ("float16", 1e-3)]  # the interpreter's products are wrong in bfloat16
CAPS = [("none",), ("tanh", 15.0), ("sigmoid", 23.0, 5.0, 7.5), ("sigmoid", 90.0, 5.0, 20.0)]


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Memory that is handed out holds NaN, so that what a kernel does not write shows."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[ModuleType]:
    with imported(tmp_path) as found:
        yield found


def draw(*shape: int, kind: str = "float64") -> Any:
    return torch.randn(*shape).to(getattr(torch, kind)).requires_grad_()


def sharp(count: int, vocabulary: int, kind: str) -> Any:
    return (6 * torch.randn(count, vocabulary)).to(getattr(torch, kind)).requires_grad_()


def wide(*tensors: Any) -> list[Any]:
    return [each.detach().double().requires_grad_() for each in tensors]


def same(module: ModuleType, name: str, inputs: list[Any], *constants: Any, most: float, slopes: bool = True) -> None:
    """A function and its gradients are those of its twin in float64."""
    right = wide(*inputs)
    found, wanted = getattr(module, name)(*inputs, *constants), getattr(module, f"{name}_eager")(*right, *constants)
    assert found.shape == wanted.shape
    assert off(found, wanted) < most
    if slopes:
        slope = torch.randn_like(wanted).to(found.dtype)
        pairs = (torch.autograd.grad(found, inputs, slope), torch.autograd.grad(wanted, right, slope.double()))
        for one, two in zip(*pairs, strict=True):
            assert one.dtype == inputs[0].dtype
            assert off(one, two) < most


@pytest.mark.parametrize(
    ("shape", "kind", "most"),
    [
        *((shape, *TYPES[0]) for shape in ((16, 16), (40, 24), (3, 33, 37), (2, 2, 20, 50), (1, 5))),
        *(((2, 33, 37), *each) for each in TYPES[1:]),
    ],
)
def test_symmetric_products(shape: tuple[int, ...], kind: str, most: float, kernels: ModuleType) -> None:
    x = draw(*shape, kind=kind)
    same(kernels.symmetric, "xxt", [x], most=most)
    a = kernels.symmetric.xxt_eager(x.detach() / shape[-1] ** 0.5)
    a = ((a + a.mT) / 2).requires_grad_()
    for beta, alpha in ((0.7, -0.3), (0.0, 1.0)):
        same(kernels.symmetric, "ba_plus_caa", [a], beta, alpha, most=most)


def test_only_tiles_on_and_above_the_diagonal_are_computed(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    symmetric, seen = kernels.symmetric, []

    class Spy:
        def __getitem__(self, grid: Any) -> Any:
            seen.append(grid({"TILE": 16})[0])
            return lambda *_, **__: None

    monkeypatch.setattr(symmetric, "_symmetric", Spy())
    symmetric.xxt(torch.randn(3, 50, 8))
    assert seen == [3 * 10]  # of 16 tiles of each matrix


def test_places_are_tiles_once_each_and_groups_share_columns(kernels: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "listing.py").write_text(
        "import triton\nimport triton.language as tl\nfrom kernels.symmetric import _tile\n"
        "@triton.jit\ndef listing(out, tiles, GROUP: tl.constexpr):\n"
        "    row, column = _tile(tl.program_id(0), tiles, GROUP)\n"
        "    tl.store(out + 2 * tl.program_id(0), row)\n    tl.store(out + 2 * tl.program_id(0) + 1, column)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        listing = __import__("listing").listing
        sys.modules.pop("listing")
    for tiles, group in ((1, 8), (5, 2), (7, 3), (9, 4)):
        out = torch.zeros(tiles * (tiles + 1) // 2, 2, dtype=torch.int32)
        listing[(len(out),)](out, tiles, group)
        places = [tuple(each) for each in out.tolist()]
        assert sorted(places) == [(row, column) for row in range(tiles) for column in range(row, tiles)]
        groups = [column // group for _, column in places]
        assert groups == sorted(groups)


def test_a_step_of_polar_express_and_all_steps(kernels: ModuleType) -> None:
    polar = kernels.polar
    x = (torch.randn(2, 20, 33, dtype=torch.float64) / 9).requires_grad_()
    same(polar, "polar_step", [x], 3.0, -2.0, 0.4, most=1e-12)
    for shape in ((20, 33), (2, 40, 24)):
        g = torch.randn(*shape)
        found = polar.polar_express(g, kind=torch.float32)
        assert off(found, polar.polar_express_eager(g.double(), kind=torch.float64)) < 1e-5
        assert (torch.linalg.svdvals(found) - 1).abs().max() < 0.3
    assert polar.polar_express_eager(g).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="polynomials"):
        polar.polar_express(g, steps=6)


@pytest.mark.parametrize(("kind", "most"), TYPES)
def test_a_linear_layer_and_its_squared_relu(kind: str, most: float, kernels: ModuleType) -> None:
    for count, width, features in ((37, 20, 50), (16, 16, 32), (3, 70, 5)):
        x, w1, w2 = (draw(*shape, kind=kind) for shape in ((count, width), (features, width), (features, width)))
        same(kernels.linear_relu2, "linear_relu2", [x, w1], most=most)
        same(kernels.linear_relu2, "mlp_relu2", [x, w1, w2], most=most)


@pytest.mark.parametrize(("kind", "most"), [*TYPES, ("bfloat16", 8e-3)])
@pytest.mark.parametrize("cap", CAPS)
def test_cross_entropy_under_a_cap(cap: Any, kind: str, most: float, kernels: ModuleType) -> None:
    call = kernels.cross_entropy.softcapped_cross_entropy
    for count, vocabulary in ((5, 71), (3, 32), (2, 7)):
        logits, targets = sharp(count, vocabulary, kind), torch.randint(0, vocabulary, (count,))
        same(kernels.cross_entropy, "softcapped_cross_entropy", [logits], targets, cap, most=most)
    assert call(logits, targets.int(), cap).dtype == torch.promote_types(logits.dtype, torch.float32)


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # of sigmoids, which are 0 then
def test_large_logits_do_not_overflow(kernels: ModuleType) -> None:
    logits = torch.tensor([[300.0, -300.0, 0.0], [-1e4, 1e4, 5.0]], requires_grad=True)
    for cap in CAPS:
        losses = kernels.cross_entropy.softcapped_cross_entropy(logits, torch.tensor([1, 1]), cap)
        assert (
            off(
                losses, kernels.cross_entropy.softcapped_cross_entropy_eager(logits.double(), torch.tensor([1, 1]), cap)
            )
            < 1e-6
        )
        assert torch.autograd.grad(losses.sum(), logits)[0].isfinite().all()


def test_a_cap_that_there_is_not_is_refused(kernels: ModuleType) -> None:
    for call in (kernels.cross_entropy.softcapped_cross_entropy, kernels.cross_entropy.softcapped_cross_entropy_eager):
        with pytest.raises(ValueError, match="no cap"):
            call(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), ("cubic", 3.0))


def test_gradients_and_registrations(kernels: ModuleType) -> None:
    symmetric, layers, loss = kernels.symmetric, kernels.linear_relu2, kernels.cross_entropy
    x, w1, w2, logits = draw(3, 4), draw(5, 4), draw(5, 2), draw(3, 40)
    targets, cap = torch.tensor([0, 39, 7]), (23.0, 5.0, 7.5, True)
    for call, inputs in (
        (symmetric.xxt, (x,)),
        (layers.linear_relu2, (x, w1)),
        (layers.mlp_relu2, (x, w1, w2)),
        (lambda z: loss.softcapped_cross_entropy(z, targets), (logits,)),
    ):
        assert torch.autograd.gradcheck(call, inputs)
    a = (x @ x.mT).detach().requires_grad_()
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    for operation, arguments in (
        (symmetric._xxt, (x,)),
        (symmetric._ba_plus_caa, (a, 0.5, 2.0)),
        (layers._linear, (x, w1)),
        (layers._mlp, (x, w1, w2)),
        (loss._forward, (logits, targets, *cap)),
    ):
        torch.library.opcheck(operation, arguments, test_utils=tests)


def test_all_is_compiled_without_a_break(kernels: ModuleType) -> None:
    def loss(targets: Any, x: Any, w1: Any, w2: Any) -> Any:
        hidden = kernels.linear_relu2.mlp_relu2(2 * x, w1, w2) + kernels.linear_relu2.linear_relu2(x, w2.mT)
        hidden = hidden + kernels.polar.polar_step(x / 9, 3.0, -2.0, 0.4) + kernels.symmetric.xxt(x).sum()
        return kernels.cross_entropy.softcapped_cross_entropy(hidden, targets).mean()

    inputs = [draw(*shape) for shape in ((3, 6), (6, 6), (6, 6))]
    targets = torch.tensor([0, 5, 2])
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    right = torch.autograd.grad(loss(targets, *inputs), inputs)
    for found, slope in zip(torch.autograd.grad(compiled(targets, *inputs), inputs), right, strict=True):
        assert off(found, slope) < 1e-12


def test_without_triton_a_function_is_its_twin(kernels: ModuleType) -> None:
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch, kernels\nfrom kernels.lang import HERE\n"
        "x = torch.randn(3, 4, requires_grad=True)\n"
        "assert not HERE and torch.equal(kernels.symmetric.xxt(x), x @ x.mT)\n"
        "kernels.linear_relu2.mlp_relu2(x, x, x).sum().backward()\n"
        "kernels.cross_entropy.softcapped_cross_entropy(x, torch.tensor([0, 1, 2])).sum().backward()\n"
        "assert kernels.polar.polar_express(x).dtype == torch.bfloat16\n"
    )
    folder = Path(kernels.__file__ or "").parents[1]
    subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, check=True, timeout=60)


def what_ideas_change_is_right(kernels: ModuleType) -> None:
    for shape in ((2, 33, 37), (20, 36)):  # rows that begin anywhere, and at multiples of 16 bytes
        x = draw(*shape, kind="float32")
        same(kernels.symmetric, "xxt", [x], most=1e-6)
        a = (x.mT @ x).detach() / 50
        same(kernels.symmetric, "ba_plus_caa", [a], 0.7, -0.3, most=1e-6, slopes=False)
    targets = torch.tensor([70, 0, 31])
    for cap in CAPS:
        same(kernels.cross_entropy, "softcapped_cross_entropy", [sharp(3, 71, "float32")], targets, cap, most=1e-5)


@pytest.mark.parametrize(
    "ideas",
    [*((name,) for name in library("speedrun_kernels").ordinary), ANNOUNCED,
     tuple(name for name in library("speedrun_kernels").ordinary if name != "more-warps")],
    ids="+".join,
)  # fmt: skip
def test_each_idea_is_right_alone_and_with_others(ideas: tuple[str, ...], tmp_path: Path) -> None:
    with imported(tmp_path, *ideas) as kernels:
        what_ideas_change_is_right(kernels)


# an odd number of tiles, the last cut; an even one; one that is cut; more than one type
PIECES = (((3, 72, 40), 0), ((12, 32, 24), 0), ((1, 8, 56), 0), ((2, 40, 24), 2))


@pytest.mark.parametrize("broken", [0, 5, 12])
def test_squares_and_strips_are_all_there_is(broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with imported(tmp_path, "squares-and-strips") as kernels:
        monkeypatch.setattr(kernels.symmetric, "_symmetric", None)
        strips = __import__("kernels.symmetric_strips").symmetric_strips
        monkeypatch.setattr(strips, "BROKEN", broken)
        assert strips._pieces(torch.empty(24, 96, 64)) == (24 * 9 + 2 * broken * 3, 24, 2 * broken)
        pieces_are_right(kernels)
        assert not strips.suits(torch.empty(2, 32, 33))


@pytest.mark.parametrize("most", [1, 3])
def test_sums_in_parts_are_all_there_is(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with imported(tmp_path, "diagonal-once") as kernels:
        monkeypatch.setattr(kernels.symmetric, "_symmetric", None)
        parts = __import__("kernels.symmetric_parts").symmetric_parts
        monkeypatch.setattr(parts, "MOST_PARTS", most)
        counts = [parts._count(torch.empty(1, 40, width), 6) for width in (16, 32, 160)]
        assert counts == [1, min(most, 2), min(most, 2)]
        pieces_are_right(kernels)
        assert not parts.suits(torch.empty(2, 33, 32))


def pieces_are_right(kernels: ModuleType) -> None:
    for shape, number in PIECES:
        kind, most = TYPES[number]
        x = draw(*shape, kind=kind)
        same(kernels.symmetric, "xxt", [x], most=most, slopes=False)
        a = ((x @ x.mT) / shape[-1]).detach()
        same(kernels.symmetric, "ba_plus_caa", [a], 0.7, -0.3, most=most, slopes=False)


def test_blocks_of_the_size_for_gpus_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, ideas in enumerate(((), ANNOUNCED)):
        with imported(tmp_path / str(number), *ideas) as kernels:
            monkeypatch.setattr(kernels.cross_entropy, "INTERPRETED", False)
            assert (4096 if ideas else 1024) == kernels.cross_entropy.BLOCK
            logits, targets = draw(2, 5001, kind="float32"), torch.tensor([5000, 17])
            same(kernels.cross_entropy, "softcapped_cross_entropy", [logits], targets, most=1e-5)


def test_the_trainer_and_the_problem_have_the_same_kernels_and_ideas() -> None:
    other = PACKS / "speedrun"
    for path in sorted((FOLDER / "solution" / "kernels").glob("*.py")):
        assert path.read_bytes() == (other / path.relative_to(FOLDER)).read_bytes(), (
            f"copy {path.name} of packs/speedrun"
        )
    assert len(list((other / "solution" / "kernels").glob("*.py"))) == len(
        list((FOLDER / "solution" / "kernels").glob("*.py"))
    )
    for path in sorted((FOLDER / "ideas").glob("*.md")):
        here, there = (each.read_text().partition("```diff")[2] for each in (path, other / "ideas" / path.name))
        assert here == there, f"the diffs of {path.name} differ between packs/speedrun and packs/speedrun_kernels"


@pytest.mark.parametrize("name", list(library("speedrun_kernels")))
def test_an_idea_states_its_case(name: str) -> None:
    idea = library("speedrun_kernels")[name]
    assert idea.source
    assert idea.predicts
    assert "efuted if" in idea.text
    assert f"| {idea.surface} |" in (FOLDER / "README.md").read_text()
    assert set(ANNOUNCED) < set(library("speedrun_kernels"))
