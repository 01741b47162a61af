"""The proteingym problem: what candidates see, how they are scored, the split, the download, the programs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.packs.gym import PACK, SMALL, module
from tests.packs.pack import library, problem, tree, write

families, packed, split = module("gym.families"), module("gym.packed"), module("gym.split")
aggregate, data, scores = module("gym.aggregate"), module("gym.data"), module("gym.scores")
download, submission, pictures = module("gym.download"), module("gym.submission"), module("gym.pictures")
mutants = module("gym.mutants")
GymError = module("gym.errors").GymError
MODELS = ["proteinsolver/seqcond", "proteinsolver/allmask"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small data with RL40A_YEAST hidden, whatever the hash says of so few families."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "is_hidden", lambda family: family == "RL40A_YEAST")
        split.split(data.Gym(SMALL), folder, MODELS, lambda _: None)
    return folder


def predicted(files: dict[str, bytes], folder: Path, *inputs: Path) -> Path:
    """The file that a solution tree writes."""
    write(files, folder)
    command = [sys.executable, "-B", "solution/predict.py", "--out", "scores.bin", *map(str, inputs)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "scores.bin"


def judged(path: Path, *labels: Path, seed: int = 0) -> dict[str, Any]:
    """What the evaluator reports."""
    score = path.with_name("score.json")
    done = subprocess.run(
        [sys.executable, "-B", str(PACK / "evaluate.py"), str(path), *map(str, labels), "--seed", str(seed)],
        env={"PATH": os.environ.get("PATH", ""), "ASTER_SCORE": str(score)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report: dict[str, Any] = json.loads(score.read_text())
    return report


# What candidates see


def test_the_inputs_hold_no_names_no_variants_and_no_labels(prepared: Path) -> None:
    for name in split.SETS:
        with np.load(prepared / name / "inputs" / "inputs.npz") as file:
            assert sorted(file.files) == ["alpha", "beta", "confidence", "lengths", "logp", "models", "wild"]
            assert file["logp"].shape == (2, file["lengths"].sum(), 20)
    with np.load(prepared / "search" / "inputs" / "inputs.npz") as file:
        assert sorted(file["lengths"].tolist()) == [72, 217]


def test_sealed_data_is_all_that_is_hidden() -> None:
    sealed = {each.name: each.sealed for each in problem("proteingym").spec.data}
    assert sealed == {"inputs": False, "labels": False, "hidden_inputs": True, "hidden_labels": True}
    stages = {each.name: each.visible for each in problem("proteingym").spec.data}
    assert stages["labels"] == stages["hidden_labels"]
    assert "predict" not in stages["labels"]


# Scores


def test_the_baseline_is_the_calibrated_score_by_the_official_average(prepared: Path, tmp_path: Path) -> None:
    path = predicted(tree("proteingym"), tmp_path, prepared / "search" / "inputs", tmp_path / "none")
    report = judged(path, prepared / "search" / "labels", tmp_path / "none")
    gym = data.Gym(SMALL)
    assays = [each for each in gym.assays if each.uniprot != "RL40A_YEAST"]
    found = []
    for assay in assays:
        measured, logp = gym.measured(assay), gym.distributions(MODELS[0], assay)
        table = scores.calibrated(logp, mutants.encode(assay.sequence))
        score = scores.sum_mutants(table, measured.mutants)
        found.append([module("gym.metrics").spearman(measured.fitness, score)])
    assert report["spearman"] == pytest.approx(
        float(aggregate.average(assays, np.array(found))[0]), abs=2e-4
    )  # ties in the last bit
    assert set(report) == {metric.name for metric in problem("proteingym").spec.metrics}


def test_a_confirmation_scores_hidden_families_drawn_by_the_seed(prepared: Path, tmp_path: Path) -> None:
    both = [prepared / name / "inputs" for name in split.SETS]
    path = predicted(tree("proteingym"), tmp_path, *both)
    assert path.stat().st_size == 128 * 160
    labels = [prepared / name / "labels" for name in split.SETS]
    first, second = (judged(path, *labels, seed=seed) for seed in (1, 2))
    assert first == second  # there is but one family
    assert "plain_mean" not in first  # it is a draw, and no average of a search


def test_draws_average_to_the_official_average() -> None:
    evaluate = module("evaluate")
    kinds = ["Activity", "Activity", "Activity", "Binding", "Stability"]
    assays = [data.Assay(str(i), f"P{i}", kind, "Human", "Low", "", 0.0) for i, kind in enumerate(kinds)]
    families = ["F0", "F0", "F1", "F2", "F3"]  # which weigh 2/9, 1/9, 1/3 and 1/3
    labelled = [packed.Labelled(each, family, 0, None) for each, family in zip(assays, families, strict=True)]
    values = np.tile(np.array([[0.1], [0.3], [0.8], [0.5], [0.0]]), (1, 5))
    drawn = [evaluate.drawn(labelled, values, seed)["spearman"] for seed in range(3000)]
    assert np.mean(drawn) == pytest.approx(float(aggregate.average(assays, values)[0]), abs=0.02)
    assert len(set(drawn)) == 4


def test_a_search_reports_the_plain_mean_and_the_weakest_function_too() -> None:
    evaluate, kinds = module("evaluate"), ["Activity", "Activity", "Stability"]
    assays = [data.Assay(str(i), "PPQ"[i], kind, "Human", "Low", "", 0.0) for i, kind in enumerate(kinds)]
    labelled = [packed.Labelled(each, "F", 0, None) for each in assays]
    found = evaluate.searched(labelled, np.tile(np.array([[0.2], [0.4], [0.9]]), (1, 5)))
    assert (found["spearman"], found["plain_mean"], found["weakest_function"]) == pytest.approx((0.6, 0.5, 0.3))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "has 0 bytes"), (b"x" * (289 * 160 + 1), "has more bytes"), (b"\xff" * (289 * 160), "no finite score")],
)
def test_a_broken_file_is_invalid(content: bytes, message: str, prepared: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.bin"
    path.write_bytes(content)
    assert message in judged(path, prepared / "search" / "labels")["invalid"]


def test_links_are_not_followed(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.bin").symlink_to(prepared / "search" / "labels" / "labels.npz")
    assert "cannot be opened" in judged(tmp_path / "scores.bin", prepared / "search" / "labels")["invalid"]


def test_constant_scores_are_worth_nothing(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.bin").write_bytes(bytes(289 * 160))
    assert judged(tmp_path / "scores.bin", prepared / "search" / "labels")["spearman"] == 0.0


@pytest.mark.parametrize("name", list(library("proteingym").ordinary))
def test_an_idea_runs_and_is_valid(name: str, prepared: Path, tmp_path: Path) -> None:
    path = predicted(tree("proteingym", name), tmp_path, prepared / "search" / "inputs")
    assert np.isfinite(np.fromfile(path, dtype="<f8")).all()


# The split


def test_relatives_are_of_one_family_and_strangers_are_not() -> None:
    rng = np.random.default_rng(0)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    first = letters[rng.integers(0, 20, 300)]
    changed = rng.random(300) < 0.6
    cousin = np.where(changed, letters[rng.integers(0, 20, 300)], first)
    cousin = np.concatenate([cousin[:100], cousin[105:]])  # with a gap
    stranger = letters[rng.integers(0, 20, 300)]
    proteins = [(n, "".join(s)) for n, s in (("B", first), ("A", cousin), ("C", stranger), ("B", first[:50]))]
    proteins.append(("C", "".join(letters[rng.integers(0, 20, 300)])))  # of one entry, though it is another sequence
    assert families.families(proteins) == ["A", "A", "C", "A", "C"]
    assert families.alignment_score("ACDEF", "ACDEF") == 15
    assert families.alignment_score("ACDEF", "ACDWEF") == 12


def test_the_rule_of_hiding_does_not_change() -> None:
    hidden = [name for name in ("BLAT_ECOLX", "PTEN_HUMAN", "GFP_AEQVI", "IF1_ECOLI") if families.is_hidden(name)]
    names = [f"P{number}" for number in range(2000)]
    assert abs(sum(map(families.is_hidden, names)) / 2000 - families.HIDDEN) < 0.04
    assert hidden == ["IF1_ECOLI"]


def test_the_weight_of_families() -> None:
    assert split.effective(["a", "b", "b"], np.array([0.5, 0.25, 0.25])) == pytest.approx(2.0)
    assert split.effective(["a", "b"], np.array([1.0, 0.0])) == pytest.approx(1.0)


def test_a_folder_without_distributions_is_told(tmp_path: Path) -> None:
    shutil.copytree(SMALL / "assays", tmp_path / "assays")
    shutil.copytree(SMALL / "reference_files", tmp_path / "reference_files")
    with pytest.raises(GymError, match="holds no distributions"):
        split.common_models(data.Gym(tmp_path))


# The download


class Halting(BaseHTTPRequestHandler):
    """Serves bytes with ranges; the first answer of each path breaks off in the middle."""

    content: dict[str, bytes] = {}
    asked: list[tuple[str, str | None]] = []

    def do_GET(self) -> None:
        body, asked = self.content[self.path], self.headers.get("Range")
        first = self.path not in [path for path, _ in self.asked]
        self.asked.append((self.path, asked))
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : len(body) // 2] if first else body[start:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def alignments() -> dict[str, str]:
    """The small data's proteins by the names of their alignments' files."""
    with (SMALL / "reference_files" / "DMS_substitutions.csv").open(newline="") as file:
        return {f"{row['DMS_id']}_b01.a2m": row["target_seq"] for row in csv.DictReader(file)}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    zipped = {}
    for name, folder, pattern in (
        (download.ASSAYS, "assays", "*.csv"),
        (download.STRUCTURES, "structures", "*.pdb"),
    ):
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            for path in sorted((SMALL / folder).glob(pattern)):
                archive.writestr(f"some/folder/{path.name}", path.read_bytes())
        zipped[f"/v1.3/{name}"] = memory.getvalue()
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, sequence in alignments().items():
            archive.writestr(f"DMS_msa_files/{name}", f">query\n{sequence}\n>other\n{sequence[:-9] + 9 * 'A'}\n")
    zipped[f"/v1.3/{download.MSAS}"] = memory.getvalue()
    head, *rows = (SMALL / "reference_files" / "DMS_substitutions.csv").read_text().splitlines()
    rows = [f"{head},MSA_filename", *(f"{row},{row.partition(',')[0]}_b01.a2m" for row in rows)]
    reference = ("\n".join(rows) + "\n").encode()
    handler = type("Served", (Halting,), {"content": {**zipped, "/reference.csv": reference}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_goes_on_where_it_broke_off_and_is_checked(served: str, tmp_path: Path) -> None:
    said: list[str] = []
    fetch = partial(
        download.official, tmp_path, "v1.3", False, said.append, served + "/{version}/", served + "/reference.csv"
    )
    folder = fetch()
    assert len(data.Gym(folder).assays) == 3
    assert data.Gym(folder).structure(data.Gym(folder).assays[0]) is not None
    assert any("[####" in line for line in said)
    archive = folder / "downloads" / download.ASSAYS
    sums = (folder / "downloads" / "SHA256SUMS").read_text()
    assert hashlib.sha256(archive.read_bytes()).hexdigest() in sums
    said.clear()
    fetch()
    assert said == []  # nothing was fetched or unpacked again
    cut = folder / "assays" / "IF1_ECOLI_Kelsic_2016.csv"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:100])  # as if unpacking had been stopped
    fetch()
    assert cut.read_bytes() == whole
    archive.write_bytes(archive.read_bytes() + b" ")
    with pytest.raises(GymError, match="not what it was"):
        fetch()


def test_alignments_are_downloaded_and_give_distributions(served: str, tmp_path: Path) -> None:
    said: list[str] = []
    fetch = partial(
        download.official, tmp_path, "v1.3", True, said.append, served + "/{version}/", served + "/reference.csv"
    )
    gym = data.Gym(fetch())
    assert gym.models() == ["site-independent"]
    assert split.common_models(gym) == ["site-independent"]
    assert len(split.usable(gym, ["site-independent"])) == 3
    for assay in gym.assays:
        logp = gym.distributions("site-independent", assay)
        assert (logp.argmax(axis=1)[:-9] == mutants.encode(assay.sequence)[:-9]).all()
    said.clear()
    fetch()
    assert said == []


def test_an_assay_with_an_alignment_of_its_own_keeps_it(tmp_path: Path) -> None:
    table, folder = tmp_path / "table.csv", tmp_path / "msa"
    table.write_text("DMS_id,UniProt_ID,MSA_filename\nA_1,A,a1.a2m\nA_2,A,a2.a2m\nA_3,A,a1.a2m\nB_1,B,\nC_1,C,c.a2m\n")
    folder.mkdir()
    for name in ("a1", "a2"):
        (folder / f"{name}.a2m").write_text(name)
    for _ in range(2):
        download._rename_alignments(folder, table)
    assert {path.stem: path.read_text() for path in folder.iterdir()} == {
        "a1": "a1",
        "a2": "a2",
        "A": "a1",
        "A_2": "a2",
    }


class Stammering(BaseHTTPRequestHandler):
    """Breaks off within a chunk, then in the middle, then answers with all of it, whatever was asked for, then 416."""

    asked: list[str | None] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range"))
        self.send_response(416 if len(self.asked) > 3 else 200)
        chunked = len(self.asked) == 1
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "6")))
        self.end_headers()
        self.wfile.write({1: b"9\r\nabc", 2: b"abc"}.get(len(self.asked), b"abcdef"))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_broken_answers_are_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    monkeypatch.setattr(Stammering, "protocol_version", "HTTP/1.1")
    monkeypatch.setattr(Stammering, "asked", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stammering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        path = download.fetch(f"{url}/a.csv", tmp_path / "a.csv", lambda _: None)
        assert Stammering.asked == [None, None, "bytes=3-"]
        assert path.read_bytes() == b"abcdef"  # once, though a part of it had come before
        (tmp_path / "b.csv.part").write_bytes(b"all")  # stopped when all had come
        assert download.fetch(f"{url}/b.csv", tmp_path / "b.csv", lambda _: None).read_bytes() == b"all"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_damaged_archive_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(url: str, part: Path, tell: object) -> None:
        with zipfile.ZipFile(part, "w") as archive:
            archive.writestr("a.csv", "precious")
        part.write_bytes(part.read_bytes().replace(b"precious", b"precioux"))

    monkeypatch.setattr(download, "_continue", damaged)
    with pytest.raises(GymError, match="was damaged on its way"):
        download.fetch("http://nowhere/a.zip", tmp_path / "a.zip", lambda _: None)
    monkeypatch.setattr(download, "_continue", lambda url, part, tell: part.write_bytes(b"<html>not found</html>"))
    with pytest.raises(GymError, match="is no zip archive"):
        download.fetch("http://nowhere/a.zip", tmp_path / "a.zip", lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == []


# The programs


def run_program(name: str, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = module(name).main([str(word) for word in words])
    told = capsys.readouterr()
    return code, told.out, told.err


def small(name: str) -> SimpleNamespace:
    gym = data.Gym(SMALL)
    assay = next(each for each in gym.assays if each.uniprot == name)
    return SimpleNamespace(sequence=assay.sequence, path=gym.path(assay), probs=SMALL / "probs/proteinsolver")


def test_ones_own_protein_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = small("IF1_ECOLI")
    model = f"{about.probs / 'IF1_ECOLI.npz'}:seqcond"
    common = ("--model", model, "--sequence", about.sequence, "--out", tmp_path / "s.csv")
    code, out, _ = run_program("score", capsys, *common, "--assay", about.path, "--write-probs", tmp_path / "p.npz")
    assert code == 0
    assert "Spearman: 0.259\n" in out
    rows = list(csv.reader((tmp_path / "s.csv").open()))
    assert rows[0] == ["mutant", "calibrated"]
    assert len(rows) == 1 + len(data.read_names(about.path))
    again = (*common[2:], "--model", tmp_path / "p.npz", "--scoring", "log-odds", "--picture", tmp_path / "heat.png")
    assert run_program("score", capsys, *again)[0] == 0
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 1 + 19 * len(about.sequence)
    assert (tmp_path / "heat.png").read_bytes().startswith(b"\x89PNG")


def test_a_wrong_wild_type_is_told_before_the_model_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.csv").write_text("mutant\nM1A\nG2K\n")
    code, _, err = run_program(
        "score", capsys, "--model", "no-such-model", "--sequence", "MKV", "--assay", tmp_path / "mine.csv"
    )
    assert code == 2
    assert "G2K (mutant 2) says that residue 2 is G, but the sequence has K there" in err
    assert "There is no model" in run_program("score", capsys, "--model", "no-such-model", "--sequence", "MKV")[2]


def test_tables_are_a_submission_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_program("tables", capsys, "--data", SMALL, "--models", ",".join(MODELS), "--out", tmp_path)
    assert code == 0
    assert len(out.splitlines()) == 6
    assert all((tmp_path / f"{name}.svg").stat().st_size > 5000 for name in ("bars", "scatter", "flip", "heat"))
    for measure in ("Spearman", "AUC", "MCC", "NDCG", "Top_recall"):
        rows = list(
            csv.DictReader((tmp_path / measure / f"Summary_performance_DMS_substitutions_{measure}.csv").open())
        )
        assert [row["Model_rank"] for row in rows] == list("123456")
        averages = [float(row[f"Average_{measure}"]) for row in rows]
        assert averages == sorted(averages, reverse=True)
    header = (tmp_path / "Spearman" / "Summary_performance_DMS_substitutions_Spearman.csv").read_text().split("\n")[0]
    published = (SMALL / "benchmarks" / "Summary_performance_DMS_substitutions_Spearman.csv").read_text().split("\n")[0]
    assert header == f"{published},Model details,References"  # the small table has not the columns of prose
    level = tmp_path / "Spearman" / "DMS_substitutions_Spearman_DMS_level.csv"
    assays, models, values = data.read_table(level)
    assert (len(assays), len(models), values.shape) == (3, 6, (3, 6))


def test_a_flip_is_one() -> None:
    gym = data.Gym(SMALL)
    logp = gym.distributions(MODELS[0], gym.assays[0])
    wild = mutants.encode(gym.assays[0].sequence)
    tuned = scores.calibrated(logp, wild)
    (i, a), (j, b) = pictures.flip(logp, wild)
    assert wild[i] != a
    assert wild[j] != b
    assert logp[i, a] > logp[j, b]
    assert tuned[i, a] < tuned[j, b]
    for row, residue in ((i, a), (j, b)):  # were a picked one the wild type, it would be no change
        wild[row] = residue
    assert {(i, a), (j, b)}.isdisjoint(pictures.flip(logp, wild))
    assert pictures.flip(np.full((1, 20), -np.log(20.0)), wild[:1]) is None


def test_a_sequence_is_letters_or_a_file(tmp_path: Path) -> None:
    read = module("score").read_sequence
    assert read("MKV" * 400) == "MKV" * 400  # longer than a file's name may be
    (tmp_path / "p.fasta").write_text(">p\nMKV\nACD\n")
    assert read(str(tmp_path / "p.fasta")) == "MKVACD"
    (tmp_path / "two.fasta").write_text(">p\nMKV\n>q\nACD\n")
    for given, message in ((str(tmp_path / "two.fasta"), "holds 2"), ("no/such.fasta", "no FASTA file"), ("", "empty")):
        with pytest.raises(GymError, match=message):
            read(given)
