"""The NanoChat baseline and its ideas, tiny and on the CPU: what they compute, and that a run leaves what it should."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.packs.nanochat import LENGTH, VOCABULARY, Rows, TestRun, candidate, ideas

torch = pytest.importorskip("torch", reason="needs PyTorch")


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Any]:
    torch.set_num_threads(1)
    with candidate(tmp_path) as module:
        yield module


def disturbed(module: Any, seed: int = 0) -> Any:
    """A model none of whose parameters are zero."""
    torch.manual_seed(seed)
    model = module.build(VOCABULARY, torch.device("cpu"))
    with torch.no_grad():
        for param in model.parameters():
            param.add_(0.2 * torch.randn_like(param))
    return model


def some_tokens(rows: int = 2) -> Any:
    return torch.randint(0, VOCABULARY, (rows, LENGTH), generator=torch.Generator().manual_seed(1))


# The model


def test_logits_are_for_each_token_and_within_the_cap(train: Any) -> None:
    logits = disturbed(train)(some_tokens())
    assert logits.shape == (2, LENGTH, VOCABULARY)
    assert logits.abs().max() <= train.SOFTCAP


def test_no_position_sees_a_later_one(train: Any) -> None:
    model, tokens = disturbed(train), some_tokens()
    altered = tokens.clone()
    altered[:, 30:] = (altered[:, 30:] + 1) % VOCABULARY
    before, after = model(tokens), model(altered)
    assert torch.equal(before[:, :30], after[:, :30])
    assert not torch.allclose(before[:, 30], after[:, 30])


@pytest.mark.parametrize("window", [5, LENGTH])
def test_attention_reaches_as_far_back_as_its_window(train: Any, window: int) -> None:
    q, k, v = torch.randn(3, 1, LENGTH, 2, 16).unbind()
    scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(16)
    i, j = torch.arange(LENGTH)[:, None], torch.arange(LENGTH)
    weights = scores.masked_fill((j > i) | (i - j > window), -math.inf).softmax(-1)
    assert torch.allclose(train.attend(q, k, v, window), torch.einsum("bhij,bjhd->bihd", weights, v), atol=1e-5)


def test_the_loss_is_of_the_logits_and_reaches_every_parameter(train: Any) -> None:
    model, tokens = disturbed(train), some_tokens()
    targets = tokens.roll(-1, 1)
    loss = model(tokens, targets)
    expected = torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    assert torch.allclose(loss, expected)
    loss.backward()
    assert all(param.grad is not None and param.grad.abs().sum() > 0 for param in model.parameters())


def test_the_last_layer_has_the_whole_past_and_value_embeddings(train: Any) -> None:
    assert train.windows() == [16, 16, 16, LENGTH]
    assert [train.has_values(layer) for layer in range(4)] == [False, True, False, True]


def test_at_full_size_it_is_the_models_size_upstream(train: Any) -> None:
    train.DEPTH, train.WIDTH, train.HEAD_WIDTH, train.GATE_WIDTH = 8, 512, 128, 32
    train.LENGTH, train.SHORT_WINDOW = 2048, 1024
    with torch.device("meta"):
        model = train.Model(8192)
    assert sum(p.numel() for p in model.parameters()) == 50_332_176
    assert model.flops(2048) == 6 * 29_360_656 + 12 * 512 * (6 * 1024 + 2 * 2048)


# The optimizer


def test_orthogonalized_matrices_have_singular_values_near_one(train: Any) -> None:
    for shape in ((3, 24, 8), (2, 8, 24), (1, 16, 16)):
        values = torch.linalg.svdvals(train.orthogonalize(torch.randn(*shape)))
        assert values.min() > 0.6
        assert values.max() < 1.2


def test_adam_is_adam(train: Any) -> None:
    torch.manual_seed(0)
    mine, theirs = torch.randn(5, 3), None
    theirs = mine.clone().requires_grad_()
    adam = torch.optim.AdamW([theirs], lr=0.02, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.1)
    model = torch.nn.Module()
    model.head = torch.nn.Parameter(mine)
    train.settings = lambda: {"head": train.Adam(0.02, (0.8, 0.95), decay=0.1)}
    train.rate = lambda progress: 1.0
    optimizer = train.Optimizer(model, compiled=False)
    for _ in range(4):
        theirs.grad = torch.randn(5, 3)
        model.head.grad = theirs.grad.clone()
        adam.step()
        optimizer.step(0.5)
    assert torch.allclose(model.head, theirs, atol=1e-6)


def test_muon_moves_by_its_rate_and_decays_only_with_the_update(train: Any) -> None:
    params, grads = torch.randn(1, 8, 8), torch.randn(1, 8, 8)
    numbers = {"rate": 0.1, "decay": 0.0, "momentum": 0.9, "new1": 0.1, "new2": 0.05}
    moved, shrunk = params.clone(), params.clone()
    for tensor, decay in ((moved, 0.0), (shrunk, 0.5)):
        scalars = {name: torch.tensor(number) for name, number in (numbers | {"decay": decay}).items()}
        train.muon_update(tensor, grads.clone(), torch.zeros(1, 8, 8), torch.zeros(1, 8, 1), scalars)
    update = (params - moved) / 0.1
    assert 0.7 < update.norm() / math.sqrt(8) < 1.2
    agrees = update * params >= 0
    assert torch.allclose(moved - shrunk, 0.1 * 0.5 * params * agrees, atol=1e-6)


def test_a_parameter_without_settings_is_an_error(train: Any) -> None:
    model = torch.nn.Module()
    model.other = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(KeyError, match="other"):
        train.Optimizer(model, compiled=False)


def test_rates_fall_from_the_middle_on(train: Any) -> None:
    assert [train.rate(share) for share in (0.0, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]
    assert [train.momentum(step, 0.1) for step in (0, 150, 900)] == pytest.approx([0.85, 0.9, 0.95])


# The run


def test_training_learns_and_the_sealed_state_gives_the_same_logits(train: Any) -> None:
    run = TestRun(torch, rows=400)
    state = train.train(run)
    losses = [point["loss"] for point in run.points if "loss" in point]
    assert losses[0] == pytest.approx(math.log(VOCABULARY), abs=0.1)
    assert losses[-1] < 1.5
    assert run.points[-1]["tokens"] == 400 * LENGTH
    inputs, targets = Rows(torch, 16).next(16)
    logits = train.load(state, "cpu")(inputs)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert loss < 1.5
    assert torch.equal(logits, train.load({name: t.clone() for name, t in state.items()}, "cpu")(inputs))


def test_warming_up_leaves_no_trace(train: Any) -> None:
    states = []
    for train.DUMMY_STEPS in (0, 2):
        states.append(train.train(TestRun(torch, rows=24)))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_stream_that_ends_within_a_step_changes_nothing_more(train: Any) -> None:
    whole, more = (train.train(TestRun(torch, rows)) for rows in (16, 16))
    assert all(torch.equal(whole[name], more[name]) for name in whole)
    run = TestRun(torch, rows=13)  # a step takes 8
    train.train(run)
    assert run.points[-1]["step"] == 1


def test_a_loss_that_is_not_finite_ends_the_run(train: Any) -> None:
    train.MATRIX_LR = math.inf
    train.DUMMY_STEPS = 0
    with pytest.raises(FloatingPointError, match="loss of step"):
        train.train(TestRun(torch, rows=40))


def test_accumulated_gradients_are_those_of_the_whole_batch(train: Any) -> None:
    grads = []
    for rows, parts in ((8, 1), (4, 2)):
        model = disturbed(train)
        seen: list[Any] = []

        class Keep:
            def step(self, _progress: float, model: Any = model, seen: Any = seen) -> None:
                seen += [param.grad.clone() for param in model.parameters()]

        loss = train.learn(Rows(torch, 8), model, Keep(), rows, parts, 0.0)
        grads.append([loss, *seen])
    assert all(torch.allclose(one, two, atol=1e-5) for one, two in zip(*grads, strict=True))


# The ideas


@pytest.mark.parametrize("name", sorted(ideas()))
def test_an_idea_trains_and_is_sealed(tmp_path: Path, name: str) -> None:
    torch.set_num_threads(1)
    with candidate(tmp_path, name) as module:
        run = TestRun(torch, rows=24)
        state = module.train(run)
        logits = module.load(state, "cpu")(some_tokens())
    assert run.points[-1]["step"] >= 2
    assert logits.shape == (2, LENGTH, VOCABULARY)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", sorted(ideas()))
def test_an_idea_stays_causal(tmp_path: Path, name: str) -> None:
    tokens = some_tokens()
    altered = tokens.clone()
    altered[:, 30:] = (altered[:, 30:] + 1) % VOCABULARY
    with candidate(tmp_path, name) as module:
        logits = module.load(disturbed(module).state_dict(), "cpu")
        assert torch.allclose(logits(tokens)[:, :30], logits(altered)[:, :30], atol=1e-5)


@pytest.mark.parametrize(
    "name", ["none", *sorted(name for name in ideas() if "gram-" not in name)]
)  # these ask for a GPU
def test_the_stream_of_a_gpu_stays_in_sixteen_bits(tmp_path: Path, name: str) -> None:
    with candidate(tmp_path, name) as module:
        model = module.build(VOCABULARY, torch.device("cpu"), low=True)
        heard: dict[str, Any] = {}
        for part, layer in model.named_modules():
            if isinstance(layer, module.Linear):
                layer.register_forward_hook(lambda _m, args, out, part=part: heard.update({part: (args[0], out)}))
        model(some_tokens(), some_tokens()).backward()
        assert heard
        assert {t.dtype for pair in heard.values() for t in pair} == {torch.bfloat16}
        optimizer = module.Optimizer(model, compiled=False)
        before = {name: param.dtype for name, param in model.named_parameters()}
        optimizer.step(0.2)
        assert {name: param.dtype for name, param in model.named_parameters()} == before


@pytest.mark.parametrize("name", ["smear", "head-gates", "skips", "memory", "output-bias", "future-tokens"])
def test_what_is_said_to_begin_as_nothing_does(tmp_path: Path, name: str) -> None:
    with candidate(tmp_path / "none") as module:
        model = disturbed(module)
        expected = model(some_tokens())
    with candidate(tmp_path / name, name) as module:
        other = module.build(VOCABULARY, torch.device("cpu"))
        assert other.load_state_dict(model.state_dict(), strict=False).unexpected_keys == []
        assert torch.allclose(other(some_tokens()), expected, atol=1e-5)


def test_the_memory_knows_what_followed_and_how_surely(tmp_path: Path) -> None:
    with candidate(tmp_path, "memory"):
        from memory import Memory  # type: ignore[import-not-found]

        memory = Memory(VOCABULARY, 8)
        text = torch.tensor([[5, 6, 7, 8, 9, 5, 6]])
        assert all((token == VOCABULARY).all() for token, _ in memory.read(text))
        followed = torch.tensor([[6, 7, 8, 9, 5, 6, 7]])
        memory.write(text[:, 1:5], followed[:, 1:5])
        [(pair, _), *_] = memory.read(text)
        assert pair[0, 2:5].tolist() == [8, 9, 5]
        assert pair[0, 5] == VOCABULARY
        memory.write(text[:, 1:5], followed[:, 1:5])
        assert memory.read(text)[0][1][0, 3] == 1
        other = followed + 1
        memory.write(text[:, 1:5], other[:, 1:5])
        assert memory.read(text)[0][0][0, 3] == 9  # less sure, and not yet given up
        memory.write(text[:, 1:5], other[:, 1:5])
        assert memory.read(text)[0][0][0, 3] == 10


def test_later_batches_are_larger_with_the_growing_batch(tmp_path: Path) -> None:
    with candidate(tmp_path, "growing-batch") as module:
        module.STEP_TOKENS = 400
        assert [module.step_tokens(share) for share in (0.0, 0.2, 0.5)] == [100, 200, 400]
