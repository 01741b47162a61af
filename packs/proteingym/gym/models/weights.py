"""Files of weights: read without running any code, and held against the layout that a network needs."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gym.errors import GymError

Layout = dict[str, tuple[int, ...]]  # the names and shapes of all tensors


def read_weights(path: Path, model: str, device: str) -> Any:
    """What `torch.save` wrote there: tensors and plain values, nothing that would have to be run.

    Raises:
        GymError: torch is missing, or the file holds no such thing.
    """
    try:
        import torch
    except ImportError as error:
        raise GymError(f"{model} needs torch: pip install torch.") from error
    try:
        return torch.load(path, weights_only=True, map_location=device)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise GymError(f"{path} cannot be loaded as {model}'s weights: {reason}.") from error


def check_layout(path: Path, model: str, state: Any, needed: Layout) -> None:
    """Raise GymError, with the first tensors that are off, unless the state holds all that are needed and no others."""
    given = {} if not isinstance(state, Mapping) else {k: tuple(getattr(v, "shape", ())) for k, v in state.items()}
    wrong = [f"{name} is missing" for name in needed if name not in given]
    wrong += [f"{name} is unknown" for name in given if name not in needed]
    for name, shape in needed.items():
        if given.get(name, shape) != shape:
            wrong.append(f"{name} has the shape {given[name]} where {shape} is needed")
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise GymError(f"{path} is not of {model}'s layout: {'; '.join(wrong[:3])}{more}. Give the weights of {model}.")


def dense_layout(name: str, inputs: int, outputs: int) -> Layout:
    """A dense layer with a bias."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm_layout(names: Iterable[str], width: int) -> Layout:
    """Norms over `width` values."""
    return {f"{name}.{part}": (width,) for name in names for part in ("weight", "bias")}
