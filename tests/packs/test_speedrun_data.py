"""The preparation of the speedrun: shards from a hub, from a folder and of text, and copies of the problem."""

from __future__ import annotations

import hashlib
import http.server
import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.packs.speedrun import BOS, OURS, PACK, load, tokens_of, write_shard

from aster.problems.problem import load_problem

SMALL = ("--vocab", "300", "--bos", str(BOS), "--length", "64", "--val-tokens", "1024", "--batch", "64")


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pack's modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(PACK / "referee"))
    monkeypatch.syspath_prepend(str(PACK))
    forget()
    yield
    forget()


def forget() -> None:
    for name in [name for name in list(sys.modules) if name.split(".")[0] in OURS]:
        del sys.modules[name]


def prepared(*extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PACK / "prepare.py"), "--workers", "1", *extra]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two training shards and one of validation, as the contest has them."""
    folder, rng = tmp_path / "given", np.random.default_rng(1)
    folder.mkdir()
    stream = tokens_of(5000, rng)
    write_shard(folder / "fineweb_train_000001.bin", stream[:3000])
    write_shard(folder / "fineweb_train_000002.bin", stream[3000:])
    write_shard(folder / "fineweb_val_000000.bin", tokens_of(1100, rng))
    return folder


def test_shards_of_a_folder_are_taken_as_they_are(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = prepared("--data", str(shards), "--out", str(out), "--target", "5", "--world-size", "2", *SMALL)
    assert done.returncode == 0, done.stderr
    corpus = load("tokens").Corpus(out / "tokens")
    assert (corpus.conditions.target, corpus.conditions.world_size, corpus.conditions.bos) == (5.0, 2, BOS)
    assert corpus.val.shape == (16, 65)
    given = [np.fromfile(path, dtype="<u2")[512:] for path in sorted(shards.glob("*train*"))]
    assert np.array_equal(np.concatenate(list(corpus.blocks(700))), np.concatenate(given))
    first = (shards / "fineweb_train_000001.bin").read_bytes()
    assert corpus.meta["shards"][0]["sha256"] == hashlib.sha256(first).hexdigest()
    assert prepared("--data", str(out / "tokens"), "--out", str(out), *SMALL).returncode == 0, "from where they lie"
    assert (out / "tokens" / "fineweb_train_000001.bin").read_bytes() == first


def test_shards_that_are_no_longer_wanted_go(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert prepared("--data", str(shards), "--out", str(out), *SMALL).returncode == 0
    (shards / "fineweb_train_000002.bin").unlink()
    assert prepared("--data", str(shards), "--out", str(out), *SMALL).returncode == 0
    names = sorted(path.name for path in (out / "tokens").iterdir())
    assert names == ["fineweb_train_000001.bin", "fineweb_val_000000.bin", "meta.json"]


TROUBLES: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "another magic": ({"magic": 7}, (), "no shard of tokens"),
    "cut off": ({"count": 4000}, (), "header tells of 4000 tokens"),
    "too many tokens": ({}, ("--vocab", "302"), r"token 65000, above a vocabulary of 302"),
    "another first token": ({}, ("--vocab", "65536", "--bos", "5"), "begins with the token 299, not with 5"),
    "too few to validate on": ({}, ("--vocab", "65536", "--val-tokens", "2048"), "give --val-tokens 1088"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_shards_that_do_not_fit_are_told(name: str, shards: Path, tmp_path: Path) -> None:
    header, more, said = TROUBLES[name]
    tokens = tokens_of(3000, np.random.default_rng(2))
    tokens[700] = 65000
    write_shard(shards / "fineweb_train_000001.bin", tokens, **header)
    done = prepared("--data", str(shards), "--out", str(tmp_path / "out"), *SMALL, *more)
    assert done.returncode == 2, done.stdout
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert re.search(said, done.stderr), done.stderr
    assert not (tmp_path / "out" / "tokens" / "meta.json").exists()


def test_a_folder_without_shards_is_told(tmp_path: Path) -> None:
    done = prepared("--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "--from instead of --data" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--val-tokens", "1000"), "--val-tokens"),
        (("--batch", "12"), "--batch by 8"),
        (("--target", "0"), "above 0"),
        (("--cpu",), "goes with --copy"),
        (("--world-size", "3"), "choose from"),
        (("--data", "a", "--from", "b"), "not allowed"),
    ],
)
def test_options_that_do_not_fit_are_told(given: tuple[str, ...], said: str) -> None:
    done = prepared(*given)
    assert done.returncode == 2
    assert said in done.stderr


# The hub


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves a folder, and says of each file what it holds."""

    folder = Path()
    asked: list[str] = []

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.wfile.write(self.answer())

    def answer(self) -> bytes:
        content = (self.folder / self.path.lstrip("/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Linked-ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        return content

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_contest_s_shards_are_downloaded_once(shards: Path, tmp_path: Path) -> None:
    handler: type[Hub] = type("Handler", (Hub,), {"folder": shards, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        command = ("--hub", f"http://127.0.0.1:{server.server_port}", "--shards", "2", "--out", str(tmp_path / "out"))
        first, second = prepared(*command, *SMALL), prepared(*command, *SMALL)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    names = ["/fineweb_train_000001.bin", "/fineweb_train_000002.bin", "/fineweb_val_000000.bin"]
    assert sorted(handler.asked) == names
    assert load("tokens").Corpus(tmp_path / "out" / "tokens").train_tokens == 5000


# Text


def text(seed: int) -> str:
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 7))) for _ in range(300)]
    documents = ("\n\n".join(" ".join(rng.choices(words, k=40)) for _ in range(4)) for _ in range(60))
    return "<|endoftext|>".join(documents)


def test_text_becomes_shards_and_what_is_done_is_kept(tmp_path: Path) -> None:
    for name in ("rustbpe", "tiktoken", "pyarrow"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    source, out = tmp_path / "text", tmp_path / "out"
    source.mkdir()
    for index, name in enumerate(("a.txt", "b.txt", "val.txt")):
        (source / name).write_text(text(index))
    command = ("--from", str(source), "--out", str(out), *SMALL, "--vocab", "400")
    first = prepared(*command)
    assert first.returncode == 0, first.stderr
    assert "3 of 3 shards were written" in first.stdout
    corpus = load("tokens").Corpus(out / "tokens")
    assert (corpus.conditions.vocab_size, corpus.conditions.bos) == (400, 396)
    stream = np.concatenate(list(corpus.blocks()))
    assert int((stream == 396).sum()) == 120, "one token for each document"
    encoding = load("preparing.encoding")
    coder = encoding.encoding(json.loads((out / "shards" / "tokenizer.json").read_text()))
    again = "".join(coder.decode(part.tolist()) for part in np.split(stream, np.flatnonzero(stream == 396)))
    documents = [part for index in (0, 1) for part in text(index).split("<|endoftext|>")]
    assert again == "".join("<|reserved_0|>" + document for document in documents)
    (out / "shards" / "text_train_000002.bin").write_bytes(b"cut off")
    again_done = prepared(*command, "--target", "2")
    assert "1 of 3 shards were written" in again_done.stdout
    assert load("tokens").Corpus(out / "tokens").conditions.target == 2.0


# Copies


@pytest.mark.parametrize(("ranks", "cpu", "gpus"), [(1, False, 1), (4, False, 4), (2, True, 0)])
def test_a_copy_asks_for_what_it_was_made_for(ranks: int, cpu: bool, gpus: int, shards: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    command = ("--data", str(shards), "--copy", str(copy), "--world-size", str(ranks), *SMALL)
    done = prepared(*command, *(["--cpu"] if cpu else []))
    assert done.returncode == 0, done.stderr
    found = load_problem(str(copy))
    assert found.spec.resources.gpus == gpus
    assert found.spec.prepare is None
    assert [each.path for each in found.spec.data] == [str(tmp_path / "mine-data" / "tokens")]
    assert load("tokens").Corpus(tmp_path / "mine-data" / "tokens").conditions.world_size == ranks
    told = ("vocab_size=300", f"bos={BOS}", "length=64", "target=3.28", "batch=64", f"world_size={ranks}")
    assert (found.spec.environment.warm or ())[2:] == (() if cpu else told)
    (copy / "solution" / "train.py").write_text("RATE = 1.0\n")
    (copy / "problem.toml").write_text((copy / "problem.toml").read_text().replace("confirm = 20", "confirm = 9"))
    assert prepared(*command, "--cpu").returncode == 0
    changed = load_problem(str(copy)).spec
    assert (changed.seeds.confirm, changed.resources.gpus) == (9, 0)
    assert changed.problem.title.endswith("in the fewest seconds on the CPU")
    assert (copy / "solution" / "train.py").read_text() == "RATE = 1.0\n", "what was changed in a copy stays"


@pytest.mark.parametrize("content", ["", '[problem]\nname = "other"\n', (PACK / "problem.toml").read_text()])
def test_no_other_folder_is_overwritten(content: str, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "problem.toml").write_text(content)
    done = prepared("--data", str(shards), "--copy", str(tmp_path / "mine"), *SMALL)
    assert (tmp_path / "mine" / "problem.toml").read_text() == content
    assert done.returncode == 2
    assert "give --copy another folder" in done.stderr
