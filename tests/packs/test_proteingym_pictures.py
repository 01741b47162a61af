"""What an experiment of the ProteinGym pack draws for the report, and what it must not show."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.packs.gym import SMALL, module

data, scores, split = module("gym.data"), module("gym.scores"), module("gym.split")
drawing, shown, metrics = module("gym.drawing"), module("gym.shown"), module("gym.metrics")
mutants, packed = module("gym.mutants"), module("gym.packed")
MODELS = ["proteinsolver/seqcond", "proteinsolver/allmask"]
PICTURES = ["assays", "averages", "flip", "scatter", "variants"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "is_hidden", lambda family: family == "RL40A_YEAST")
        split.split(data.Gym(SMALL), folder, MODELS, lambda _: None)
    return folder


def drawn(prepared: Path, folder: Path, scoring: str, patch: pytest.MonkeyPatch, *sets: str) -> list[Path]:
    """The pictures of an experiment whose candidate is a plain scoring of the first model."""
    with np.load(prepared / sets[-1] / "inputs" / "inputs.npz") as file:
        wild, logp = file["wild"], file["logp"][0].astype(float)
    (folder / "scores.bin").write_bytes(scores.SCORINGS[scoring](logp, wild).astype("<f8").tobytes())
    patch.setenv("ASTER_SCORE", str(folder / "score.json"))
    labels = [str(prepared / name / "labels") for name in sets]
    words = [str(folder / "scores.bin"), *labels, "--pictures", str(folder / "pictures")]
    assert module("evaluate").main(words) == 0
    assert "spearman" in (folder / "score.json").read_text()
    return sorted((folder / "pictures").glob("*")) if (folder / "pictures").exists() else []


def words(path: Path) -> str:
    """All text of a picture, which has to be well-formed."""
    return " ".join(ElementTree.fromstring(path.read_text(encoding="utf-8")).itertext())


def test_a_search_draws_what_the_report_shows(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = drawn(prepared, tmp_path, "calibrated", monkeypatch, "search")
    assert [path.name for path in found] == [f"{name}.svg" for name in PICTURES]
    assert all(path.stat().st_size < 60_000 for path in found)
    told = {path.stem: words(path) for path in found}
    assert "this candidate" in told["averages"]
    assert "of 2 assays" in told["scatter"]
    for name in ("GRB2_HUMAN_Faure_2021", "IF1_ECOLI_Kelsic_2016"):
        assert name in told["assays"]


def test_nothing_hidden_is_drawn(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sealed").mkdir()
    assert drawn(prepared, tmp_path / "sealed", "calibrated", monkeypatch, "search", "hidden") == []
    assert not (prepared / "hidden" / "labels" / shown.SHOWN).exists()
    assert "RL40A" not in " ".join(
        words(path) for path in drawn(prepared, tmp_path, "calibrated", monkeypatch, "search")
    )


def test_data_of_before_there_were_pictures_is_scored(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "SHOWN", "not-there.npz")
    assert drawn(prepared, tmp_path, "calibrated", monkeypatch, "search") == []


def test_a_candidate_that_is_log_p_changes_no_order(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {path.stem: words(path) for path in drawn(prepared, tmp_path, "log-p", monkeypatch, "search")}
    assert sorted(found) == [name for name in PICTURES if name != "flip"]


def test_what_is_known_without_a_candidate(prepared: Path) -> None:
    known = shown.read_shown(prepared / "search" / "labels")
    labelled, _ = packed.read_labels(prepared / "search" / "labels")
    assert known.names == [(model, scoring) for model in MODELS for scoring in shown.KNOWN]
    gym = data.Gym(SMALL)
    by_name = {assay.name: assay for assay in gym.assays}
    for each, row in zip(labelled, known.values, strict=True):
        assay = by_name[each.assay.name]
        table = scores.log_odds(gym.distributions(MODELS[0], assay), mutants.encode(assay.sequence))
        score = scores.sum_mutants(table, each.measured.mutants)
        assert row[1] == pytest.approx(metrics.spearman(each.measured.fitness, score), abs=1e-6)
    assert known.names[known.first][1] == "log-p"
    assert known.logp.shape == (len(known.wild), 20)
    assert known.title == next(each.assay.uniprot for each in labelled if each.protein == known.protein)


def test_a_flip_is_one_and_of_two_positions(prepared: Path) -> None:
    known = shown.read_shown(prepared / "search" / "labels")
    table = scores.calibrated(known.logp, known.wild)
    found = drawing.find_flip(known.logp, table, known.wild)
    (i, a), (j, b) = found.changes
    assert i != j
    assert a != known.wild[i]
    assert b != known.wild[j]
    assert known.logp[i, a] > known.logp[j, b]
    assert table[i, a] < table[j, b]
    assert found.raw[0] < found.raw[1]
    assert found.scored[0] > found.scored[1]
    assert drawing.find_flip(known.logp, known.logp, known.wild) is None
    assert drawing.find_flip(known.logp, np.full_like(known.logp, np.nan), known.wild) is None


def test_names_are_text_and_not_markup() -> None:
    evil = '<script>"&'
    two = np.array([0.1, 0.5])
    for picture in (
        drawing.assays([evil, evil], two, two[::-1], evil),
        drawing.averages([drawing.Bar(f"{evil} {evil}", 0.4, 0.1), drawing.Bar("mine", 0.5, 0.1, True)]),
        drawing.scatter([evil, evil], two, two[::-1], evil),
        drawing.heat_map(np.zeros((1, 20)), np.zeros(1, dtype=np.int8), evil),
    ):
        assert evil in " ".join(ElementTree.fromstring(picture).itertext())
        assert "<script" not in picture


def test_many_assays_and_models_are_bounded() -> None:
    names = [f"assay {number}" for number in range(100)]
    before, after = np.linspace(0, 0.5, 100), np.linspace(0, 1, 100)
    picture = drawing.assays(names, before, after, "log p")
    assert picture.count("assay ") == drawing.MOST_ASSAYS
    assert "assay 99" in picture
    bars = [drawing.Bar(f"m s{number}", number / 100, 0.01) for number in range(30)]
    picture = drawing.averages([*bars, drawing.Bar("mine", -0.1, 0.01, True)])
    assert ">s29<" in picture
    assert ">s20<" not in picture
    assert ">mine<" in picture


def test_the_heat_map_s_pixels_are_the_scores() -> None:
    table = np.zeros((130, 20))
    table[:, 0] = 1.0  # alanine everywhere
    picture = drawing.heat_map(table, np.zeros(130, dtype=np.int8), "P")
    _, first, second = re.findall(r"base64,([^\"]+)", picture)
    for image, width in ((first, 65), (second, 65)):
        content = base64.b64decode(image)
        size, kind = content.index(b"IDAT"), content[:8]
        assert kind == b"\x89PNG\r\n\x1a\n"
        rows = zlib.decompress(content[size + 4 : content.index(b"IEND") - 8])
        pixels = np.frombuffer(rows, dtype=np.uint8).reshape(20, width + 1)[:, 1:]
        assert (pixels == 63).all(axis=1).tolist() == [letter == "A" for letter in "GAVILMCFWYPSTNQHKRDE"]
        assert int(pixels.sum()) == 63 * width
