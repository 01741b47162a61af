"""ProteinMPNN of random weights: what a network of the published layout has to do whatever its weights are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.packs.gym import module

torch = pytest.importorskip("torch", reason="torch is not there: networks are not run")
mpnn, models, mutants = module("gym.models.proteinmpnn"), module("gym.models"), module("gym.mutants")
GymError = module("gym.errors").GymError
SEQUENCE = "MKVLAWGHERTYPISDFNQCAM"
NAMES = dict(zip("ACDEFGHIKLMNPQRSTVWY", module("gym.structure")._NAMES.split(" "), strict=True))


def weights(path: Path, width: int = 16, **changed: Any) -> Path:
    """A file of the published layout, narrower."""
    drawn = torch.Generator().manual_seed(3)
    state = {name: torch.randn(shape, generator=drawn) for name, shape in mpnn.layout(width).items()}
    for name, value in state.items():
        if value.ndim == 2:
            value *= 1.5 / value.shape[1] ** 0.5
        else:
            value.mul_(0.1).add_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    torch.save({"num_edges": 6, "noise_level": 0.2, "model_state_dict": state, **changed}, path)
    return path


def backbone(sequence: str = SEQUENCE) -> NDArray[np.float64]:
    """N, CA, C and O of a helix that is not quite regular, (length, 4, 3)."""
    turn = np.deg2rad(100.0) * np.arange(len(sequence))[:, None] + np.deg2rad([-28.0, 0.0, 26.0, 30.0])
    radius = np.array([1.55, 2.28, 1.65, 1.99])
    rise = 1.5 * np.arange(len(sequence))[:, None] + np.array([-0.9, 0.0, 1.1, 2.3])
    places = np.stack([radius * np.cos(turn), radius * np.sin(turn), rise], axis=2)
    return np.asarray(places + np.random.default_rng(1).normal(size=places.shape) * 0.3)


def pdb(path: Path, places: NDArray[np.float64], sequence: str = SEQUENCE, without: tuple[int, str] = (0, "")) -> Path:
    lines = []
    for at, (residue, atoms) in enumerate(zip(sequence, places, strict=True), 1):
        for name, (x, y, z) in zip(("N", "CA", "C", "O"), atoms, strict=True):
            if (at, name) != without:
                lines.append(
                    f"ATOM  {1:5d}  {name:<3s} {NAMES[residue]} A{at:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 90.00"
                )
    path.write_text("\n".join([*lines, "TER", "END"]))
    return path


def predicted(folder: Path, kind: str, places: NDArray[np.float64], sequence: str = SEQUENCE) -> NDArray[np.float64]:
    query = models.Query(sequence, pdb(folder / "p.pdb", places, sequence))
    found = models.load(f"{kind}:{weights(folder / 'w.pt')}").log_probabilities([query])[0]
    return np.asarray(found)


def test_the_layout_is_that_of_the_public_weights() -> None:
    shapes = mpnn.layout()
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 1_660_485
    assert shapes["features.edge_embedding.weight"] == (128, 416)
    assert shapes["encoder_layers.2.W11.weight"] == (128, 384)
    assert shapes["decoder_layers.0.W1.weight"] == (128, 512)


@pytest.mark.parametrize("kind", ["proteinmpnn", "proteinmpnn-structure"])
def test_a_protein_that_is_moved_and_turned_is_the_same_but_its_mirror_image_is_not(kind: str, tmp_path: Path) -> None:
    places = backbone()
    found = predicted(tmp_path, kind, places)
    assert found.shape == (len(SEQUENCE), 20)
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(len(SEQUENCE)))
    assert found.std(axis=0).min() > 0.01, "all positions are the same"
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)  # a rotation, not a reflection
    assert predicted(tmp_path, kind, places @ turn + 40.0) == pytest.approx(found, abs=0.02)
    assert np.abs(predicted(tmp_path, kind, places * [1, 1, -1]) - found).max() > 0.2
    assert (predicted(tmp_path, kind, places) == found).all(), "two runs differ"


def test_the_others_are_seen_with_context_alone_and_oneself_never(tmp_path: Path) -> None:
    other = SEQUENCE[:9] + "W" + SEQUENCE[10:]
    apart = {
        kind: np.abs(predicted(tmp_path, kind, backbone()) - predicted(tmp_path, kind, backbone(), other)).max(axis=1)
        for kind in ("proteinmpnn", "proteinmpnn-structure")
    }
    assert (apart["proteinmpnn-structure"] == 0).all()
    assert apart["proteinmpnn"][9] == pytest.approx(0.0, abs=1e-5)
    assert (apart["proteinmpnn"][[8, 10]] > 1e-3).all()


def test_the_short_way_to_the_last_residue_is_that_of_a_whole_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mpnn, "ORDERS", 1)
    monkeypatch.setattr(mpnn, "EDGES_A_PASS", 200)  # several blocks
    state = torch.load(weights(tmp_path / "w.pt"))["model_state_dict"]
    network = mpnn.Network(state, 6)
    places = torch.tensor(backbone(), dtype=torch.float32)
    residues = torch.tensor(mutants.encode(SEQUENCE).astype(np.int64))
    encoded = network.encode(places, torch.arange(len(SEQUENCE)))
    found = network.last(encoded, residues)
    order = np.random.default_rng(0).permutation(len(SEQUENCE))
    for at in (0, 7, len(SEQUENCE) - 1):
        rank = np.where(np.arange(len(SEQUENCE)) == at, len(SEQUENCE), order)
        assert found[at].numpy() == pytest.approx(whole_pass(state, encoded, residues, rank)[at], abs=1e-4)


def whole_pass(state: Any, encoded: Any, residues: Any, rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """The decoder as it is written down: all layers for all residues, inputs concatenated."""
    functional, nodes, near = torch.nn.functional, encoded.nodes, encoded.near

    def dense(name: str, value: Any) -> Any:
        return functional.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name: str, value: Any) -> Any:
        return functional.layer_norm(value, value.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    seen = (torch.tensor(rank)[near] < torch.tensor(rank)[:, None])[..., None]
    letters = state["W_s.weight"][residues][near] * seen
    for number in range(3):
        name = f"decoder_layers.{number}"
        beside = torch.where(seen, nodes[near], encoded.nodes[near])
        value = torch.cat([nodes[:, None].expand_as(beside), encoded.links, letters, beside], dim=-1)
        value = functional.gelu(dense(f"{name}.W2", functional.gelu(dense(f"{name}.W1", value))))
        nodes = norm(f"{name}.norm1", nodes + dense(f"{name}.W3", value).sum(dim=1) / 30)
        inner = dense(f"{name}.dense.W_out", functional.gelu(dense(f"{name}.dense.W_in", nodes)))
        nodes = norm(f"{name}.norm2", nodes + inner)
    return np.asarray(torch.log_softmax(dense("W_out", nodes), dim=1).numpy())


def test_a_residue_without_its_backbone_has_no_prediction_and_says_nothing_to_others(tmp_path: Path) -> None:
    places = backbone()
    path = pdb(tmp_path / "p.pdb", places, without=(5, "O"))
    for kind in ("proteinmpnn", "proteinmpnn-structure"):
        model = models.load(f"{kind}:{weights(tmp_path / 'w.pt')}")
        found = model.log_probabilities([models.Query(SEQUENCE, path)])[0]
        assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [4]
        moved = places.copy()
        moved[4] += 3.0
        again = model.log_probabilities([models.Query(SEQUENCE, pdb(path, moved, without=(5, "CA")))])[0]
        assert again == pytest.approx(found, nan_ok=True)
    pdb(path, places[:1], SEQUENCE[:1], without=(1, "C"))
    with pytest.raises(GymError, match="no residue with all of"):
        model.log_probabilities([models.Query(SEQUENCE[:1], path)])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_edges": None}, "num_edges"),
        ({"model_state_dict": None}, "W_e.weight is missing|linear.weight is missing"),
        ({"model_state_dict": {"W_s.weight": torch.zeros(33, 8)}}, r"missing"),
        ({"model_state_dict": {"W_v.weight": torch.zeros(3, 8)}}, r"more\. Give the weights of ProteinMPNN"),
    ],
)
def test_weights_of_another_layout_are_told(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(GymError, match=message):
        models.load(f"proteinmpnn:{weights(tmp_path / 'w.pt', **changed)}")


def test_a_tensor_that_is_off_is_named(tmp_path: Path) -> None:
    state = torch.load(weights(tmp_path / "w.pt"))["model_state_dict"]
    state["W_out.bias"] = torch.zeros(20)
    with pytest.raises(GymError, match=r"W_out\.bias has the shape \(20,\) where \(21,\) is needed"):
        models.load(f"proteinmpnn:{weights(tmp_path / 'w.pt', model_state_dict=state)}")
    with pytest.raises(GymError, match=r"not of ProteinSolver's layout: embed_x\.0\.weight is missing"):
        models.load(f"proteinsolver:{tmp_path / 'w.pt'}")
    (tmp_path / "t.pt").write_text("no weights")
    for kind in ("proteinmpnn", "proteinsolver"):
        with pytest.raises(GymError, match="cannot be loaded"):
            models.load(f"{kind}:{tmp_path / 't.pt'}")
    with pytest.raises(GymError, match="--structure"):
        models.load(f"proteinmpnn:{weights(tmp_path / 'w.pt')}").log_probabilities([models.Query("ACD")])
