"""The referee of the nanochat problem: an honest run, and candidates that would fool it."""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

torch.set_num_threads(1)  # threads that spin take longer, where others run beside us
ROOT = Path(__file__).parents[2]
PACK, MINI = ROOT / "packs" / "nanochat", ROOT / "packs" / "nanochat_mini"
V, T = 300, 32
OURS = ("bpb", "evaluate", "harness", "learn", "picture", "probes", "served", "tokens", "train")


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pack's modules can be imported, and are forgotten afterwards."""
    for folder in (MINI / "solution", PACK / "referee"):
        monkeypatch.syspath_prepend(str(folder))
    yield
    for name in [name for name in list(sys.modules) if name.split(".")[0] in OURS]:
        del sys.modules[name]


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture
def corpus(tmp_path: Path) -> Any:
    return made_corpus(tmp_path / "data")


def made_corpus(folder: Path, seconds: float = 600.0, rows: int = 640) -> Any:
    """Rows in which each token is mostly 7 more than the last."""
    rng = np.random.default_rng(0)
    for name in ("tokens", "sealed"):
        (folder / name).mkdir(parents=True)

    def save(path: str, count: int) -> None:
        steps = np.where(rng.random((count, T + 1)) < 0.9, 7, rng.integers(0, V - 1, (count, T + 1)))
        np.save(folder / path, ((rng.integers(0, V, (count, 1)) + steps.cumsum(1)) % (V - 1)).astype(np.uint16))

    save("tokens/train_00000.npy", rows // 2)
    save("tokens/train_00001.npy", rows - rows // 2)
    save("tokens/val.npy", 300)
    save("sealed/sealed.npy", 40)
    np.save(folder / "tokens/token_bytes.npy", np.array([2] * (V - 1) + [0], dtype=np.int32))
    conditions = {"vocab_size": V, "length": T, "seconds": seconds, "train_rows": 0}
    (folder / "tokens/meta.json").write_text(json.dumps({"conditions": conditions}))
    return load("tokens").Corpus(folder)


class Wire:
    """A channel whose other end is a function in this process."""

    def __init__(self, answer: Callable[[bytes], bytes | memoryview]) -> None:
        self._answer, self._asked = answer, b""

    def call(self, request: bytes, timeout_s: float, most: int) -> bytes:
        found = bytes(self._answer(bytes(request)))
        assert len(found) <= most
        return found

    def ask(self, request: bytes) -> None:
        self._asked = request

    def take(self, timeout_s: float, into: memoryview) -> int:
        found = bytes(self._answer(self._asked))
        into[: len(found)] = found
        return len(found)


# Training


class Trained:
    """A candidate's `train` run by the harness in a thread, and by the referee from here."""

    def __init__(self, corpus: Any, train: Callable[[Any], Any], place: Path) -> None:
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


def takes_all(run: Any) -> dict[str, Any]:
    stream, rows = run.go(), []
    while (batch := stream.next(16)) is not None:
        rows.append(batch[0])
    return {"rows": torch.cat(rows)}


def test_an_honest_run_through_both_stages(corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solution = load("train")
    monkeypatch.setattr(solution, "STEP_TOKENS", 1536)
    found, size = Trained(corpus, solution.train, tmp_path / "state").result()
    assert 600 * T <= found["tokens_seen"] <= 640 * T, "all but a last step that is not whole"
    assert found["epochs"] == pytest.approx(found["tokens_seen"] / 640 / T)
    assert 0 < found["training_seconds"] < 600
    assert found["state_mb"] == pytest.approx(size / 1e6)
    state = load("harness.sealed").from_bytes(bytearray((tmp_path / "state").read_bytes()))
    sys.modules["train"] = solution
    scored = scores(corpus, tmp_path, lambda: solution.load(state, "cpu"))
    assert 0 < scored["val_bpb"] < np.log2(V) / 2, "it has learnt something, of 2 bytes a token"
    assert (scored["val_tokens"], scored["sealed"]) == (300 * T, 0)
    assert scored["apart"] < 1e-4
    assert scores(corpus, tmp_path, lambda: solution.load(state, "cpu"), sealed=True)["val_tokens"] == 40 * T


def test_every_row_comes_once_and_none_before_go(corpus: Any, tmp_path: Path) -> None:
    before: list[int] = []

    def curious(run: Any) -> dict[str, Any]:
        before.append(run._source.pushed)
        before.append(run._source._blocks.qsize())
        return takes_all(run)

    Trained(corpus, curious, tmp_path / "state").result()
    assert before == [0, 0]
    state = load("harness.sealed").from_bytes(bytearray((tmp_path / "state").read_bytes()))
    given, there = state["rows"].numpy(), corpus.train.take(np.arange(640))[:, :-1]
    assert not np.array_equal(given, there)
    assert sorted(map(bytes, given.astype(np.uint16))) == sorted(map(bytes, there))


def after_sleep(seconds: float) -> Callable[[Any], dict[str, Any]]:
    def train(run: Any) -> dict[str, Any]:
        run.go()
        time.sleep(seconds)
        return {"a": torch.zeros(3)}

    return train


def goes_twice(run: Any) -> dict[str, Any]:
    run.go()
    run.go()
    return {}


def test_late_is_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("learn"), "GRACE_S", 0.2)
    corpus = made_corpus(tmp_path / "data", seconds=0.1)
    with pytest.raises(load("learn").Invalid, match=r"Nothing was sealed 0.2 s after the budget of 0.1 s"):
        Trained(corpus, after_sleep(2.0), tmp_path / "state").result()


def test_the_rows_end_with_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever goes on finds nothing more to read, and is late."""
    corpus = made_corpus(tmp_path / "data", seconds=0.2)
    monkeypatch.setattr(load("learn"), "AHEAD_ROWS", 1)
    blocks = corpus.blocks
    monkeypatch.setattr(type(corpus), "blocks", lambda self, seed: blocks(seed, rows=16))
    seen: list[int] = []

    def slow(run: Any) -> dict[str, Any]:
        stream = run.go()
        while stream.next(16) is not None:
            time.sleep(0.05)
        seen.append(stream.given)
        assert stream.rows_left == 0
        return {"a": torch.zeros(3)}

    found, _ = Trained(corpus, slow, tmp_path / "state").result()
    assert 0 < seen[0] < 640
    assert found["tokens_seen"] == seen[0] * T


def test_what_is_changed_after_sealing_is_found(corpus: Any, tmp_path: Path) -> None:
    trained = Trained(corpus, takes_all, tmp_path / "state")
    said = trained.referee.train(trained.trainee, corpus, 3, 30.0)
    honest = trained.desk.piece
    trained.desk.piece = lambda index: bytes(honest(index)[:-1]) + bytes([honest(index)[-1] ^ 1])
    with pytest.raises(trained.referee.Invalid, match="changed after it had been sealed"):
        trained.referee.fetch(trained.trainee, said, tmp_path / "state")


BROKEN: dict[str, tuple[Callable[[Any], Any], str]] = {
    "goes twice": (goes_twice, "run.go\\(\\) may be called once"),
    "returns a pickle": (lambda run: (run.go(), pickle.dumps({"a": 1}))[1], "flat dict"),
    "returns objects": (lambda run: (run.go(), {"a": object()})[1], "flat dict"),
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


def test_warming_up_ends_where_the_clock_would_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    warm, seen = load("harness.warm"), []

    def train(run: Any) -> None:
        seen.append(run.dummy(2)[0].shape)
        run.go()
        seen.append("after")

    monkeypatch.setattr(sys, "path", ["", *sys.path])  # whose first entry it takes
    monkeypatch.setitem(sys.modules, "train", SimpleNamespace(train=train))
    warm.main(V, T)
    assert seen == [(2, T)]
    monkeypatch.setitem(sys.modules, "train", SimpleNamespace(train=lambda run: {}))
    with pytest.raises(SystemExit, match=r"without run\.go"):
        warm.main(V, T)


def test_too_much_text_is_invalid(corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("learn"), "MOST_TEXT", 1000)
    with pytest.raises(load("learn").Invalid, match="bytes of files; 1000 are allowed"):
        Trained(corpus, takes_all, tmp_path / "state").result()


LIES: dict[str, bytes] = {
    "no JSON": b"\xff\x00",
    "a list": b"[]",
    "a backlog below 0": b'{"bytes": 1, "phase": "ready", "backlog": -1}',
    "a backlog of text": b'{"bytes": 1, "phase": "ready", "backlog": "1"}',
    "a size that is true": b'{"bytes": true}',
    "sealed without a size": b'{"bytes": 1, "phase": "sealed", "backlog": 0}',
}


@pytest.mark.parametrize("name", LIES)
def test_lies_of_the_service_break_the_run(name: str, corpus: Any, tmp_path: Path) -> None:
    referee = load("learn")
    phases = iter([b'{"bytes": 1, "phase": "ready", "backlog": 0}'] * 2)
    trainee = referee.Trainee(Wire(lambda _: next(phases, LIES[name]) if name.startswith("sealed") else LIES[name]))
    with pytest.raises(referee.Broken):
        referee.fetch(trainee, referee.train(trainee, corpus, 3, 5.0), tmp_path / "state")


# The sealed state


def test_the_state_comes_back_and_is_no_code() -> None:
    sealed = load("harness.sealed")
    state = {
        "half": torch.randn(3, 4).to(torch.bfloat16).T,
        "none": torch.zeros(0, 5),
        "one": torch.tensor(2.5),
        "whole": torch.arange(7),
        "yes": torch.tensor([True, False]),
    }
    made = sealed.Sealed(state, piece=24)
    [*free] = sealed.rooms(3, on_gpu=False, piece=24)
    pieces = [bytes(made.piece(index, free[0])) for index in range(-(-made.size // 24))]
    assert [len(piece) for piece in pieces[:-1]] == [24] * (len(pieces) - 1)
    assert made.hashes(free) == [hashlib.sha256(piece).hexdigest() for piece in pieces]
    data = b"".join(pieces)
    assert len(data) == made.size
    back = sealed.from_bytes(bytearray(data))
    assert list(back) == list(state)
    assert all(torch.equal(back[name], state[name]) and back[name].dtype == state[name].dtype for name in state)


def test_a_change_after_sealing_changes_what_was_promised() -> None:
    sealed = load("harness.sealed")
    state = {"a": torch.zeros(100), "b": torch.zeros(100)}
    made, free = sealed.Sealed(state, piece=256), sealed.rooms(1, on_gpu=False, piece=256)
    before = made.hashes(free)
    state["b"][-1] = 1.0
    after = made.hashes(free)
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pickle.dumps({"a": 1}),
        (2).to_bytes(8, "little") + b"{}",
        (99).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"[]x",
        (21).to_bytes(8, "little") + b'[["a","float32",[9]]]' + bytes(35),
        (22).to_bytes(8, "little") + b'[["a","float32",[-1]]]',
        (20).to_bytes(8, "little") + b'[["a","object",[1]]]' + bytes(8),
    ],
)
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        load("harness.sealed").from_bytes(bytearray(data))


# Scoring


Model = Callable[[Any], Any]


def honest(tokens: Any) -> Any:
    """Knows that the next token is mostly 7 more."""
    return 5.0 * torch.nn.functional.one_hot((tokens + 7) % (V - 1), V).float()


def server(model: Model) -> Any:
    """The harness's server with this model."""
    serve = load("harness.serve")
    made = serve.Server.__new__(serve.Server)
    made._torch, made._device, made._model = torch, torch.device("cpu"), model
    made._buffer = torch.empty(0, dtype=torch.float16)
    return made


def scores(corpus: Any, folder: Path, make: Callable[[], Model], sealed: bool = False) -> dict[str, Any]:
    """Both stages, each with a fresh model."""
    evaluate, served = load("evaluate"), load("served")
    one, two = (served.Served(Wire(server(make()).answer), T, V, "cpu") for _ in range(2))
    one.rows = two.rows = 8  # so that there are several messages, of which the last is not full
    found: dict[str, Any] = evaluate.first(one, corpus, sealed, folder, "cpu")
    found |= evaluate.second(two, folder)
    return found


def test_the_metric_is_bits_per_byte_without_special_tokens(corpus: Any, tmp_path: Path) -> None:
    found = scores(corpus, tmp_path, lambda: honest)
    rows = torch.from_numpy(corpus.val.astype(np.int64))
    nll = torch.nn.functional.cross_entropy(honest(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
    plain = rows[:, 1:].flatten() != V - 1
    expected = float(nll[plain].sum()) / np.log(2) / (2 * int(plain.sum()))
    assert found["val_bpb"] == pytest.approx(expected, rel=1e-4)


def test_what_does_not_normalise_is_normalised(corpus: Any, tmp_path: Path) -> None:
    """Claiming more than all probability for everything adds the same to all logits, and changes nothing."""
    expected = scores(corpus, tmp_path, lambda: honest)["val_bpb"]
    assert scores(corpus, tmp_path, lambda: lambda tokens: honest(tokens) + 1e4)["val_bpb"] == pytest.approx(expected)
    sure = scores(corpus, tmp_path, lambda: lambda tokens: torch.zeros(*tokens.shape, V))["val_bpb"]
    assert sure == pytest.approx(np.log2(V) / 2, rel=1e-4)


def peeks(share: float) -> Callable[[], Model]:
    def model(tokens: Any) -> Any:
        logits, rng = honest(tokens), torch.Generator().manual_seed(0)
        following = torch.roll(tokens, -1, 1)
        wanted = (torch.rand(tokens.shape, generator=rng) < share) & (torch.arange(T) < T - 1)
        return logits + 9.0 * torch.nn.functional.one_hot(following, V) * wanted[..., None]

    return lambda: model


def adapts() -> Model:
    """Counts what it was asked before, and leans towards it."""
    seen = torch.zeros(V)

    def model(tokens: Any) -> Any:
        logits = honest(tokens) + torch.log(seen + 1)
        seen.add_(torch.bincount(tokens.flatten(), minlength=V))
        return logits

    return model


def remembers() -> Model:
    """Keeps all that it was asked, and knows a row again that it has seen the whole of."""
    known: dict[bytes, int] = {}

    def model(tokens: Any) -> Any:
        logits = honest(tokens)
        for row in tokens.numpy():
            known.update({row[at : at + 3].tobytes(): int(row[at + 3]) for at in range(T - 3)})
        for index, row in enumerate(tokens.numpy()):
            for at in range(2, T):
                if (token := known.get(row[at - 2 : at + 1].tobytes())) is not None:
                    logits[index, at, token] += 9.0
        return logits

    return model


def neighbours(tokens: Any) -> Any:
    """Learns from the other rows of its batch."""
    common = torch.nn.functional.one_hot(tokens.flatten(), V).float().mean(0)
    return honest(tokens) + 3.0 * torch.log(common + 1e-3)


def noisy(tokens: Any) -> Any:
    return honest(tokens) + torch.randn(*tokens.shape, V)


CHEATS: dict[str, tuple[Callable[[], Model], str]] = {
    "sees the next token": (peeks(1.0), "looks ahead"),
    "sees the next token at one position of five": (peeks(0.2), "looks ahead"),
    "sees the next token at one position of fifty": (peeks(0.02), "looks ahead"),
    "learns from what it is asked": (adapts, "learns from|same answer twice"),
    "remembers what it was asked": (remembers, "looks ahead|learns from"),
    "learns from its neighbours": (lambda: neighbours, "learns from|same answer twice|looks ahead"),
    "draws lots": (lambda: noisy, "same answer twice"),
    "gives no numbers": (lambda: lambda tokens: honest(tokens) * torch.nan, "not finite"),
    "gives infinity": (lambda: lambda tokens: honest(tokens) / 0.0, "not finite"),
    "gives one position": (lambda: lambda tokens: honest(tokens)[:, -1:], r"returns torch.float32 \[8, 1, 300\]"),
    "gives a larger vocabulary": (lambda: lambda tokens: torch.zeros(*tokens.shape, V + 1), "bytes where"),
    "gives text": (lambda: lambda tokens: "logits", "returns str"),
    "gives whole numbers": (lambda: lambda tokens: torch.zeros(*tokens.shape, V).long(), "returns torch.int64"),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheating_model_is_invalid(name: str, corpus: Any, tmp_path: Path) -> None:
    make, said = CHEATS[name]
    torch.manual_seed(0)
    with pytest.raises(load("served").Invalid, match=said):
        scores(corpus, tmp_path, make)


def test_rounding_is_no_cheat(corpus: Any, tmp_path: Path) -> None:
    """A second server that computes in another order differs in the last bits of bf16."""
    turns = iter([1.0, 1.0 + 2**-9])
    scale = {"now": 1.0}

    def make() -> Model:
        scale["now"] = next(turns)
        factor = scale["now"]
        return lambda tokens: (factor * 3 * honest(tokens)).to(torch.bfloat16)

    assert scores(corpus, tmp_path, make)["apart"] < 0.02


# The whole, in sandboxes

TABLE = """
import pathlib, torch

def nosy():
    for path in PATHS:
        try:
            open(path, "rb").close()
        except OSError:
            continue
        raise SystemExit(f"{path} can be read")

def train(run):
    nosy()
    table = torch.zeros(run.vocab_size, run.vocab_size)
    stream = run.go()
    nosy()
    while (batch := stream.next(16)) is not None and run.left() > 0.5:
        table.index_put_((batch[0].flatten(), batch[1].flatten()), torch.ones(()), accumulate=True)
        run.log(step=1, loss=2.0)
    nosy()
    return {"table": table}

def load(state, device):
    nosy()
    return lambda tokens: torch.log(state["table"][tokens] + 0.05)
"""


@pytest.mark.slow
def test_the_whole_in_sandboxes(tmp_path: Path) -> None:
    """Three stages, each beside a service that finds none of the data; a confirmation is scored on the sealed rows."""
    from tests.packs.pack import problem
    from tests.walls import walls_or_skip

    from aster.domain.events import OutcomeRecorded
    from aster.domain.records import Measured
    from aster.execution.local import LocalExecutor
    from aster.execution.protocol import Arrival, Job
    from aster.problems.judge import make_judge
    from aster.sandbox.layers import Needs
    from aster.sandbox.plan import GivenPlan, RunPlan, StagePlan

    found, data = problem("nanochat_mini"), tmp_path / "data"
    made_corpus(data, seconds=100.0, rows=160)
    paths = [str(data / name) for name in ("tokens/val.npy", "tokens/train_00000.npy", "sealed/sealed.npy")]
    files = {**found.solution_files, "solution/train.py": f"PATHS = {paths!r}\n{TABLE}".encode()}
    stages = [StagePlan(s.name, tuple(s.command), 200.0, s.trusted, s.service or "") for s in found.spec.stages]
    given = tuple(
        GivenPlan(each.name, (str(data / each.name),), "", tuple(each.visible), each.sealed) for each in found.spec.data
    )
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
    executor = LocalExecutor(tmp_path / "campaign", plan, make_judge(found.spec), 1, "mini", walls=lambda _: walls)
    try:
        for confirms in (False, True):
            executor.submit(Job("x-1.1", "x-1", 5, files, confirms=confirms))
            arrivals: list[Arrival] = []
            while not (arrivals := executor.poll()):
                time.sleep(0.1)
            [arrival] = arrivals
            executor.acknowledge("x-1.1")
            assert isinstance(arrival.fact, OutcomeRecorded)
            result = arrival.fact.outcome.result
            assert isinstance(result, Measured), result
            assert result.metrics["sealed"] == confirms
            assert result.metrics["val_tokens"] == (40 if confirms else 300) * T
            assert 0 < result.metrics["val_bpb"] < 3.5
            assert result.metrics["tokens_seen"] == 160 * T
            assert set(result.metrics) == {metric.name for metric in found.spec.metrics}
    finally:
        executor.close()


# The picture


def test_the_curve_is_drawn_from_what_can_be_read(tmp_path: Path) -> None:
    picture, curve = load("picture"), tmp_path / "curve.jsonl"
    good = [f'{{"seconds": {at}, "loss": {9 - at}}}' for at in range(5)]
    bad = ['{"seconds": NaN, "loss": 1}', '{"seconds": 1, "loss": 1e999}', "[]", '{"loss": "</svg>"}', "[" * 3000, ""]
    curve.write_text("\n".join([*bad, *good, "\udc80"]), errors="replace")
    found = picture.points(curve)
    assert found == [(float(at), 9.0 - at) for at in range(5)]
    text = picture.draw(found, "1.2500 bits per byte")
    assert text.startswith("<svg ")
    assert "1.2500 bits per byte" in text
    assert "nan" not in text
    assert picture.points(tmp_path / "none") == []


# The small pack


def test_the_packs_name_the_place_that_they_prepare() -> None:
    from tests.packs.pack import problem

    for folder in (PACK, MINI):
        home = json.loads((folder / "conditions.json").read_text())["home"]
        paths = [each.path for each in problem(folder.name).spec.data]
        assert paths == [f"{home}/tokens", f"{home}/sealed"]


def test_the_small_pack_holds_the_same_files() -> None:
    script = ROOT / "scripts" / "make_nanochat_mini.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0
