"""The preparation of the nanochat problem: packing, downloads that are cut off, parts that are kept."""

from __future__ import annotations

import base64
import hashlib
import http.server
import importlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.packs.pack import composed, library

from aster.proposers.compose import Composed

PACK = Path(__file__).parents[2] / "packs" / "nanochat"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the pack by its name."""
    monkeypatch.syspath_prepend(str(PACK))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in [name for name in list(sys.modules) if name.split(".")[0] in ("preparing", "referee")]:
        del sys.modules[name]


def lengths_of(documents: int, mean: float) -> list[int]:
    rng = random.Random(0)
    return [int(rng.expovariate(1 / mean)) + 1 for _ in range(documents)]


def as_the_benchmark(lengths: list[int], capacity: int) -> list[list[tuple[int, int]]]:
    """The rule itself, with a look at every document that waits."""
    waiting: list[int] = []
    rows: list[list[tuple[int, int]]] = []
    coming = 0
    while True:
        row: list[tuple[int, int]] = []
        room = capacity
        while room:
            while len(waiting) < 1000 and coming < len(lengths):
                waiting += range(coming, min(len(lengths), coming + 128))
                coming += 128
            if not waiting:
                return rows
            fitting = [document for document in waiting if lengths[document] <= room]
            if fitting:
                chosen = max(fitting, key=lambda document: lengths[document])
            else:
                chosen = min(waiting, key=lambda document: lengths[document])
            waiting.remove(chosen)
            row.append((chosen, min(room, lengths[chosen])))
            room -= row[-1][1]
        rows.append(row)


def test_rows_are_those_of_the_plain_rule(module: Any) -> None:
    lengths = lengths_of(2500, 30)
    assert module("preparing.packing").pack(lengths, 40) == as_the_benchmark(lengths, 40)


def test_rows_begin_with_documents_and_lose_only_cropped_tails(module: Any) -> None:
    packing = module("preparing.packing")
    lengths = lengths_of(3000, 50)
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    tokens = np.arange(sum(lengths), dtype=np.uint64) % 60000 + 1
    tokens[starts] = 0  # begins a document
    rows = packing.pack(lengths, 65)
    laid = packing.lay_out(rows, tokens.astype(np.uint16), list(starts), 65)
    assert laid.shape == (len(rows), 65)
    assert (laid[:, 0] == 0).all()
    used = [document for row in rows for document, _ in row]
    assert len(used) == len(set(used))
    assert all(taken == lengths[document] for row in rows for document, taken in row[:-1])
    last = sum(lengths[document] for document in set(range(3000)) - set(used))
    assert last < 65, "but for a last row that is not full, every document is there"
    whole = sum(lengths)
    cropped = sum(lengths[document] - taken for row in rows for document, taken in row)
    assert len(rows) * 65 + cropped <= whole < (len(rows) + 1) * 65 + cropped + max(lengths)


def test_sealed_rows_are_of_other_documents(module: Any) -> None:
    chosen, sealed = module("preparing.packing").split(lengths_of(2000, 50), 65, [], 800)
    assert len(chosen) == 800
    assert len(sealed) > 300
    assert not {document for row in chosen for document, _ in row} & {document for row in sealed for document, _ in row}


# A hub on this machine, which cuts connections off


class Cutting(http.server.BaseHTTPRequestHandler):
    """Serves `content`, ends each answer after `at_once` bytes, and remembers where it was asked to begin."""

    content = b""
    at_once = 0
    asked: list[int] = []
    ignores_ranges = False
    lies = False

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        digest = hashlib.sha256(b"else" if self.lies else self.content).hexdigest()
        self.send_header("X-Linked-ETag", f'"{digest}"')
        self.end_headers()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.ignores_ranges else 0
        self.asked.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : start + self.at_once])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[str, type[Cutting]]]:
    handler = type("Handler", (Cutting,), {"asked": [], "content": bytes(range(256)) * 40, "at_once": 4000})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_cut_download_goes_on_where_it_ended(module: Any, hub: Any, tmp_path: Path) -> None:
    url, handler = hub
    there = module("preparing.download").Hub(url, tmp_path, wait_s=0.0)
    advanced: list[int] = []
    promised = there.promises(["a.parquet"])
    there.fetch(promised, 2, advanced.append)
    assert (tmp_path / "a.parquet").read_bytes() == handler.content
    assert handler.asked == [0, 4000, 8000]
    assert sum(advanced) == len(handler.content)
    assert there.promises(["a.parquet"]) == {}, "what is there, and as noted, is not asked for again"
    (tmp_path / "a.parquet").write_bytes(b"cut")
    assert list(there.promises(["a.parquet"])) == ["a.parquet"]


def test_a_new_process_goes_on_with_a_part(module: Any, hub: Any, tmp_path: Path) -> None:
    url, handler = hub
    (tmp_path / "a.parquet.part").write_bytes(handler.content[:7000])
    there = module("preparing.download").Hub(url, tmp_path, wait_s=0.0)
    there.fetch(there.promises(["a.parquet"]), 1, lambda _: None)
    assert handler.asked == [7000]
    assert (tmp_path / "a.parquet").read_bytes() == handler.content


def test_a_hub_that_knows_no_ranges_sends_all_again(module: Any, hub: Any, tmp_path: Path) -> None:
    url, handler = hub
    handler.ignores_ranges, handler.at_once = True, 1 << 20
    (tmp_path / "a.parquet.part").write_bytes(b"old")
    there = module("preparing.download").Hub(url, tmp_path, wait_s=0.0)
    there.fetch(there.promises(["a.parquet"]), 1, lambda _: None)
    assert (tmp_path / "a.parquet").read_bytes() == handler.content


def test_what_is_not_what_was_promised_is_refused(module: Any, hub: Any, tmp_path: Path) -> None:
    url, handler = hub
    handler.lies = True
    there = module("preparing.download").Hub(url, tmp_path, wait_s=0.0)
    with pytest.raises(Exception, match=r"not what the hub promises .* It was removed"):
        there.fetch(there.promises(["a.parquet"]), 1, lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_offline_says_what_to_do(module: Any, tmp_path: Path) -> None:
    there = module("preparing.download").Hub("http://127.0.0.1:9", tmp_path)
    with pytest.raises(Exception, match=r"cannot be reached: .*refused.* --data"):
        there.promises(["a.parquet"])


# All of it


def prepared(folder: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(PACK / "prepare.py"),
        "--out",
        str(folder / "out"),
        "--length",
        "64",
        "--vocab",
        "400",
    ]
    return subprocess.run([*command, *extra], capture_output=True, text=True, check=False, timeout=120)


def text(seed: int) -> str:
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 7))) for _ in range(300)]
    return "\n\n".join(" ".join(rng.choices(words, k=rng.randint(20, 60))) for _ in range(400))


def test_text_becomes_rows_and_what_is_done_is_kept(module: Any, tmp_path: Path) -> None:
    for name in ("rustbpe", "tiktoken"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    source = tmp_path / "text"
    source.mkdir()
    for index, name in enumerate(("a.txt", "b.txt", "val.txt", "sample.txt")):
        (source / name).write_text(text(index))
    first = prepared(tmp_path, "--data", str(source), "--seconds", "7", "--workers", "2")
    assert first.returncode == 0, first.stderr
    assert "Training: a.txt, b.txt. Validation: val.txt." in first.stdout
    assert "3 of 3 parts were written" in first.stdout
    corpus = module("referee.tokens").Corpus(tmp_path / "out")
    assert (corpus.conditions.seconds, corpus.conditions.length) == (7.0, 64)
    assert corpus.token_bytes.shape == (400,)
    assert (corpus.token_bytes[-4:] == 0).all()
    assert (corpus.val[:, 0] == 396).all()
    rows, blocks = corpus.blocks(seed=3, rows=10)
    seen = np.concatenate(list(blocks))
    assert len(seen) == rows == len(corpus.train)
    assert sorted(map(bytes, seen)) == sorted(map(bytes, corpus.train.take(np.arange(rows))))
    assert not np.array_equal(seen, np.concatenate(list(corpus.blocks(seed=4)[1])))

    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npy") if "bytes" not in path.name}
    (tmp_path / "out/tokens/train_00001.npy").write_bytes(b"cut off")
    again = prepared(tmp_path, "--data", str(source), "--seconds", "9", "--workers", "2", "--tokens", "640")
    assert "1 of 3 parts were written" in again.stdout
    assert module("referee.tokens").Corpus(tmp_path / "out").blocks(0)[0] == 10
    changed = [path.name for path, when in files.items() if path.stat().st_mtime_ns != when]
    assert changed == ["train_00001.npy"]
    assert json.loads((tmp_path / "out/tokens/meta.json").read_text())["conditions"]["seconds"] == 9.0


def test_an_encoding_that_exists_needs_no_learner(tmp_path: Path) -> None:
    """The program is run where rustbpe cannot be imported."""
    kept = {
        "pattern": ".",
        "tokens": [base64.b64encode(bytes([n])).decode() for n in range(256)],
        "special": list("wxyz"),
    }
    (tmp_path / "mine.json").write_text(json.dumps(kept))
    code = (
        "import sys, runpy, importlib.util as u; find = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'rustbpe' else find(name, *rest); "
        f"sys.argv[0] = {str(PACK / 'prepare.py')!r}; sys.path.insert(0, {str(PACK)!r}); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-c", code, "--out", str(tmp_path / "out"), "--data", str(tmp_path / "empty")]
    told = [
        subprocess.run([*command, *more], capture_output=True, text=True, check=False).stderr
        for more in ([], ["--tokenizer", str(tmp_path / "mine.json")])
    ]
    assert "rustbpe" in told[0]
    assert "rustbpe" not in told[1]


def test_a_folder_without_text_is_told(tmp_path: Path) -> None:
    for name in ("rustbpe", "tiktoken"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    done = prepared(tmp_path, "--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert "holds no text" in done.stderr


def test_the_small_pack_s_ideas_fit() -> None:
    """The pack is made from the large one, so a change there can leave them behind."""
    names = library("nanochat_mini").ordinary
    assert len(names) >= 3
    assert isinstance(composed("nanochat_mini", *names), Composed)
