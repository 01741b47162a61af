"""Networks of `transformers`, small and of random weights, saved to a folder and loaded from it by its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.packs.gym import module

REASON = "transformers or torch is not there: masked networks are not run"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)
models, masked, hub = module("gym.models"), module("gym.models.masked"), module("gym.models.hub")
ALPHABET = module("gym.mutants").ALPHABET
GymError = module("gym.errors").GymError
pytestmark = pytest.mark.filterwarnings("ignore")
SPECIAL = ["<cls>", "<pad>", "<eos>", "<unk>", "<mask>"]

# Like ProSST in what it is given and gives: a table of residues, one of structure tokens, and relative positions.
CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

class TinyConfig(PretrainedConfig):
    model_type = "tiny-structured"
    def __init__(self, ss_vocab_size=23, **more):
        self.ss_vocab_size = ss_vocab_size
        super().__init__(**more)

class TinyModel(PreTrainedModel):
    config_class = TinyConfig
    def __init__(self, config):
        super().__init__(config)
        self.residues = torch.nn.Embedding(25, 8)
        self.structure = torch.nn.Embedding(config.ss_vocab_size, 8)
        self.out = torch.nn.Linear(8, 25)
        self.post_init()
    def forward(self, input_ids, attention_mask, ss_input_ids):
        assert ss_input_ids.shape == input_ids.shape == attention_mask.shape
        assert (ss_input_ids[:, 0] == 1).all() and (ss_input_ids[:, -1] == 2).all()
        assert (ss_input_ids[:, 1:-1] >= 3).all()
        hidden = self.residues(input_ids) + 3 * self.structure(ss_input_ids)
        return MaskedLMOutput(logits=self.out(hidden + hidden.mean(dim=1, keepdim=True)))
"""


def esm(folder: Path, words: list[str], positions: int = 64) -> Path:
    """An ESM-type network with a tokenizer of these words."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *words]))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "EsmTokenizer"}')
    torch.manual_seed(0)
    config = transformers.EsmConfig(
        vocab_size=len(words) + 5, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=positions, pad_token_id=1, mask_token_id=4, position_embedding_type="rotary",
        token_dropout=True, emb_layer_norm_before=False, initializer_range=0.5,
    )  # fmt: skip
    transformers.EsmForMaskedLM(config).eval().save_pretrained(folder)
    return folder


def test_a_protein_is_read_alike_alone_and_beside_others(tmp_path: Path) -> None:
    place = esm(tmp_path / "esm", list(ALPHABET))
    queries = [models.Query("ACDEF"), models.Query("MKVLAW"), models.Query("GHIKL")]
    read = {}
    for kind in ("visible", "masked"):
        model = models.load(f"{kind}:{place}")
        together = model.log_probabilities(queries)
        assert [each.shape for each in together] == [(5, 20), (6, 20), (5, 20)]
        read[kind] = model.log_probabilities(queries[2:])[0]
        assert together[2] == pytest.approx(read[kind], abs=1e-5)
        assert np.exp(read[kind]).sum(axis=1) == pytest.approx(np.ones(5))
    assert np.abs(read["visible"] - read["masked"]).max() > 0.01


def test_the_tokens_are_those_of_the_networks_own_tokenizer(tmp_path: Path) -> None:
    pairs = [residue + shape for residue in ALPHABET + "#" for shape in hub.FOLDSEEK]
    for name, words, tokens in (("esm", list(ALPHABET), None), ("saprot", pairs, tuple("dvpq#l"))):
        place = esm(tmp_path / name, words)
        network = models.load(f"visible:{place}").network
        assert (network.structured, network.paired) == (tokens is not None, tokens is not None)
        written = "".join(a + (tokens[at] if tokens else "") for at, a in enumerate("MKVLAW"))
        theirs = transformers.AutoTokenizer.from_pretrained(place)(written)["input_ids"]
        assert network._ids(masked.Piece("MKVLAW", tokens, None)) == theirs


def test_structure_and_residue_are_one_token_and_the_residue_alone_is_hidden(tmp_path: Path) -> None:
    pairs = [residue + shape for residue in ALPHABET + "#" for shape in hub.FOLDSEEK]
    place = esm(tmp_path / "saprot", pairs)
    model = models.load(f"masked:{place}")

    def read(sequence: str, shapes: str) -> Any:
        (tmp_path / "t.fasta").write_text(f">t\n{shapes}\n")
        return model.log_probabilities([models.Query(sequence, tokens=tmp_path / "t.fasta")])[0]

    found = read("MKVLAW", "dvpqld")
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(6))
    assert read("MKWLAW", "dvpqld")[2] == pytest.approx(found[2], abs=1e-5), "a hidden residue is seen"
    assert np.abs(read("MKVLAW", "dvaqld")[2] - found[2]).max() > 1e-3, "its structure is not"


def test_long_proteins_are_read_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "WINDOW", 12)
    place = esm(tmp_path / "esm", list(ALPHABET))
    sequence = ALPHABET + "MKVLAW"
    hidden = models.load(f"masked:{place}").log_probabilities([models.Query(sequence)])[0]
    # Tokens 7 to 18 of 28 are around residue 12: residues 6 to 17, and no token of an end.
    alone = models.load(f"masked:{place}").network
    row = alone.logits([masked.Piece(sequence[6:18], None, 6, False, False)])[0][6]
    assert hidden[12] == pytest.approx(row - np.log(np.exp(row).sum()), abs=1e-5)
    whole = models.load(f"visible:{place}").log_probabilities([models.Query(sequence)])[0]
    assert np.exp(whole).sum(axis=1) == pytest.approx(np.ones(26))


def test_prosst_is_given_the_numbers_of_structures_and_reads_long_proteins_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = pytest.importorskip("transformers.dynamic_module_utils")
    monkeypatch.setattr(loading, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    place = tmp_path / "prosst"
    place.mkdir()
    words = ["<pad>", "<cls>", "<eos>", "<unk>", *ALPHABET, "<mask>"]
    (place / "vocab.txt").write_text("\n".join(words))
    (place / "tokenizer_config.json").write_text('{"tokenizer_class": "EsmTokenizer"}')
    (place / "tiny.py").write_text(CODE)
    names: dict[str, Any] = {"transformers": transformers}
    exec(CODE, names)
    names["TinyModel"].__module__ = names["TinyConfig"].__module__ = "tiny"
    torch.manual_seed(0)
    names["TinyModel"](names["TinyConfig"]()).save_pretrained(place)
    config = (place / "config.json").read_text().rstrip().removesuffix("}")
    auto = '"auto_map": {"AutoConfig": "tiny.TinyConfig", "AutoModelForMaskedLM": "tiny.TinyModel"}'
    (place / "config.json").write_text(f"{config},{auto}}}")
    with pytest.raises(GymError, match="--trust-remote-code"):
        models.load(f"prosst:{place}")
    model = models.load(f"prosst:{place}", trust=True)
    sequence = ALPHABET * 60  # more than a window of ESM
    tokens = [at % 20 for at in range(len(sequence))]
    (tmp_path / "t").write_text(",".join(map(str, tokens)))
    found = model.log_probabilities([models.Query(sequence, tokens=tmp_path / "t")])[0]
    assert found.shape == (1200, 20)
    assert found[20:40] == pytest.approx(found[:20], abs=1e-5), "read in windows"
    (tmp_path / "t").write_text(",".join(map(str, [19, *tokens[1:]])))
    changed = model.log_probabilities([models.Query(sequence, tokens=tmp_path / "t")])[0]
    assert np.abs(changed[0] - found[0]).max() > 1e-3
    for wrong in ("20", "d"):
        (tmp_path / "t").write_text(",".join([wrong, *map(str, tokens[1:])]))
        with pytest.raises(GymError, match=f'0 to 19, and "{wrong}" is none'):
            model.log_probabilities([models.Query(sequence, tokens=tmp_path / "t")])


def test_a_folder_without_a_network_is_told(tmp_path: Path) -> None:
    with pytest.raises(GymError, match="cannot be loaded as a masked model"):
        models.load(f"masked:{tmp_path}")
