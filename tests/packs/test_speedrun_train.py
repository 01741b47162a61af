"""The speedrun's trainer and its ideas, tiny and on the CPU: what they compute, alone and as two ranks."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.packs import nanochat
from tests.packs.trainer import BOS, FOLDER, LENGTH, TINY, VOCABULARY, TestRun, Tokens, candidate, ideas

torch = pytest.importorskip("torch", reason="needs PyTorch")
PADDED = 64


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Any]:
    torch.set_num_threads(1)
    with candidate(tmp_path) as module:
        yield module


def disturbed(module: Any, seed: int = 0) -> Any:
    """A model none of whose parameters are zero."""
    torch.manual_seed(seed)
    model = module.build(PADDED, LENGTH, torch.device("cpu"))
    with torch.no_grad():
        for param in model.parameters():
            param.add_(0.2 * torch.randn_like(param))
    return model


def some_tokens(rows: int = 2) -> Any:
    tokens = torch.randint(0, VOCABULARY, (rows, LENGTH), generator=torch.Generator().manual_seed(1))
    tokens[:, 11] = BOS
    return tokens


def loss_of(state: dict[str, Any], hidden: Any, targets: Any) -> Any:
    """The loss as the referee finds it."""
    scale, shift, width = state["head.cap"].tolist()
    logits = scale * torch.sigmoid((hidden @ state["head.weight"].T + shift) / width)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


# The model


def test_no_position_sees_a_later_one(train: Any) -> None:
    model, tokens = disturbed(train), some_tokens()
    altered = tokens.clone()
    altered[:, 20:] = (altered[:, 20:] + 1) % VOCABULARY
    before, after = model.stream(tokens), model.stream(altered)
    assert torch.equal(before[:, :20], after[:, :20])
    assert not torch.allclose(before[:, 20], after[:, 20])


@pytest.mark.parametrize("window", [5, LENGTH])
def test_attention_reaches_as_far_back_as_its_window(train: Any, window: int) -> None:
    q, k, v = torch.randn(3, 1, LENGTH, 2, 16).unbind()
    scores = torch.einsum("bihd,bjhd->bhij", q, k) * train.ATTENTION_SCALE
    i, j = torch.arange(LENGTH)[:, None], torch.arange(LENGTH)
    weights = scores.masked_fill((j > i) | (i - j > window), -math.inf).softmax(-1)
    assert torch.allclose(train.attend(q, k, v, window), torch.einsum("bhij,bjhd->bihd", weights, v), atol=1e-5)


def test_the_loss_is_that_of_the_referee_and_reaches_every_parameter(train: Any) -> None:
    model, tokens = disturbed(train), some_tokens()
    targets = tokens.roll(-1, 1)
    loss = model(tokens, targets)
    assert torch.allclose(loss, loss_of(model.state_dict(), model.stream(tokens), targets))
    loss.backward()
    assert all(param.grad is not None and param.grad.abs().sum() > 0 for param in model.parameters())


def test_windows_grow_and_value_tables_serve_both_ends(train: Any) -> None:
    assert [train.windows(stage) for stage in range(3)] == [[8, 4, 4, 8], [16, 8, 8, 16], [20, 8, 8, 20]]
    train.DEPTH = 6
    assert [train.value_table(layer) for layer in range(6)] == [0, 1, None, None, 0, 1]


def test_the_vocabulary_is_padded_and_matrices_of_one_shape_are_one_parameter(train: Any) -> None:
    shapes = {name: tuple(param.shape) for name, param in disturbed(train).named_parameters()}
    assert {name: shape for name, shape in shapes.items() if not name.startswith("scalars.")} == {
        "embed": (64, 32),
        "values": (2, 64, 32),
        "head.weight": (64, 32),
        "attention": (16, 32, 32),
        "mlp": (8, 128, 32),
    }
    train.VOCABULARY_UNIT = 128
    assert train.padded(50_257) == 50_304


def test_on_a_gpu_all_but_scalars_is_in_sixteen_bits(train: Any) -> None:
    model = train.build(PADDED, LENGTH, torch.device("cpu"), low=True)
    kinds = {name: param.dtype for name, param in model.named_parameters()}
    assert {name for name, kind in kinds.items() if kind == torch.float32} == {
        name for name in kinds if name.startswith("scalars.")
    }
    assert model.stream(some_tokens()).dtype == torch.bfloat16
    model(some_tokens(), some_tokens()).backward()
    train.Optimizer(model).step()
    assert {name: param.dtype for name, param in model.named_parameters()} == kinds
    assert model.state_dict()["head.cap"].tolist() == [30.0, 0.0, 7.5]


def test_every_stage_is_one_graph(train: Any) -> None:
    model = disturbed(train).requires_grad_(False)  # FlexAttention has no gradient on a CPU
    expected = []
    for stage in range(3):
        train.enter(model, None, stage)
        expected.append(model(some_tokens(), some_tokens()))
    train.blocks(LENGTH, torch.device("cpu"), [train.windows(stage) for stage in range(3)])
    assert set(train.BLOCKS) == {(window, LENGTH) for window in (4, 8, 16, 20)}
    compiled = torch.compile(model, dynamic=False, fullgraph=True, backend="eager")
    for stage in range(3):
        train.enter(model, None, stage)
        assert torch.allclose(compiled(some_tokens(), some_tokens()), expected[stage], atol=1e-5)


def test_a_product_in_eight_bits_is_near_and_has_gradients(train: Any) -> None:
    from fp8 import linear8  # type: ignore[import-not-found]

    torch.manual_seed(0)
    x = train.norm(torch.randn(32, 64)).bfloat16().requires_grad_()
    weight = (0.3 * torch.randn(48, 64)).bfloat16().requires_grad_()
    slope = (torch.randn(32, 48) / 32).bfloat16()
    near, exact = linear8(x, weight, 8.0, 2.0), torch.nn.functional.linear(x, weight)
    pairs = [(near, exact)]
    for ours, theirs in zip(
        torch.autograd.grad(near, (x, weight), slope), torch.autograd.grad(exact, (x, weight), slope), strict=True
    ):
        pairs.append((ours, theirs))
    assert all((ours - theirs).norm() < 0.08 * theirs.norm() for ours, theirs in pairs)


# The optimizer


def test_adam_is_adam(train: Any) -> None:
    torch.manual_seed(0)
    model = torch.nn.Module()
    model.head = torch.nn.Parameter(torch.randn(5, 3))
    theirs = model.head.detach().clone().requires_grad_()
    adam = torch.optim.Adam([theirs], lr=0.02, betas=(0.8, 0.95), eps=1e-10)
    train.settings = lambda: {"head": train.Adam(0.02, (0.8, 0.95))}
    train.rate = lambda step: 1.0
    optimizer = train.Optimizer(model)
    for _ in range(4):
        theirs.grad = torch.randn(5, 3)
        model.head.grad = theirs.grad.clone()
        adam.step()
        optimizer.step()
    assert torch.allclose(model.head, theirs, atol=1e-6)


def test_muon_steps_have_singular_values_of_the_rate(train: Any) -> None:
    torch.manual_seed(0)
    model = torch.nn.Module()
    model.mlp = torch.nn.Parameter(torch.randn(3, 32, 8))
    before = model.mlp.detach().clone()
    train.settings = lambda: {"mlp": train.Muon(0.1)}
    model.mlp.grad = torch.randn(3, 32, 8)
    train.Optimizer(model).step()
    values = torch.linalg.svdvals(before - model.mlp) / (0.1 * 2)  # tall ones go by the root of rows by columns
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert model.mlp.grad is None


def test_a_parameter_without_settings_is_an_error(train: Any) -> None:
    model = torch.nn.Module()
    model.other = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(KeyError, match="other"):
        train.Optimizer(model)


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_parts_of_ranks_are_whole_matrices_and_make_up_the_whole(train: Any, ranks: int) -> None:
    params = [torch.randn(6, 8, 4)]
    groups = [train.MuonGroup(train.Muon(0.1), None, params, rank, ranks) for rank in range(ranks)]
    assert {group.part % 32 for group in groups} == {0}
    whole = torch.cat([group.values for group in groups])
    assert torch.equal(whole[: 6 * 32], params[0].flatten())
    assert not whole[6 * 32 :].any()


def test_schedules(train: Any) -> None:
    train.STEPS, train.WARMDOWN, train.FINAL_LR = 100, 0.5, 0.1
    assert [train.stage_of(step) for step in (0, 33, 34, 66, 67, 99)] == [0, 0, 1, 1, 2, 2]
    assert [train.rate(step) for step in (0, 50, 75, 100)] == pytest.approx([1.0, 1.0, 0.55, 0.1])
    assert [train.momentum(step) for step in (0, 5, 10, 90)] == pytest.approx([0.85, 0.9, 0.95, 0.95])


def test_ranks_have_equal_shares_of_the_same_batch(train: Any) -> None:
    train.BATCHES = [8 * LENGTH, 29 * LENGTH]  # the second is no whole number of rows for 8 ranks
    for ranks in (1, 2, 4, 8):
        for stage, wanted in enumerate((8, 24)):
            rows, parts = train.sizes(stage, ranks)
            assert rows * parts * ranks == wanted
            assert rows * LENGTH <= train.MICRO_TOKENS
    with pytest.raises(ValueError, match="not among 3"):
        train.sizes(0, 3)


# The run


def test_training_learns_and_the_sealed_state_gives_the_same_loss(train: Any) -> None:
    train.STEPS = 60
    run = TestRun(torch, 20_000)
    state = train.train(run)
    losses = [point["loss"] for point in run.points]
    assert [point["step"] for point in run.points] == list(range(1, 61))
    assert losses[0] == pytest.approx(math.log(PADDED), abs=0.01)
    assert losses[-1] < 2.2
    inputs, targets = (part.view(16, LENGTH) for part in Tokens(torch, 16 * LENGTH).next(16 * LENGTH))
    hidden = train.load(state, "cpu")(inputs)
    assert loss_of(state, hidden, targets) < 2.2
    assert torch.equal(hidden, train.load({name: t.clone() for name, t in state.items()}, "cpu")(inputs))
    assert train.load(state, "cpu")(inputs[:, :9]).shape == (16, 9, 32)


def test_warming_up_leaves_no_trace(train: Any) -> None:
    states = []
    for train.DUMMY_STEPS in (0, 2):
        states.append(train.train(TestRun(torch, 1000)))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_stream_that_ends_within_a_step_changes_nothing_more(train: Any) -> None:
    whole, more = (train.train(TestRun(torch, tokens)) for tokens in (2 * 8 * LENGTH, 3 * 8 * LENGTH - 1))
    assert all(torch.equal(whole[name], more[name]) for name in whole)


def test_a_loss_that_is_not_finite_ends_the_run(train: Any) -> None:
    train.EMBED_LR = math.inf
    with pytest.raises(FloatingPointError, match="loss of step"):
        train.train(TestRun(torch, 1000))


def test_accumulated_gradients_are_those_of_the_whole_batch(train: Any) -> None:
    grads = []
    for rows, parts in ((8, 1), (2, 4)):
        model = disturbed(train)
        seen: list[Any] = []

        class Keep:
            def step(self, model: Any = model, seen: Any = seen) -> None:
                seen += [param.grad.clone() for param in model.parameters()]

        loss = train.learn(Tokens(torch, 1000), model, Keep(), rows, parts, 1)
        grads.append([loss, *seen])
    assert all(torch.allclose(one, two, atol=1e-5) for one, two in zip(*grads, strict=True))


def test_two_ranks_do_what_one_does(tmp_path: Path) -> None:
    """Matrices in pairs of heads, an Adam of every other step, and a table that is handed on: what depends on ranks."""
    torch.set_num_threads(1)
    variant = "heads-of-their-own+normuon+adam-every-other+tied-then-untied+growing-batch"
    with candidate(tmp_path, variant) as module:
        alone = TestRun(torch, 3000)
        state = module.train(alone)
    meeting = tmp_path / "meeting"
    command = [sys.executable, "-m", "tests.packs.trainer", str(tmp_path / "solution"), str(meeting)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [subprocess.Popen([*command, str(rank), "2", "3000"], env=env) for rank in range(2)]
    made, deadline = [Path(f"{meeting}.{rank}") for rank in range(2)], time.monotonic() + 100
    try:
        while not all(path.exists() for path in made):
            assert [rank.poll() for rank in ranks] == [None, None]
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    found = [torch.load(path) for path in made]
    losses = [point["loss"] for point in alone.points]
    assert len(losses) == TINY["STEPS"]
    assert found[0][0] == found[1][0] == pytest.approx(losses, abs=1e-5)
    assert all(torch.equal(found[0][1][name], found[1][1][name]) for name in state)
    assert all(torch.allclose(found[0][1][name], state[name], atol=1e-3) for name in state)


# The ideas


@pytest.mark.parametrize("name", sorted(ideas()))
def test_an_idea_trains_is_sealed_and_stays_causal(tmp_path: Path, name: str) -> None:
    torch.set_num_threads(1)
    tokens = some_tokens()
    altered = tokens.clone()
    altered[:, 20:] = (altered[:, 20:] + 1) % VOCABULARY
    with candidate(tmp_path, name) as module:
        run = TestRun(torch, 600)
        state = module.train(run)
        assert run.points[-1]["step"] >= 2
        assert math.isfinite(run.points[-1]["loss"])
        torch.manual_seed(0)
        for key in state:
            if key != "head.cap" and state[key].is_floating_point():
                state[key] = state[key] + 0.2 * torch.randn_like(state[key])
        hidden = module.load(state, "cpu")
        assert hidden(tokens).shape == (2, LENGTH, 32)
        assert torch.allclose(hidden(tokens)[:, :20], hidden(altered)[:, :20], atol=1e-5)


@pytest.mark.parametrize(("at", "looks", "steps"), [(0.0, [3, 5], 6), (1e3, [3], 3)])
def test_a_run_ends_when_what_is_kept_aside_is_foretold(
    tmp_path: Path, at: float, looks: list[int], steps: int
) -> None:
    torch.set_num_threads(1)
    with candidate(tmp_path, "stop-when-good") as module:
        module.STOP_AT, module.STEPS, module.LOOK_FROM = at, 6, 0.3
        run, learn = TestRun(torch, 4000), module.learn
        learnt: list[Any] = []

        def noted(source: Any, loss_of: Any, *rest: Any) -> Any:
            def note(tokens: Any, targets: Any) -> Any:
                learnt.extend(tokens if run.went else [])
                return loss_of(tokens, targets)

            return learn(source, note, *rest)

        module.learn = noted
        module.train(run)
        assert [point["step"] for point in run.points if "aside" in point] == looks
        assert max(point["step"] for point in run.points if "loss" in point) == steps
        kept, _ = module.aside(Tokens(torch, 4000), 2)
    assert learnt
    assert not any(torch.equal(row, other) for row in kept for other in learnt)


@pytest.mark.parametrize("name", ["smear", "exclusive-attention", "bigram-hash", "value-gates", "fp8-head"])
def test_what_is_said_to_begin_as_nothing_does(tmp_path: Path, name: str) -> None:
    with candidate(tmp_path / "none") as module:
        model = disturbed(module)
        expected = model.stream(some_tokens())
    with candidate(tmp_path / name, name) as module:
        other = module.build(PADDED, LENGTH, torch.device("cpu"))
        assert other.load_state_dict(model.state_dict(), strict=False).unexpected_keys == []
        assert torch.allclose(other.stream(some_tokens()), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without:UserWarning")
def test_documents_do_not_see_each_other(tmp_path: Path) -> None:
    with candidate(tmp_path, "documents") as module:
        model, tokens = disturbed(module).requires_grad_(False), some_tokens()
        model.bos.fill_(BOS)
        altered = tokens.clone()
        altered[:, 3:11] = (altered[:, 3:11] + 1) % 50
        before, after = model.stream(tokens), model.stream(altered)
        assert torch.allclose(before[:, 11:], after[:, 11:], atol=1e-5)
        assert not torch.allclose(before[:, 3:11], after[:, 3:11])
        module.blocks(LENGTH, torch.device("cpu"), [model.windows])
        assert torch.allclose(model.stream(tokens), before, atol=1e-5)


def test_a_table_of_its_own_begins_as_what_the_head_was(tmp_path: Path) -> None:
    with candidate(tmp_path, "tied-then-untied") as module:
        run = TestRun(torch, 1000)
        model, _, optimizer = module.prepare(run)
        module.enter(model, optimizer, 0)
        assert model.tied
        model(some_tokens(), some_tokens()).backward()
        assert model.embed.grad is None
        optimizer.step()
        module.enter(model, optimizer, 2)
        assert torch.equal(model.embed, model.head.weight)
        model(some_tokens(), some_tokens()).backward()
        gradient: Any = model.embed.grad
        assert gradient.abs().sum() > 0


def test_gradients_of_the_warm_up_are_forgotten(tmp_path: Path) -> None:
    states = []
    with candidate(tmp_path, "adam-every-other") as module:  # which keeps some for the next step
        for module.DUMMY_STEPS in (0, 1):
            states.append(module.train(TestRun(torch, 1000)))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("variant", ["none", *sorted(ideas())])
def test_no_rule_of_the_contest_is_broken(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = nanochat.module_of(FOLDER / "referee" / "rules.py", "speedrun_rules")
    monkeypatch.delitem(sys.modules, "speedrun_rules")
    files = nanochat.script().tree_of(variant, FOLDER, ideas())
    assert rules.broken({path: text for path, text in files.items() if "/harness/" not in path}) is None
