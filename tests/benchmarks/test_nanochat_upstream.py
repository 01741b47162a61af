"""Upstream's model and optimizer as a variant: what is taken from a checkout, and that it trains on our rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("benchmarks.nanochat_upstream", reason="the benchmarks are not in a source distribution")

from benchmarks import nanochat_upstream

RULE = nanochat_upstream.RULE
MODEL = """
@dataclass
class GPTConfig:
    sequence_len: int
    vocab_size: int
    n_layer: int
    n_head: int
    n_kv_head: int
    n_embd: int
    window_pattern: str


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.window_sizes = [(4, 0)]
        self.n_head = config.n_head
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def init_weights(self):
        nn.init.normal_(self.embed.weight)
        nn.init.zeros_(self.lm_head.weight)

    def estimate_flops(self):
        return 1.0

    def setup_optimizer(self, **settings):
        group = {"params": list(self.parameters()), "lr": settings["matrix_lr"], "kind": "muon"}
        made = torch.optim.Adam([group])
        made.param_groups[0]["initial_lr"] = settings["matrix_lr"]
        return made

    def forward(self, tokens, targets=None):
        x = self.embed(tokens)
        heads = x.unflatten(-1, (self.n_head, -1))
        x = x + fa3.flash_attn_func(heads, heads, heads, causal=True, window_size=(4, 0)).flatten(-2)
        logits = self.lm_head(F.rms_norm(x, (x.size(-1),))).float()
        return logits if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten())
"""
SETTINGS = """
ASPECT_RATIO, HEAD_DIM, WINDOW_PATTERN, DEPTH, DEVICE_BATCH_SIZE, TOTAL_BATCH_SIZE = 8, 8, "SL", 2, 2, 2 * 2 * 24
EMBEDDING_LR = UNEMBEDDING_LR = MATRIX_LR = SCALAR_LR = 0.05
WEIGHT_DECAY, ADAM_BETAS = 0.2, (0.8, 0.95)
"""
SCHEDULES = """# Schedules

def get_lr_multiplier(progress):
    return 1 - progress

def get_muon_momentum(step):
    return 0.9

def get_weight_decay(progress):
    return WEIGHT_DECAY
"""


def section(head: str, body: str) -> str:
    return f"{RULE}\n# {head}\n{RULE}\n{body}\n"


def upstream(folder: Path) -> Path:
    """A checkout that is made as upstream's, with a small model."""
    folder.mkdir()
    parts = [
        "import torch\nraise SystemExit('what is outside of the sections does not run')\n",
        section("GPT Model", MODEL),
        section("Optimizer (of whatever kind)", "KINDS = 1"),
        section("Hyperparameters (edit these)", SETTINGS),
        section("Setup: all of it", "tokenizer = download()\n" + SCHEDULES),
        section("Training loop", "while True: pass"),
    ]
    (folder / "train.py").write_text("".join(parts))
    return folder


def test_what_is_defined_is_taken_and_what_runs_is_not(tmp_path: Path) -> None:
    text = nanochat_upstream.definitions((upstream(tmp_path / "there") / "train.py").read_text())
    assert all(part.strip() in text for part in (MODEL, "KINDS = 1", SETTINGS, SCHEDULES))
    assert not any(part in text for part in ("SystemExit", "download", "while True"))
    compile(text, "upstream.py", "exec")


@pytest.mark.parametrize("text", [None, "print('hello')", section("GPT Model", MODEL), SCHEDULES])
def test_another_checkout_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    if text is not None:
        (tmp_path / "train.py").write_text(text)
    with pytest.raises(SystemExit) as ended:
        nanochat_upstream.main(["--checkout", str(tmp_path), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert ("holds no train.py" if text is None else "is not the one this was made for") in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_it_trains_on_the_harness_rows_and_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    np = pytest.importorskip("numpy")
    out = tmp_path / "variant"
    assert nanochat_upstream.main(["--checkout", str(upstream(tmp_path / "there")), "--out", str(out)]) == 0
    monkeypatch.syspath_prepend(nanochat_upstream.PACK / "solution")
    monkeypatch.syspath_prepend(out)
    for name in ("baseline", "upstream", "harness"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from harness import Ahead, Run  # type: ignore[import-not-found]

    rows = np.tile(np.arange(25, dtype=np.uint16) % 16, (400, 1))
    run = Run(Ahead(400, iter([rows])), vocab_size=16, length=24, seed=1, seconds=600, device="cpu")
    state = nanochat_upstream.train(run)
    assert run.rows_taken == 400, "the stream ended first"
    assert [point["step"] for point in run.points][:3] == [0, 1, 11]
    assert run.points[1]["loss"] == pytest.approx(np.log(16)), "the warm-up left nothing behind"
    assert run.points[-2]["loss"] < 1.0, "it learnt what follows"
    logits = nanochat_upstream.load(state, "cpu")(torch.from_numpy(rows[:2, :-1].astype("int64")))
    assert logits.shape == (2, 24, 16)
    assert (logits.argmax(-1) == torch.from_numpy(rows[:2, 1:].astype("int64"))).float().mean() > 0.9
