"""Spoiled NumPy arrays, and pickles that run code in whoever loads them. Pure."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

NPY, ZIP, PICKLE = b"\x93NUMPY", b"PK\x03\x04", b"\x80"
"""How such files begin. A ZIP is an .npz, or what a deep-learning library saved."""

_PAYLOAD = "import os; p = os.environ.get('ASTER_SCORE'); p and (open(p, 'w').write({score!r}), os._exit(0))"


class _Trap:
    """Unpickling it writes a score, if whoever does so may."""

    def __init__(self, score: str) -> None:
        self._code = _PAYLOAD.format(score=score)

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self._code,)


def spoiled(data: bytes, score: str) -> Iterator[tuple[str, bool, bytes]]:
    """Yield (what was done, whether it is nonsense, the new content) for an .npy, .npz or pickle.

    `score`: what the trap writes in the evaluator's place.
    """
    trap = pickle.dumps(_Trap(score))
    yield "a pickle that writes a score when it is loaded", True, trap
    if data.startswith(NPY):
        array = _loaded(data)
        for name, nonsense, new in _spoiled_array(array) if array is not None else ():
            yield name, nonsense, _npy(new)
        yield "an array of objects that writes a score when it is loaded", True, _npy(_objects(score))
    elif data.startswith(ZIP):
        yield from _spoiled_archive(data, score)


def _spoiled_archive(data: bytes, score: str) -> Iterator[tuple[str, bool, bytes]]:
    arrays = _loaded(data)
    if not isinstance(arrays, dict) or not arrays:
        return
    for key, array in list(arrays.items())[:3]:
        for name, nonsense, new in _spoiled_array(array):
            yield f"{key}: {name}", nonsense, _npz({**arrays, key: new})
        yield f"{key} left out", True, _npz({other: kept for other, kept in arrays.items() if other != key})
        trap = _npz({**arrays, key: _objects(score)})
        yield f"{key}: objects that write a score when they are loaded", True, trap


def _spoiled_array(array: Any) -> Iterator[tuple[str, bool, Any]]:
    import numpy as np

    if array.dtype.kind in "fiu":
        for name, value in (("NaN", np.nan), ("infinity", np.inf), ("1e308", 1e308)):
            changed = array.astype(np.float64)
            changed.flat[:1] = value
            yield f"{name} in its first place", True, changed
            yield f"{name} throughout", True, np.full(array.shape, value)
        yield "zero throughout", False, np.zeros_like(array)
        yield "complex numbers", True, array.astype(np.complex128)
        yield "texts", True, array.astype(str)
    yield "flattened", False, array.reshape(-1)
    yield "one axis more", False, array[None]
    yield "of no length", False, array.reshape(-1)[:0]
    if array.ndim and len(array) > 1:
        yield "its last entry dropped", False, array[:-1]
        yield "an entry twice", False, np.concatenate([array, array[:1]])


def _loaded(data: bytes) -> Any:
    """Return the array of an .npy, a dict of an .npz's arrays, or None for what is neither."""
    import zipfile

    import numpy as np

    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
        return dict(found.items()) if hasattr(found, "files") else found
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def _objects(score: str) -> np.ndarray[Any, Any]:
    import numpy as np

    array = np.empty(1, dtype=object)
    array[0] = _Trap(score)
    return array


def _npy(array: Any) -> bytes:
    import numpy as np

    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _npz(arrays: dict[str, Any]) -> bytes:
    import numpy as np

    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
