"""Bad input to the programs of the ProteinGym pack: one paragraph, exit code 2, and nothing lost."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.packs.gym import SMALL, module

data, mutants = module("gym.data"), module("gym.mutants")
GymError = module("gym.errors").GymError
FLAT = np.log(np.full((4, 20), 0.05))
ASSAY = "assays/IF1_ECOLI_Kelsic_2016.csv"


def refused(program: str, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a program says of what it will not take."""
    assert module(program).main([str(word) for word in words]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; it needs the columns mutant"),
        ("mutant\n", "holds no variants"),
        ("variant\nM1A\n", "no column mutant"),
        ("mutant,mutant\nM1A,K2A\n", "two of that name"),
        ("mutant;DMS_score\nM1A;1\n", "with commas between, and has mutant;DMS_score"),
        ("mutant\nG2K\n", "residue 2 is G, but the sequence has K there"),
        ("mutant\nm1a\n", "in capitals"),
        ("mutant\nM1B\n", "not of the form"),
        ("mutant\nM1A\nV9A\n", "V9A (mutant 2) says that residue 9 is V, but the sequence ends at 4"),
        ("mutant\nM1A\nM1A\n", "M1A is both mutant 1 and 2"),
        ("mutant\nM1A:K2C:M1C\n", "changes one position twice"),
        ("mutant\nM1M\n", "changes nothing"),
        ("mutant,DMS_score\nM1A,nan\nK2A,1\n", "DMS_score of variant 1 is not finite"),
        ("mutant,DMS_score\nM1A,\nK2A,1\n", "no number"),
    ],
)
def test_an_assay_is_checked_before_the_model_runs(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text(text)
    words = ("--model", "no-model", "--sequence", "MKVA", "--assay", tmp_path / "a.csv", "--out", tmp_path / "out.csv")
    assert said in refused("score", capsys, *words)
    assert not (tmp_path / "out.csv").exists()


def test_one_variant_is_scored_and_has_no_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("mutant,DMS_score\nM1A,1\n")
    np.savez(tmp_path / "p.npz", logp=FLAT)
    words = ["--model", tmp_path / "p.npz", "--sequence", "MKVA", "--assay", tmp_path / "a.csv"]
    assert module("score").main([str(word) for word in [*words, "--out", tmp_path / "out.csv"]]) == 0
    assert "No measures" in capsys.readouterr().out
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("option", "path", "said"),
    [
        ("--out", "missing/s.csv", "cannot be written"),
        ("--write-probs", "missing/p.npz", "cannot be written"),
        ("--picture", "missing/p.svg", "cannot be written"),
        ("--picture", "heat.gif", "has to end in .png or .svg"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_model_runs(
    option: str, path: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--model", "no-model", "--sequence", "MKVA", "--out", tmp_path / "o.csv", option, tmp_path / path)
    assert said in refused("score", capsys, *words)


@pytest.mark.parametrize(
    ("text", "said"), [(">p\n", "holds no residues"), (">p\nMK*A\n", 'Residue 3 of the sequence is "*"')]
)
def test_a_sequence_without_letters_is_refused(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.fasta").write_text(text)
    assert said in refused("score", capsys, "--model", "no-model", "--sequence", tmp_path / "p.fasta")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"logp": FLAT[:3]}, "has 3 positions, this one 4 residues"),
        ({"logp": FLAT, "pos0": np.array([0, 1, 2, 2])}, "of another sequence"),
        ({"logp": FLAT, "pos0": np.arange(4.0)}, "of another sequence"),
        ({"logp": FLAT, "seq": np.array("MKVC")}, "of another sequence"),
        ({"logp": FLAT[:, :19]}, "not the twenty residues"),
        ({"logp": np.exp(FLAT)}, "holds probabilities"),
        ({"logp": np.full((4, 20), np.nan)}, "no log-probabilities"),
        ({"logp": np.zeros(3)}, "no array of two axes"),
        ({"a": FLAT, "b": FLAT}, "the distributions a, b; say which"),
        ({"logp": np.array([[None]])}, "cannot be read"),
    ],
)
def test_distributions_that_are_none(arrays: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(GymError, match=said):
        data.distributions(tmp_path / "p.npz", None, "MKVA")


def test_a_file_cut_short_is_no_distribution(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", logp=FLAT)
    content = (tmp_path / "p.npz").read_bytes()
    for size in (0, 10, 300, len(content) - 30):
        (tmp_path / "p.npz").write_bytes(content[:size])
        with pytest.raises(GymError, match="cannot be read"):
            data.distributions(tmp_path / "p.npz", None, "MKVA")


def test_what_a_model_leaves_out_or_thinks_impossible(tmp_path: Path) -> None:
    some = FLAT.copy()
    some[0], some[1, 3] = np.nan, -np.inf
    np.savez(tmp_path / "p.npz", logp=some)
    found = data.distributions(tmp_path / "p.npz", None, "MKVA")
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1:]).all()
    assert found[1, 3] < -600


def prepared(folder: Path, out: Path) -> tuple[str, ...]:
    return ("--data", str(folder), "--out", str(out))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small data, one family of it hidden."""
    monkeypatch.setattr(module("gym.split"), "is_hidden", lambda family: family == "IF1_ECOLI")
    shutil.copytree(SMALL, tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((ASSAY, "mutant,DMS_score\n"), "holds no variants"),
        ((ASSAY, "mutant,DMS_score\nM1A,1\n"), "has nothing to rank: 1 variants"),
        ((ASSAY, "mutant,DMS_score\nW1A,1\n"), "residue 1 is W"),
        (("probs/proteinsolver/IF1_ECOLI.npz", "PK"), "cannot be read as distributions"),
        (("structures/IF1_ECOLI.pdb", ""), "its first chain is not the sequence"),
    ],
)
def test_a_failure_leaves_what_was_prepared_before(
    change: tuple[str, str], said: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert module("prepare").main(list(prepared(folder, out))) == 0
    before = {path: path.read_bytes() for path in sorted(out.rglob("*.npz"))}
    capsys.readouterr()
    (folder / change[0]).write_text(change[1])
    assert said in refused("prepare", capsys, *prepared(folder, out))
    assert {path: path.read_bytes() for path in sorted(out.rglob("*.npz"))} == before


def test_folders_and_models_that_are_not_there(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert "is no folder" in refused("prepare", capsys, *prepared(tmp_path / "nowhere", out))
    said = refused("prepare", capsys, *prepared(folder, out), "--models", "proteinsolver/seqcond,other")
    assert "has no distributions of other; it has proteinsolver/allmask, proteinsolver/seqcond" in said
    shutil.rmtree(folder / "assays")
    assert "holds no assay" in refused("prepare", capsys, *prepared(folder, out))
    shutil.rmtree(folder / "reference_files")
    assert "has no reference_files" in refused("prepare", capsys, *prepared(folder, out))


def test_a_variant_that_is_there_twice_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (folder / ASSAY).read_text().splitlines()
    (folder / ASSAY).write_text("\n".join([*lines, lines[1]]) + "\n")
    assert module("prepare").main(list(prepared(folder, tmp_path / "out"))) == 0
    assert "more than once: each counts" in capsys.readouterr().out
    assert mutants.repeated(["a", "b", "a"]) == (0, 2)
    assert mutants.repeated(["a", "b"]) is None


def test_a_row_without_a_sequence_is_named(folder: Path) -> None:
    path = folder / "reference_files/DMS_substitutions.csv"
    text = path.read_text()
    sequence = next(each.sequence for each in data.Gym(folder).assays if each.uniprot == "IF1_ECOLI")
    path.write_text(text.replace(sequence, ""))
    with pytest.raises(GymError, match="IF1_ECOLI_Kelsic_2016 has no target_seq"):
        data.Gym(folder)


@pytest.mark.parametrize(
    ("option", "name"),
    [("--out", "a.csv"), ("--out", "p.npz"), ("--write-probs", "p.npz"), ("--picture", "o.svg"), ("--out", "s.fa")],
)
def test_nothing_that_is_read_is_written_over(
    option: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("mutant,mine\nM1A,precious\n")
    (tmp_path / "s.fa").write_text(">s\nMKVA\n")
    np.savez(tmp_path / "p.npz", logp=FLAT)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    words = ["--model", f"{tmp_path / 'p.npz'}:logp", "--sequence", tmp_path / "s.fa", "--assay", tmp_path / "a.csv"]
    said = refused("score", capsys, *words, "--out", tmp_path / "o.svg", option, tmp_path / name)
    assert "give another file to write" in said
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_two_do_not_prepare_the_same_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare, out = module("prepare"), tmp_path / "out"
    with prepare.alone(out):
        assert "is being prepared by another process" in refused("prepare", capsys, *prepared(folder, out))
    assert prepare.main(list(prepared(folder, out))) == 0


def test_whoever_stops_between_two_sets_leaves_none_of_before(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, out = module("prepare"), tmp_path / "out"
    assert prepare.main(list(prepared(folder, out))) == 0

    def stops(self: Path, target: Path) -> Path:
        if target == out / "hidden":
            raise KeyboardInterrupt
        return rename(self, target)

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", stops)
    with pytest.raises(KeyboardInterrupt):
        prepare.main(list(prepared(folder, out)))
    assert (out / "search").exists()
    assert not (out / "hidden").exists()


def test_tables_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "o" / "scores"))

    monkeypatch.setattr(module("gym.submission"), "write", full)
    words = ("--data", SMALL, "--models", "proteinsolver/seqcond", "--out", tmp_path / "o")
    assert "scores cannot be written: No space left on device" in refused("tables", capsys, *words)


def test_tables_of_single_variants_alone(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An assay with several changes goes before its single ones, unless these are asked for."""
    name = "IF1_ECOLI_Kelsic_2016.csv"
    (folder / "assays_multi").mkdir()
    (folder / "assays_multi" / name).write_text("mutant,DMS_score\nA2C:K3D,1\nA2C,0.5\nA2D,0\n")
    words = ["--data", str(folder), "--models", "proteinsolver/seqcond", "--out"]
    for out, more in (("both", []), ("singles", ["--singles"])):
        assert module("tables").main([*words, str(tmp_path / out), *more]) == 0
        said = capsys.readouterr().out
        summary = tmp_path / out / "Spearman" / "Summary_performance_DMS_substitutions_Spearman.csv"
        rows = [line.split(",") for line in summary.read_text().splitlines()[1:]]
        assert said.splitlines() == [f"{float(row[3]):.3f}  {row[1]}" for row in rows]
    lines = [len((tmp_path / out / "scores" / name).read_text().splitlines()) for out in ("both", "singles")]
    assert lines == [4, len((folder / "assays" / name).read_text().splitlines())]


def shortened(path: Path, first: int, last: int) -> None:
    """Keep of a PDB file residues `first` to `last` alone."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("ATOM") or first <= int(line[22:26]) <= last))


def test_a_structure_may_be_of_a_part_of_the_sequence(folder: Path) -> None:
    structure, path = module("gym.structure"), folder / "structures" / "IF1_ECOLI.pdb"
    sequence = next(each.sequence for each in data.Gym(folder).assays if each.uniprot == "IF1_ECOLI")
    whole = structure.read_structure(path, sequence)
    beyond = structure.read_structure(path, sequence[3:60])
    assert np.array_equal(beyond.alpha, whole.alpha[3:60])
    other = structure.read_structure(path, sequence[:9] + "W" + sequence[10:])
    assert np.array_equal(other.beta, whole.beta)
    shortened(path, 11, 50)
    part = structure.read_structure(path, sequence)
    assert np.isnan(part.alpha[:10]).all()
    assert np.isnan(part.confidence[50:]).all()
    assert np.array_equal(part.alpha[10:50], whole.alpha[10:50])
    with pytest.raises(GymError, match="nor a part of it"):
        structure.read_structure(path, sequence[::-1])
    with pytest.raises(GymError, match="take a model of the whole sequence"):
        structure.read_backbone(path, sequence)


def test_of_a_structure_the_first_chain_is_read_and_glycine_has_its_alpha_carbon(folder: Path) -> None:
    structure, path = module("gym.structure"), folder / "structures" / "IF1_ECOLI.pdb"
    sequence = next(each.sequence for each in data.Gym(folder).assays if each.uniprot == "IF1_ECOLI")
    whole = structure.read_structure(path, sequence)
    glycine = np.array([residue == "G" for residue in sequence])
    assert np.array_equal(whole.beta[glycine], whole.alpha[glycine])
    assert (whole.beta[~glycine] != whole.alpha[~glycine]).any(axis=1).all()
    atoms = [line for line in path.read_text().splitlines(keepends=True) if line.startswith("ATOM")]
    path.write_text("".join([*atoms, "TER\n", *atoms]))
    assert np.array_equal(structure.read_structure(path, sequence).alpha, whole.alpha)


def test_what_no_model_covers_is_flat_and_proteins_are_in_the_order_of_a_hash(folder: Path, tmp_path: Path) -> None:
    out, path = tmp_path / "out", folder / "probs" / "proteinsolver" / "GRB2_HUMAN.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["seqcond"][0] = np.nan
    np.savez(path, **arrays)
    assert module("prepare").main(list(prepared(folder, out))) == 0
    found = {each.uniprot: each.sequence for each in data.Gym(folder).assays if each.uniprot != "IF1_ECOLI"}
    order = sorted(found, key=lambda name: hashlib.sha256(f"{name}\n{found[name]}".encode()).digest())
    assert order == ["RL40A_YEAST", "GRB2_HUMAN"]  # and not that of the alphabet
    with np.load(out / "search" / "inputs" / "inputs.npz") as file:
        assert file["lengths"].tolist() == [len(found[name]) for name in order]
        at = list(file["models"]).index("proteinsolver/seqcond")
        assert file["logp"][at, len(found[order[0]])] == pytest.approx(np.full(20, -np.log(20.0)))


def test_a_model_that_covers_less_is_not_among_the_common_ones(folder: Path) -> None:
    split = module("gym.split")
    (folder / "probs" / "narrow").mkdir()
    shutil.copy(folder / "probs" / "proteinsolver" / "IF1_ECOLI.npz", folder / "probs" / "narrow")
    assert split.common_models(data.Gym(folder)) == ["proteinsolver/allmask", "proteinsolver/seqcond"]


def test_a_structure_of_something_else_stops_no_official_download(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare = module("prepare")
    (folder / "structures" / "IF1_ECOLI.pdb").write_text("")
    monkeypatch.setattr(prepare, "_downloaded", lambda options: folder)
    monkeypatch.delenv("ASTER_PROTEINGYM", raising=False)
    assert prepare.main(["--out", str(tmp_path / "out")]) == 0
    assert "left out: " in capsys.readouterr().out
    with np.load(tmp_path / "out" / "hidden" / "inputs" / "inputs.npz") as file:
        assert np.isnan(file["alpha"]).all()


def test_assays_of_a_protein_may_start_from_different_sequences(folder: Path) -> None:
    """As those of P53_HUMAN do, which differ in one residue."""
    reference = folder / "reference_files" / "DMS_substitutions.csv"
    line = next(row for row in reference.read_text().splitlines() if "IF1_ECOLI_Kelsic_2016" in row)
    first = next(each for each in data.Gym(folder).assays if each.uniprot == "IF1_ECOLI")
    changed = line.replace("IF1_ECOLI_Kelsic_2016", "IF1_ECOLI_Other").replace(
        first.sequence, first.sequence[:-1] + "W"
    )
    reference.write_text(reference.read_text() + changed + "\n")
    (folder / "assays" / "IF1_ECOLI_Other.csv").write_text(f"mutant,DMS_score\n{first.sequence[0]}1A,1\n")
    model, gym = "proteinsolver/seqcond", data.Gym(folder)
    other = gym.reference["IF1_ECOLI_Other"]
    assert gym.has(model, gym.reference[first.name])
    assert not gym.has(model, other)
    assert other not in module("gym.split").usable(gym, [model])
    np.savez(folder / "probs" / "proteinsolver" / "IF1_ECOLI_Other.npz", seqcond=np.zeros((72, 20)) - 3.0)
    assert gym.distributions(model, other)[0, 0] == pytest.approx(-np.log(20.0))
    assert other in module("gym.split").usable(gym, [model])


def test_an_assay_with_variants_that_a_model_leaves_out_is_an_empty_cell(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing score is not the highest, and not left out of the others' comparison either."""
    path, out = folder / "probs" / "proteinsolver" / "IF1_ECOLI.npz", tmp_path / "out"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["seqcond"][5] = np.nan
    np.savez(path, **arrays)
    words = ("--data", str(folder), "--models", "proteinsolver/seqcond", "--scorings", "log-p", "--out", str(out))
    assert module("tables").main(list(words)) == 0
    said = capsys.readouterr().out
    assert "proteinsolver/seqcond log-p: 1 of 3 assays are not scored as a whole; their cells are empty" in said
    assays, _, values = data.read_table(out / "Spearman" / "DMS_substitutions_Spearman_DMS_level.csv")
    assert {name: bool(np.isnan(row[0])) for name, row in zip(assays, values, strict=True)} == {
        name: name.startswith("IF1_ECOLI") for name in assays
    }
    for name in ("GRB2_HUMAN", "RL40A_YEAST"):
        (folder / "probs" / "proteinsolver" / f"{name}.npz").unlink()
    assert "in every assay" in refused("tables", capsys, *words)
    assert "named twice" in refused("tables", capsys, *words, "--scorings", "log-p,log-p")


def test_a_variant_that_a_model_leaves_out_has_an_empty_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("mutant\nM1A\nK2A\n")
    np.savez(tmp_path / "p.npz", logp=FLAT[:3], pos0=np.arange(1, 4))
    words = ["--model", tmp_path / "p.npz", "--sequence", "MKVA", "--assay", tmp_path / "a.csv", "--scoring", "log-p"]
    assert module("score").main([str(word) for word in [*words, "--out", tmp_path / "out.csv"]]) == 0
    assert "1 of them have no score" in capsys.readouterr().out
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == ["M1A,", f"K2A,{np.log(0.05):.6f}"]


def test_the_picture_is_of_the_first_models_first_and_last_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, labels = module("tables"), []
    monkeypatch.setattr(tables, "scatter", lambda path, before, after, names: labels.append(names))
    words = ["--data", str(SMALL), "--models", "proteinsolver/seqcond,proteinsolver/allmask", "--out", str(tmp_path)]
    assert tables.main([*words, "--scorings", "log-odds,log-p,calibrated"]) == 0
    assert labels == [("proteinsolver/seqcond log-odds", "proteinsolver/seqcond calibrated")]


def test_data_is_named_by_the_environment_and_seen_from_where_the_user_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASTER_PROTEINGYM", folder.name)
    monkeypatch.setenv("ASTER_CALLED_FROM", str(folder.parent))
    assert module("prepare").main(["--out", "here"]) == 0
    assert str(tmp_path / "here" / "search") in capsys.readouterr().out
    assert (tmp_path / "here" / "search" / "inputs").is_dir()


def test_what_cannot_be_left_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave = module("leave_one_out")
    assert leave.main([str(tmp_path / "nothing")]) == 2
    assert "There is no campaign nothing" in capsys.readouterr().err
