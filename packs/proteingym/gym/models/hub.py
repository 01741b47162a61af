"""Networks of `transformers`, of a local folder or the hub. Their code and weights are not a part of this project.

Nothing is downloaded that is not named, and code that comes with a model runs only with the user's leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError
from gym.models.masked import Network, Piece
from gym.mutants import ALPHABET

Array = NDArray[np.float64]
WINDOW = 1022  # of ESM-type networks: 1,024 positions less the two at the ends
FOLDSEEK = "pynwrqhgdlvtmfsaeikc#"  # the letters of 3Di, and "not known"
OFFSET = 3  # ProSST: tokens 0 to 2 of the structure stand for padding and the ends


def load_network(place: str, prosst: bool, device: str, trust: bool) -> Network:
    """Load a tokenizer and a network.

    Raises:
        GymError: torch or transformers is missing, or the place holds no such network.
    """
    try:
        import torch
        from transformers import AutoModelForMaskedLM, AutoTokenizer
    except ImportError as error:
        raise GymError(
            f"Masked models need torch and transformers ({error}): pip install torch transformers."
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=trust)
        network = AutoModelForMaskedLM.from_pretrained(place, trust_remote_code=trust)
    except (OSError, ValueError) as error:
        more = "" if trust else " If it comes with code of its own, read that and give --trust-remote-code."
        raise GymError(f"{place} cannot be loaded as a masked model: {error}.{more}") from error
    dtype = torch.float16 if device.startswith("cuda") else torch.float32
    return HubNetwork(tokenizer, network.to(device=device, dtype=dtype).eval(), prosst)


class HubNetwork:
    """ESM-type networks (a token a residue), SaProt-type ones (a token a residue and structure letter), or ProSST."""

    window = WINDOW

    def __init__(self, tokenizer: Any, network: Any, prosst: bool) -> None:
        self.tokenizer, self.network, self.prosst = tokenizer, network, prosst
        vocabulary = tokenizer.get_vocab()
        self.paired = not prosst and all(f"{residue}#" in vocabulary for residue in ALPHABET)
        self.structured = prosst or self.paired
        endings = FOLDSEEK if self.paired else ("",)
        try:
            self.columns = np.array([[vocabulary[a + end] for end in endings] for a in ALPHABET])
        except KeyError as error:
            raise GymError(f"The network's tokens are not residues: it has none for {error}.") from error

    def logits(self, pieces: Sequence[Piece]) -> list[Array]:
        """One pass over pieces of one length."""
        import torch

        ids = torch.tensor([self._ids(each) for each in pieces], device=self.network.device)
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if self.prosst:
            structure = [[1, *(int(t) + OFFSET for t in each.tokens or ()), 2] for each in pieces]
            given["ss_input_ids"] = torch.tensor(structure, device=self.network.device)
        with torch.inference_mode():
            found = self.network(**given).logits[:, 1:-1].float().cpu().numpy().astype(np.float64)
        picked = found[:, :, self.columns]  # (pieces, length, 20, endings)
        top = picked.max(axis=(2, 3), keepdims=True)
        return list(np.log(np.exp(picked - top).sum(axis=3)) + top[..., 0])

    def _ids(self, piece: Piece) -> list[int]:
        tokenizer, letters = self.tokenizer, list(piece.sequence)
        words = [a + t for a, t in zip(letters, piece.tokens or (), strict=True)] if self.paired else letters
        ids = [tokenizer.convert_tokens_to_ids(word) for word in words]
        unknown = tokenizer.unk_token_id
        if piece.hidden is not None:
            hidden = f"#{(piece.tokens or ('#',))[piece.hidden]}" if self.paired else tokenizer.mask_token
            ids[piece.hidden] = tokenizer.convert_tokens_to_ids(hidden)
        return [tokenizer.cls_token_id, *(unknown if each is None else each for each in ids), tokenizer.eos_token_id]
