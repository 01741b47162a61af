"""The referee of the speedrun: honest runs on one rank and on two, and candidates that would fool it."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.packs.speedrun import BOS, LENGTH, OURS, PACK, TABLE, Train, Wire, load, tokens_of, write_corpus, write_shard

torch = pytest.importorskip("torch", reason="torch is not installed")

torch.set_num_threads(1)  # threads that spin take longer, where others run beside us
V, T = 300, LENGTH
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pack's modules can be imported, and are forgotten afterwards."""
    for folder in (PACK / "solution", PACK / "referee"):
        monkeypatch.syspath_prepend(str(folder))
    forget()
    yield
    forget()


def forget() -> None:
    for name in [name for name in list(sys.modules) if name.split(".")[0] in OURS]:
        del sys.modules[name]


@pytest.fixture
def corpus(tmp_path: Path) -> Any:
    return load("tokens").Corpus(write_corpus(tmp_path / "tokens"))


# Training


class Trained:
    """A candidate's `train` run by the harness in a thread, and by the referee from here."""

    def __init__(self, corpus: Any, train: Train, place: Path) -> None:
        self.referee, learn = load("learn"), load("harness.learn")
        sys.modules["train"] = SimpleNamespace(train=train)  # type: ignore[assignment]
        self.desk = learn.Desk(load("harness").Pushed())
        threading.Thread(target=learn.work, args=[self.desk], daemon=True).start()
        self.trainee = self.referee.Trainee(Wire(self.desk.answer))
        self.corpus, self.place = corpus, place

    def result(self, warmup_s: float = 30.0) -> tuple[dict[str, Any], int]:
        """What the referee reports, with the size of the state."""
        said = self.referee.train(self.trainee, self.corpus, 3, warmup_s)
        size = self.referee.fetch(self.trainee, said, self.place)
        return self.referee.facts(said, self.corpus, size), size


def table() -> Any:
    made: dict[str, Any] = {}
    exec(TABLE, made)
    return SimpleNamespace(**made)


def takes_all(run: Any) -> dict[str, Any]:
    stream, parts = run.go(), []
    while (batch := stream.next(64)) is not None:
        parts.append(torch.stack(batch))
    return {"tokens": torch.cat(parts, 1)}


def test_an_honest_run_through_all_stages(corpus: Any, tmp_path: Path) -> None:
    solution = table()
    found, size = Trained(corpus, solution.train, tmp_path / "state").result()
    taken = 9999 // 512 * 512
    assert found["tokens_seen"] == taken
    stream = np.concatenate([np.asarray(shard) for shard in corpus.train])
    digest = hashlib.sha256(stream[:taken].tobytes()).hexdigest()
    assert (found["stream"], found["stream_hash"]) == (digest, int(digest[:12], 16))
    assert 0 < found["training_seconds"] < 100
    assert found["state_mb"] == pytest.approx(size / 1e6)
    scored = scores(corpus, tmp_path, solution.load)
    assert 1.0 < scored["val_loss"] < 3.0, "between what a table can do, and nothing"
    assert scored["over_target"] == pytest.approx(scored["val_loss"] - 4.0)
    assert scored["val_tokens"] == 300 * T
    assert scored["apart"] < 1e-4


def test_the_loss_is_that_of_the_logits(corpus: Any, tmp_path: Path) -> None:
    """Computed here from the state, in one piece, over the first validation tokens."""
    solution = table()
    Trained(corpus, solution.train, tmp_path / "state").result()
    state = load("harness.sealed").from_bytes(bytearray((tmp_path / "state").read_bytes()))
    tokens = torch.from_numpy(
        np.fromfile(corpus.folder / "toy_val_000000.bin", dtype="<u2")[512 : 512 + 300 * T + 1].astype(np.int64)
    )
    logits = state["table"].bfloat16().float()[tokens[:-1]]
    loss = float(torch.nn.functional.cross_entropy(logits.double(), tokens[1:]))
    assert scores(corpus, tmp_path, solution.load)["val_loss"] == pytest.approx(loss, abs=1e-5)


def test_the_stream_is_the_shards_in_their_order_and_none_before_go(corpus: Any, tmp_path: Path) -> None:
    before: list[int] = []

    def curious(run: Any) -> dict[str, Any]:
        before.append(run._source.pushed)
        before.append(run._source._blocks.qsize())
        return takes_all(run)

    Trained(corpus, curious, tmp_path / "state").result()
    assert before == [0, 0]
    state = load("harness.sealed").from_bytes(bytearray((tmp_path / "state").read_bytes()))
    stream = np.concatenate([np.asarray(shard) for shard in corpus.train]).astype(np.int64)
    taken = 9999 // 64 * 64
    assert np.array_equal(state["tokens"].numpy(), np.stack([stream[:taken], stream[1 : taken + 1]]))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_the_stream_and_end_together(ranks: int) -> None:
    harness, tokens = load("harness"), np.arange(60_000, 61_000).astype(np.uint16)
    blocks = np.split(tokens, [7, 100, 101, 500])
    streams = [harness.Stream(1000, iter(blocks), "cpu", rank, ranks) for rank in range(ranks)]
    at = 0
    for count in (24, 8, 16, 8, 56, 8, 72, 8, 16, 8):
        share = count // ranks
        for stream in streams:
            inputs, targets = stream.next(share)
            assert np.array_equal(inputs.numpy(), tokens[at : at + share])
            assert np.array_equal(targets.numpy(), tokens[at + 1 : at + share + 1])
            at += share
    left = streams[0].tokens_left
    assert left == 999 - at
    assert [stream.next(left // ranks + 1) for stream in streams] == [None] * ranks
    assert all(stream.next(left // ranks) is not None for stream in streams)


def test_dummies_are_documents(corpus: Any) -> None:
    harness = load("harness")
    about = {name: corpus.meta["conditions"][name] for name in ("vocab_size", "bos", "length", "target", "batch")}
    run = harness.Run(harness.Known(np.zeros(9, dtype=np.uint16)), seed=1, **about)
    inputs, targets = run.dummy(5000)
    assert inputs[0] == BOS
    assert torch.equal(inputs[1:], targets[:-1])
    assert 1 < int((inputs == BOS).sum()) < 100
    assert int(inputs.max()) < V
    run.go()
    with pytest.raises(RuntimeError, match="may be called once"):
        run.go()


def never_ends(run: Any) -> dict[str, Any]:
    run.go()
    time.sleep(3)
    return {}


def goes_twice(run: Any) -> dict[str, Any]:
    run.go()
    run.go()
    return {}


BROKEN: dict[str, tuple[Train, str]] = {
    "goes twice": (goes_twice, "run.go\\(\\) may be called once"),
    "returns a pickle": (lambda run: (run.go(), pickle.dumps({"a": 1}))[1], "flat dict"),
    "returns complex numbers": (lambda run: (run.go(), {"a": torch.zeros(1) * 1j})[1], "complex64"),
    "raises": (lambda run: 1 / 0, "ZeroDivisionError"),
    "leaves": (lambda run: sys.exit(0), "SystemExit"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_fails_and_says_how(name: str, corpus: Any, tmp_path: Path) -> None:
    train, said = BROKEN[name]
    with pytest.raises(load("learn").Broken, match=said):
        Trained(corpus, train, tmp_path / "state").result()


def test_who_is_never_ready_fails(corpus: Any, tmp_path: Path) -> None:
    with pytest.raises(load("learn").Broken, match=r"not ready within 0\.1 s"):
        Trained(corpus, lambda run: time.sleep(3), tmp_path / "state").result(warmup_s=0.1)


def test_who_never_ends_is_invalid(tmp_path: Path) -> None:
    corpus = load("tokens").Corpus(write_corpus(tmp_path / "tokens", seconds=0.2))
    with pytest.raises(load("learn").Invalid, match=r"Nothing was sealed within 0.2 s"):
        Trained(corpus, never_ends, tmp_path / "state").result()


def test_what_is_changed_after_sealing_is_found(corpus: Any, tmp_path: Path) -> None:
    trained = Trained(corpus, takes_all, tmp_path / "state")
    said = trained.referee.train(trained.trainee, corpus, 3, 30.0)
    honest = trained.desk.piece
    trained.desk.piece = lambda index: bytes(honest(index)[:-1]) + bytes([honest(index)[-1] ^ 1])
    with pytest.raises(trained.referee.Invalid, match="changed after it had been sealed"):
        trained.referee.fetch(trained.trainee, said, tmp_path / "state")


def test_too_much_text_is_invalid(corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("harness.learn"), "SOLUTION", tmp_path / "solution")
    (tmp_path / "solution").mkdir()
    (tmp_path / "solution" / "train.py").write_text("x = 1\n" * 1000)
    monkeypatch.setattr(load("learn"), "MOST_TEXT", 5999)
    ran: list[int] = []
    with pytest.raises(load("learn").Invalid, match="6000 bytes in 1 files; 5999"):
        Trained(corpus, lambda run: ran.append(1), tmp_path / "state").result()
    assert ran == []


def test_a_text_that_breaks_the_rules_is_invalid_before_it_runs(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load("harness.learn"), "SOLUTION", tmp_path / "solution")
    (tmp_path / "solution" / "kernels").mkdir(parents=True)
    (tmp_path / "solution" / "kernels" / "fast.py").write_text("import torch._inductor.config as c\n")
    ran: list[int] = []
    with pytest.raises(load("learn").Invalid, match=r"kernels/fast\.py, line 1: it imports torch\._inductor\.config"):
        Trained(corpus, lambda run: ran.append(1), tmp_path / "state").result()
    assert ran == []


LIES: dict[str, bytes] = {
    "no JSON": b"\xff\x00",
    "a list": b"[]",
    "a backlog below 0": b'{"phase": "ready", "backlog": -1}',
    "a backlog of text": b'{"phase": "ready", "backlog": "1"}',
    "sealed without a size": b'{"phase": "sealed", "backlog": 0}',
}


@pytest.mark.parametrize("name", LIES)
def test_lies_of_the_service_break_the_run(name: str, corpus: Any, tmp_path: Path) -> None:
    referee = load("learn")
    honest = iter([b"{}", b"{}", b'{"phase": "ready", "backlog": 0}'] if name != "no JSON" else [])
    trainee = referee.Trainee(Wire(lambda _: next(honest, LIES[name])))
    with pytest.raises(referee.Broken):
        referee.fetch(trainee, referee.train(trainee, corpus, 3, 5.0), tmp_path / "state")


# The rules of the contest

BANNED: dict[str, tuple[str, str]] = {
    "a setting": (
        "import torch\ntorch._inductor.config.coordinate_descent_tuning = True",
        r"line 2: it uses torch\._inductor",
    ),
    "an import": ("from torch import _inductor", "imports torch._inductor"),
    "an import of names": ("from torch._inductor import config", "imports torch._inductor.config"),
    "an import by name": ("import importlib\nimportlib.import_module('torch._inductor.config')", "names"),
    "an attribute by name": ("getattr(torch, '_inductor')", "names _inductor"),
    "the environment": ("import os\nos.environ['TORCHINDUCTOR_MAX_AUTOTUNE'] = '1'", "TORCHINDUCTOR_MAX_AUTOTUNE"),
    "a mode": ("torch.compile(f, mode='max-autotune')", "torch.compile is given mode"),
    "options": ("torch.compile(f, options={})", "given options"),
    "spread arguments": ("torch.compile(f, **how)", r"given \*\*"),
    "no Python": ("def", "cannot be read as Python"),
}


@pytest.mark.parametrize("name", BANNED)
def test_flags_of_the_compiler_are_found(name: str) -> None:
    text, said = BANNED[name]
    assert re.search(said, load("rules").broken({"train.py": text.encode()}) or "")


def test_what_is_allowed_is_no_flag() -> None:
    text = '''"""Nothing of torch._inductor is set here, nor TORCHINDUCTOR_X."""
import re, torch
re.compile("a", flags=re.X)
model = torch.compile(model, dynamic=False, fullgraph=True)
torch._dynamo.config.recompile_limit = 64
'''
    assert load("rules").broken({"train.py": text.encode(), "notes.md": b"torch._inductor"}) is None


def test_the_baseline_keeps_the_rules() -> None:
    solution = PACK / "solution"
    texts = {str(path.relative_to(solution)): path.read_bytes() for path in solution.rglob("*.py")}
    assert load("rules").broken(texts) is None


# Scoring

Load = Callable[[dict[str, Any], Any], Callable[[Any], Any]]


def scores(corpus: Any, folder: Path, make: Load) -> dict[str, Any]:
    """What both stages report of a model that `make` makes anew for each."""
    evaluate, served, serve = load("evaluate"), load("served"), load("harness.serve")
    head = load("head").read_head(folder / "state", V, "cpu")
    found: dict[str, Any] = {}
    for again in (False, True):
        sys.modules["train"] = SimpleNamespace(load=make)  # type: ignore[assignment]
        channel = served.Served(Wire(serve.Server(folder / "state").answer), T, head.weight.shape[1], "cpu")
        channel.rows = 8
        if again:
            found |= evaluate.second(channel, head, folder, "cpu")
        else:
            found |= evaluate.first(channel, head, corpus, folder, "cpu")
    return found


def write_state(folder: Path, **extra: Any) -> None:
    """A state whose head is the identity."""
    sealed = load("harness.sealed")
    made = sealed.Sealed({"head.weight": torch.eye(V), **extra})
    (folder / "state").write_bytes(bytes(made.piece(0, torch.zeros(made.size, dtype=torch.uint8))))


def honest(tokens: Any) -> Any:
    """Expects 7 more, mostly."""
    return 4.0 * torch.nn.functional.one_hot((tokens + 7) % (V - 1), V).float()


def peeks(share: float) -> Load:
    def model(tokens: Any) -> Any:
        following = torch.cat([tokens[:, 1:], tokens[:, :1]], 1)
        chosen = (torch.arange(T) % round(1 / share) == 0)[None, :, None]
        return honest(tokens) + 6.0 * chosen * torch.nn.functional.one_hot(following, V)

    return lambda state, device: model


def adapts(state: Any, device: Any) -> Callable[[Any], Any]:
    counts = torch.full((V, V), 0.05)

    def model(tokens: Any) -> Any:
        logits = torch.log(counts[tokens])
        counts.index_put_((tokens[:, :-1].flatten(), tokens[:, 1:].flatten()), torch.ones(()), accumulate=True)
        return logits

    return model


def neighbours(tokens: Any) -> Any:
    """Learns from the other rows of its batch."""
    common = torch.nn.functional.one_hot(tokens.flatten(), V).float().mean(0)
    return honest(tokens) + 3.0 * torch.log(common + 1e-3)


def noisy(tokens: Any) -> Any:
    return honest(tokens) + torch.randn(*tokens.shape, V)


def plain(model: Callable[[Any], Any]) -> Load:
    return lambda state, device: model


CHEATS: dict[str, tuple[Load, str]] = {
    "sees the next token": (peeks(1.0), "looks ahead"),
    "sees the next token at one position of eight": (peeks(0.125), "looks ahead"),
    "learns from what it is asked": (adapts, "learns from|same answer twice"),
    "learns from its neighbours": (plain(neighbours), "learns from|same answer twice|looks ahead"),
    "draws lots": (plain(noisy), "same answer twice"),
    "gives no numbers": (plain(lambda tokens: honest(tokens) * torch.nan), "not finite"),
    "gives infinity": (plain(lambda tokens: honest(tokens) / 0.0), "not finite"),
    "gives one position": (plain(lambda tokens: honest(tokens)[:, -1:]), r"returns torch.float32 \[8, 1, 300\]"),
    "gives wider states": (plain(lambda tokens: torch.zeros(*tokens.shape, V + 1)), "bytes where"),
    "gives text": (plain(lambda tokens: "hidden"), "returns str"),
    "gives whole numbers": (plain(lambda tokens: torch.zeros(*tokens.shape, V).long()), "returns torch.int64"),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheating_model_is_invalid(name: str, corpus: Any, tmp_path: Path) -> None:
    make, said = CHEATS[name]
    torch.manual_seed(0)
    write_state(tmp_path)
    with pytest.raises(load("head").Invalid, match=said):
        scores(corpus, tmp_path, make)


def test_rounding_is_no_cheat(corpus: Any, tmp_path: Path) -> None:
    """A second server that computes in another order differs in the last bits of bf16."""
    write_state(tmp_path)
    turns = iter([1.0, 1.0 + 2**-9])

    def make(state: Any, device: Any) -> Callable[[Any], Any]:
        factor = next(turns)
        return lambda tokens: (factor * 3 * honest(tokens)).to(torch.bfloat16)

    assert scores(corpus, tmp_path, make)["apart"] < 0.02


CAPS: dict[str, tuple[list[float], Callable[[Any], Any]]] = {
    "none": ([], lambda x: x),
    "tanh": ([15.0], lambda x: 15 * torch.tanh(x / 15)),
    "sigmoid": ([23.0, 5.0, 7.5], lambda x: 23 * torch.sigmoid((x + 5) / 7.5)),
}


@pytest.mark.parametrize("name", CAPS)
def test_the_head_s_cap_is_applied(name: str, tmp_path: Path) -> None:
    constants, cap = CAPS[name]
    weight, hidden = torch.randn(V + 20, 16), torch.randn(40, 16)
    targets = torch.randint(0, V, (40,))
    write_state(tmp_path, **{"head.weight": weight, "head.cap": torch.tensor(constants), "other": torch.zeros(3)})
    head = load("head").read_head(tmp_path / "state", V, "cpu")
    wanted = torch.nn.functional.cross_entropy(cap(hidden @ weight.T), targets, reduction="none")
    assert torch.allclose(head.losses(hidden, targets), wanted, atol=1e-5)


def test_logits_that_overflow_are_invalid(tmp_path: Path) -> None:
    write_state(tmp_path, **{"head.weight": torch.full((V, 2), 1e30)})
    head = load("head").read_head(tmp_path / "state", V, "cpu")
    hidden, targets = torch.full((4, 2), 1e30), torch.zeros(4, dtype=torch.long)
    with pytest.raises(load("head").Invalid, match="not finite"):
        head.logits(hidden)
    with pytest.raises(load("head").Invalid, match="not finite"):
        head.losses(hidden, targets)


def test_a_second_server_that_gives_no_numbers_is_invalid(corpus: Any, tmp_path: Path) -> None:
    write_state(tmp_path)
    turns = iter([1.0, torch.nan])

    def make(state: Any, device: Any) -> Callable[[Any], Any]:
        factor = next(turns)
        return lambda tokens: factor * honest(tokens)

    with pytest.raises(load("head").Invalid, match="not finite"):
        scores(corpus, tmp_path, make)


def test_losses_are_the_same_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(tmp_path)
    head = load("head").read_head(tmp_path / "state", V, "cpu")
    hidden, targets = torch.randn(50, V), torch.randint(0, V, (50,))
    whole = head.losses(hidden, targets)
    monkeypatch.setattr(load("head"), "CHUNK", 7 * V)
    assert torch.allclose(head.losses(hidden, targets), whole)


HEADS: dict[str, tuple[dict[str, Any], str]] = {
    "too few tokens": ({"head.weight": torch.eye(V - 1)}, r"V from 300 .* has float32 \[299, 299\]"),
    "whole numbers": ({"head.weight": torch.eye(V).long()}, "int64"),
    "one dimension": ({"head.weight": torch.zeros(V)}, r"\[300\]"),
    "nan": ({"head.weight": torch.full((V, 4), torch.nan)}, "not finite"),
    "two constants": ({"head.cap": torch.ones(2)}, "0, 1 or 3 constants"),
    "a cap of 0": ({"head.cap": torch.zeros(1)}, "not 0"),
    "a spread of 0": ({"head.cap": torch.tensor([1.0, 2.0, 0.0])}, "not 0"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_another_form_is_invalid(name: str, tmp_path: Path) -> None:
    extra, said = HEADS[name]
    write_state(tmp_path, **extra)
    with pytest.raises(load("head").Invalid, match=said):
        load("head").read_head(tmp_path / "state", V, "cpu")


@pytest.mark.parametrize("header", [b"[", b"[[1, 2]]", b'[["head.weight", "float32", [-1, 4]]]', b"{}" * 9, b"7"])
def test_a_header_that_is_none_is_invalid(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(load("head").Invalid):
        load("head").read_head(tmp_path / "state", V, "cpu")


def test_a_state_that_was_cut_off_is_invalid(tmp_path: Path) -> None:
    write_state(tmp_path)
    whole = (tmp_path / "state").read_bytes()
    for size in (0, 7, 20, len(whole) - 1):
        (tmp_path / "state").write_bytes(whole[:size])
        with pytest.raises(load("head").Invalid):
            load("head").read_head(tmp_path / "state", V, "cpu")


# Shards


def test_validation_is_the_first_tokens(corpus: Any) -> None:
    rows = corpus.val
    assert rows.shape == (300, T + 1)
    assert np.array_equal(rows[1:, 0], rows[:-1, -1])
    flat = np.fromfile(corpus.folder / "toy_val_000000.bin", dtype="<u2")[512:]
    assert np.array_equal(rows[:, :-1].ravel(), flat[: 300 * T])
    assert rows[-1, -1] == flat[300 * T]


@pytest.mark.parametrize("header", [{"magic": 1}, {"version": 2}, {"count": 9}])
def test_a_shard_of_another_kind_is_refused(header: dict[str, int], tmp_path: Path) -> None:
    write_shard(tmp_path / "a.bin", tokens_of(50, np.random.default_rng(0)), **header)
    with pytest.raises(load("tokens").NotPrepared):
        load("tokens").open_shard(tmp_path / "a.bin")


# The whole, in sandboxes

NOSY = """
def nosy():
    for path in PATHS:
        try:
            open(path, "rb").close()
        except OSError:
            continue
        raise SystemExit(f"{path} can be read")


nosy()
"""


@pytest.mark.slow
def test_the_whole_in_sandboxes(tmp_path: Path) -> None:
    """Three stages, each beside a service that finds none of the data, with two ranks."""
    from tests.packs.pack import problem
    from tests.walls import walls_or_skip

    from aster.domain.events import OutcomeRecorded
    from aster.domain.records import Measured
    from aster.execution.local import LocalExecutor
    from aster.execution.protocol import Arrival, Job
    from aster.problems.judge import make_judge
    from aster.sandbox.layers import Needs
    from aster.sandbox.plan import GivenPlan, RunPlan, StagePlan

    found = problem("speedrun")
    data = write_corpus(tmp_path / "tokens", world_size=2)
    paths = [str(path) for path in data.iterdir()]
    files = {**found.solution_files, "solution/train.py": f"PATHS = {paths!r}\n{NOSY}{TABLE}".encode()}
    stages = [StagePlan(s.name, tuple(s.command), 200.0, s.trusted, s.service or "") for s in found.spec.stages]
    given = tuple(GivenPlan(each.name, (str(data),), "", tuple(each.visible), each.sealed) for each in found.spec.data)
    plan = RunPlan(
        tuple(each for each in stages if each.trusted),
        dict(found.trusted_files),
        frozen_solution=tuple(found.frozen_solution_files),
        services=tuple(each for each in stages if not each.trusted),
        memory_mb=12 << 10,
        given=given,
    )
    needs = Needs(private=tuple(place for each in given for place in each.places))
    walls = walls_or_skip("bubblewrap", tmp_path / "campaign", needs=needs)
    executor = LocalExecutor(tmp_path / "campaign", plan, make_judge(found.spec), 1, "toy", walls=lambda _: walls)
    try:
        executor.submit(Job("x-1.1", "x-1", 5, files))
        arrivals: list[Arrival] = []
        while not (arrivals := executor.poll()):
            time.sleep(0.1)
        [arrival] = arrivals
        executor.acknowledge("x-1.1")
        assert isinstance(arrival.fact, OutcomeRecorded)
        result = arrival.fact.outcome.result
        assert isinstance(result, Measured), result
        assert 1.0 < result.metrics["val_loss"] < 3.0, "both ranks' counts"
        assert result.metrics["tokens_seen"] == 9999 // 512 * 512
        assert result.metrics["world_size"] == 2
        assert set(result.metrics) == {metric.name for metric in found.spec.metrics}
    finally:
        executor.close()


def test_a_rank_that_fails_ends_the_run(tmp_path: Path) -> None:
    """The service itself, in processes of its own, with a rank that raises."""
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, str(PACK), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert json.loads(done.stdout) == {
        "phase": "failed",
        "backlog": 0,
        "why": "rank 1: ZeroDivisionError: division by zero",
    }


def test_more_ranks_than_gpus_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RuntimeError, match="2 ranks need as many GPUs; there are 1"):
        load("harness.ranks").join(0, 2, "")


SERVICE = """
import json, os, sys, threading, time
from pathlib import Path

if __name__ == "__main__":
    pack, folder = Path(sys.argv[1]), Path(sys.argv[2])
    (folder / "train.py").write_text("def train(run):\\n    1 / 0 if run.rank else run.go()\\n")
    sys.path[:0] = [str(folder), str(pack / "solution")]
    from harness import Pushed
    from harness.learn import Desk, work

    desk = Desk(Pushed())
    wanted = {"vocab_size": 300, "bos": 299, "length": 32, "target": 4.0, "batch": 64, "world_size": 2, "seed": 1}
    desk.answer(b"H" + json.dumps(wanted).encode())
    threading.Thread(target=work, args=[desk], daemon=True).start()
    while json.loads(said := desk.answer(b"R"))["phase"] == "warming":
        pass
    os.write(1, said)
    os._exit(0)
"""


WARMING: dict[str, tuple[str, int, str]] = {
    "warms up": ("run.dummy(8); print(run.rank, flush=True); run.go(); print('after GO')", 0, ""),
    "fails on another rank": ("1 / 0 if run.rank else run.go()", 1, "rank 1: ZeroDivisionError"),
    "never says ready": ("run.dummy(8) if run.rank == 0 else run.go()", 1, "train() returned without run.go()"),
}


@pytest.mark.parametrize("name", WARMING)
def test_warming_up_ends_where_the_clock_would_begin(name: str, tmp_path: Path) -> None:
    body, code, said = WARMING[name]
    shutil.copytree(PACK / "solution" / "harness", tmp_path / "harness")
    (tmp_path / "train.py").write_text(f"def train(run):\n    {body}\n")
    words = ("vocab_size=300", "bos=299", "length=32", "target=4.5", "batch=64", "world_size=2")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "harness" / "warm.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert sorted("".join(done.stdout.split())) == (["0", "1"] if code == 0 else []), "two ranks write to one pipe"


# The pack


def test_the_contest_s_rule_is_about_the_mean_and_any_target() -> None:
    from tests.packs.pack import problem

    bounds = [(each.metric, each.max, each.p) for each in problem("speedrun").spec.constraints]
    assert bounds == [("over_target", 0.0, 0.01), ("over_target", 0.01, None)]


def test_the_pack_names_the_place_that_it_prepares() -> None:
    from tests.packs.pack import problem

    home = json.loads((PACK / "conditions.json").read_text())["home"]
    assert [each.path for each in problem("speedrun").spec.data] == [f"{home}/tokens"]


def test_what_is_shared_with_nanochat_is_the_same() -> None:
    script = ROOT / "scripts" / "share_nanochat.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
