"""Models of proteins: alignments, windows and batches of masked networks, ProteinSolver where there is torch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.packs.gym import module

models, alignment, masked = module("gym.models"), module("gym.models.alignment"), module("gym.models.masked")
solver, hub = module("gym.models.proteinsolver"), module("gym.models.hub")
ALPHABET = module("gym.mutants").ALPHABET
GymError = module("gym.errors").GymError
WHOLE = os.environ.get("ASTER_PROTEINGYM", "")


def written(path: Path, *rows: str) -> Path:
    path.write_text("".join(f">{number}\n{row}\n" for number, row in enumerate(rows)))
    return path


# Alignments


def test_insertions_are_dropped_and_gaps_are_none(tmp_path: Path) -> None:
    rows = alignment.read_alignment(written(tmp_path / "a.a3m", "CDE", "CaaDE", "C-F"), "ACDEF")
    assert rows[:, 0].tolist() == [20, 20, 20]
    assert "".join((ALPHABET + "-")[at] for at in rows[1]) == "-CDE-"
    assert "".join((ALPHABET + "-")[at] for at in rows[2]) == "-C-F-"


def test_lower_case_columns_of_an_a2m_are_the_querys_alone(tmp_path: Path) -> None:
    rows = alignment.read_alignment(written(tmp_path / "a.a2m", "CdE.", "CdEa", "C.F."), "CDE")
    assert "".join((ALPHABET + "-")[at] for at in rows[0]) == "CDE"
    assert "".join((ALPHABET + "-")[at] for at in rows[1]) == "C-E"


def test_similar_sequences_share_a_vote() -> None:
    encode = module("gym.mutants").encode
    rows = np.stack([encode(row) for row in ("AAAAA", "AAAAC", "DDDDD")])
    assert alignment.votes(rows).tolist() == [0.5, 0.5, 1.0]


def test_fragments_have_no_vote(tmp_path: Path) -> None:
    rows = alignment.read_alignment(written(tmp_path / "a.a3m", "ACDE", "ACDE", "AC--", "A---", "----"), "ACDEF")
    assert len(alignment.without_fragments(rows)) == 3
    assert len(alignment.without_fragments(rows[:1])) == 1


def test_frequencies_are_of_the_whole_alignment_but_for_fragments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def logp(*rows: str) -> Any:
        path = written(tmp_path / "a.a3m", "ACDE", *rows)
        return alignment.SiteIndependent().log_probabilities([models.Query("ACDE", alignment=path)])[0]

    assert (logp("FGHI", "F---") == logp("FGHI")).all()
    monkeypatch.setattr(alignment, "MOST", 3)  # of six sequences every second is read
    assert (logp("CCCC", "FGHI", "KKKK", "LMNP", "WWWW") == logp("FGHI", "LMNP")).all()


@pytest.mark.skipif(not WHOLE, reason="ASTER_PROTEINGYM names no folder with alignments")
@pytest.mark.parametrize("protein", ["BLAT_ECOLX", "PTEN_HUMAN"])
def test_frequencies_are_those_that_were_computed_before(protein: str) -> None:
    gym = module("gym.data").Gym(Path(WHOLE))
    assay = next(each for each in gym.assays if each.uniprot == protein)
    query = models.Query(assay.sequence, alignment=gym.alignment(assay))
    found = models.load("site-independent").log_probabilities([query])[0]
    assert found == pytest.approx(gym.distributions("pssm", assay), abs=0.01, nan_ok=True)


def test_frequencies_are_distributions_and_uncovered_positions_have_none(tmp_path: Path) -> None:
    path = written(tmp_path / "a.a3m", "CDE", "CDF", "CWW")
    logp = models.load("site-independent").log_probabilities([models.Query("ACDE", alignment=path)])[0]
    assert np.isnan(logp[0]).all()
    assert np.exp(logp[1:]).sum(axis=1) == pytest.approx(np.ones(3))
    assert logp[1].argmax() == ALPHABET.index("C")


@pytest.mark.parametrize("rows", [("XYZW",), ("CDE", "CD"), ()])
def test_a_broken_alignment_is_told(rows: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(GymError):
        alignment.read_alignment(written(tmp_path / "a.a3m", *rows), "ACDEF")


# Windows and batches


@pytest.mark.parametrize(("length", "window"), [(5, 10), (10, 10), (11, 10), (37, 10), (3425, 1024), (1030, 1024)])
def test_every_token_is_in_windows_of_its_own_and_in_overlapping_ones(length: int, window: int) -> None:
    seen = np.zeros(length)
    for start, stop in masked.overlapping(length, window):
        assert 0 <= start < stop <= length
        assert stop - start == min(window, length)
        seen[start:stop] += masked.fading(window) if length > window else 1.0
    assert seen.min() > 1e-4
    for position in range(length):
        start, stop = masked.window_around(position, length, window)
        assert 0 <= start <= position < stop <= length
        assert stop - start == min(window, length)


def test_windows_and_weights_are_those_of_the_benchmark() -> None:
    assert masked.overlapping(1500, 1024) == [(0, 1024), (476, 1500)]
    assert masked.overlapping(2100, 1024) == [(0, 1024), (1076, 2100), (511, 1535), (565, 1589)]
    weights = masked.fading(1024)
    assert weights[[128, 894]] == pytest.approx([0.5, 0.5])
    assert weights[[1, 1022]] == pytest.approx([1 / (1 + np.exp(127 / 16)), 1 / (1 + np.exp(8))])
    assert (weights[257:766] == 1).all()
    assert (weights[[0, 1023]] == 1).all()


def test_a_position_is_in_the_middle_of_its_window() -> None:
    assert masked.window_around(50, 100, 10) == (45, 55)
    assert masked.window_around(2, 100, 10) == (0, 10)
    assert masked.window_around(99, 100, 10) == (90, 100)


class Echo:
    """A network that answers with the residue that it sees, or none where it is hidden; it keeps what it was given."""

    window, structured = 8, False

    def __init__(self) -> None:
        self.given: list[list[Any]] = []

    def logits(self, pieces: Sequence[Any]) -> list[Any]:
        self.given.append(list(pieces))
        found = []
        for piece in pieces:
            seen = np.array([[3.0 * (residue == a) for a in ALPHABET] for residue in piece.sequence])
            if piece.hidden is not None:
                seen[piece.hidden] = 0.0
            found.append(seen)
        return found


def test_visible_models_take_a_pass_a_window_and_hidden_ones_a_pass_a_residue() -> None:
    queries = [models.Query("ACDEFGHIKL"), models.Query("MNP")]
    network = Echo()
    logp = masked.Masked(network, hide=False).log_probabilities(queries)
    assert [each.argmax(axis=1).tolist() for each in logp] == [list(range(10)), [10, 11, 12]]
    assert np.exp(logp[0]).sum(axis=1) == pytest.approx(np.ones(10))
    network = Echo()
    logp = masked.Masked(network, hide=True).log_probabilities(queries)
    assert np.exp(np.concatenate(logp)) == pytest.approx(np.full((13, 20), 0.05))
    assert sum(len(batch) for batch in network.given) == 13
    assert all(len({len(piece.sequence) for piece in batch}) == 1 for batch in network.given)


def test_a_window_has_the_token_of_an_end_where_the_sequence_ends() -> None:
    for hide in (True, False):
        network = Echo()
        masked.Masked(network, hide=hide).log_probabilities([models.Query("ACDEFGHIKL")])
        pieces = {(p.sequence, p.begins, p.ends) for batch in network.given for p in batch}
        assert {("ACDEFGH", True, False), ("EFGHIKL", False, True)} <= pieces
        assert all(len(sequence) + begins + ends == 8 for sequence, begins, ends in pieces)
        assert all(len({(len(p.sequence), p.begins, p.ends) for p in batch}) == 1 for batch in network.given)


def test_batches_hold_at_most_so_many_residues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked, "TOKENS_A_BATCH", 13)
    network = Echo()
    masked.Masked(network, hide=True).log_probabilities([models.Query("ACDEF")])
    assert [len(batch) for batch in network.given] == [2, 2, 1]


def test_structure_tokens_are_one_a_residue(tmp_path: Path) -> None:
    network = Echo()
    network.structured = True
    model = masked.Masked(network, hide=False)
    for text, tokens in ((">x\ndvp\n", ("d", "v", "p")), ("12, 7,2047", ("12", "7", "2047"))):
        (tmp_path / "t").write_text(text)
        model.log_probabilities([models.Query("ACD", tokens=tmp_path / "t")])
        assert network.given[-1][0].tokens == tokens
    (tmp_path / "t").write_text("dv")
    with pytest.raises(GymError, match="2 structure tokens for 3 residues"):
        model.log_probabilities([models.Query("ACD", tokens=tmp_path / "t")])
    with pytest.raises(GymError, match="--structure-tokens"):
        model.log_probabilities([models.Query("ACD")])


@pytest.mark.parametrize("name", ["", "esm", "proteinsolver", "masked:"])
def test_a_name_that_is_none_is_told_with_those_that_are(name: str) -> None:
    with pytest.raises(GymError, match="site-independent"):
        models.load(name)


# Networks


class Tokens:
    """A tokenizer with a token a residue."""

    cls_token_id, eos_token_id, unk_token_id, mask_token = 0, 1, 2, "<mask>"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = {word: at for at, word in enumerate(["<cls>", "<eos>", "<unk>", "<mask>", *words])}

    def get_vocab(self) -> dict[str, int]:
        return self.words

    def convert_tokens_to_ids(self, word: str) -> int:
        return self.words.get(word, 2)


def test_tokens_of_residues_and_of_pairs() -> None:
    plain = hub.HubNetwork(Tokens(ALPHABET), None, False)
    assert not plain.structured
    assert plain._ids(masked.Piece("AC", None, None, begins=False)) == [4, 5, 1]
    assert plain._ids(masked.Piece("AC", None, None, ends=False)) == [0, 4, 5]
    assert plain._ids(masked.Piece("ACX", None, 1)) == [0, 4, 3, 2, 1]
    paired = hub.HubNetwork(Tokens([a + s for a in ALPHABET + "#" for s in hub.FOLDSEEK]), None, False)
    assert paired.structured
    words = paired.tokenizer.words
    assert paired._ids(masked.Piece("AC", ("d", "v"), 0)) == [0, words["#d"], words["Cv"], 1]
    assert paired.columns.shape == (20, 21)
    with pytest.raises(GymError, match="not residues"):
        hub.HubNetwork(Tokens("ACD"), None, False)


@pytest.mark.skipif(not WHOLE, reason="ASTER_PROTEINGYM names no folder with weights and structures")
def test_proteinsolver_gives_the_distributions_that_were_computed_before() -> None:
    pytest.importorskip("torch")
    weights = next((Path(WHOLE) / "weights").glob("*.state"))
    gym = module("gym.data").Gym(Path(WHOLE))
    assay = next(each for each in gym.assays if each.uniprot == "IF1_ECOLI")
    query = models.Query(assay.sequence, gym.structure(assay))
    alone = models.load(f"proteinsolver-structure:{weights}").log_probabilities([query])[0]
    assert alone == pytest.approx(gym.distributions("proteinsolver/allmask", assay), abs=0.01)
    beside = models.load(f"proteinsolver:{weights}").log_probabilities([query])[0]
    found = gym.distributions("proteinsolver/seqcond", assay)
    assert np.corrcoef(beside.ravel(), found.ravel())[0, 1] > 0.99


def test_without_torch_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("torch is there")
    with pytest.raises(GymError, match="needs torch"):
        models.load(f"proteinsolver:{tmp_path / 'w'}")
    with pytest.raises(GymError, match="torch and transformers"):
        models.load("masked:somewhere")


def test_residues_are_near_by_their_closest_heavy_atoms(tmp_path: Path) -> None:
    line = "ATOM  {n:5d}  {a:<3s} GLY A{r:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 90.00"
    atoms = [("CA", 1, 0.0), ("CB", 1, 5.0), ("CA", 2, 16.0), ("H", 2, 1.0), ("CA", 3, 40.0)]
    text = [line.format(n=i, a=a, r=r, x=x, y=0.0, z=0.0) for i, (a, r, x) in enumerate(atoms, 1)]
    (tmp_path / "p.pdb").write_text("\n".join([*text, "END"]))
    pairs, features = solver.graph(tmp_path / "p.pdb", "GGG")
    assert pairs.tolist() == [[0, 1], [1, 0]]
    assert features[:, 0] == pytest.approx([(11.0 - 6.0) / 12.0] * 2)
    assert features[:, 1] == pytest.approx([1 / 68.1319, -1 / 68.1319])
    with pytest.raises(GymError, match="3 residues where the sequence has 2"):
        solver.graph(tmp_path / "p.pdb", "GG")
