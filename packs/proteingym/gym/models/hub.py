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
WINDOW = 1024  # tokens of ESM-type networks, the two ends included
WHOLE = 1 << 30  # SaProt's and ProSST's positions are relative, and their scripts read a protein at once
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
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        more = "" if trust else " If it comes with code of its own, read that and give --trust-remote-code."
        raise GymError(f"{place} cannot be loaded as a masked model: {error}.{more}") from error
    dtype = torch.float16 if device.startswith("cuda") else torch.float32
    return HubNetwork(tokenizer, network.to(device=device, dtype=dtype).eval(), prosst)


class HubNetwork:
    """ESM-type networks (a token a residue), SaProt-type ones (a token a residue and structure letter), or ProSST."""

    def __init__(self, tokenizer: Any, network: Any, prosst: bool) -> None:
        self.tokenizer, self.network, self.prosst = tokenizer, network, prosst
        vocabulary = tokenizer.get_vocab()
        self.paired = not prosst and all(f"{residue}#" in vocabulary for residue in ALPHABET)
        self.structured = prosst or self.paired
        self.window = WHOLE if self.structured else WINDOW
        endings = FOLDSEEK if self.paired else ("",)
        try:
            self.columns = np.array([[vocabulary[a + end] for end in endings] for a in ALPHABET])
        except KeyError as error:
            raise GymError(f"The network's tokens are not residues: it has none for {error}.") from error

    def logits(self, pieces: Sequence[Piece]) -> list[Array]:
        """One pass over pieces of one shape."""
        import torch

        ids = torch.tensor([self._ids(each) for each in pieces], device=self.network.device)
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if self.prosst:
            most = getattr(self.network.config, "ss_vocab_size", WHOLE) - OFFSET
            structure = [_between(1, [_number(t, most) for t in each.tokens or ()], 2, each) for each in pieces]
            given["ss_input_ids"] = torch.tensor(structure, device=self.network.device)
        begins = int(pieces[0].begins)
        with torch.inference_mode():
            logits = self.network(**given).logits[:, begins : begins + len(pieces[0].sequence)]
        found = logits.float().cpu().numpy().astype(np.float64)
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
        ids = [unknown if each is None else each for each in ids]
        return _between(tokenizer.cls_token_id, ids, tokenizer.eos_token_id, piece)


def _between(first: int, ids: list[int], last: int, piece: Piece) -> list[int]:
    return [*([first] if piece.begins else []), *ids, *([last] if piece.ends else [])]


def _number(token: str, most: int) -> int:
    if not token.isdigit() or int(token) >= most:
        raise GymError(
            f'This ProSST\'s structure tokens are numbers from 0 to {most - 1}, and "{token}" is none: give those that '
            f"its own quantizer makes."
        )
    return int(token) + OFFSET
