from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from aster.checking.array_mutants import spoiled

SCORE = '{"loss": 0.5}'


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, array)  # type: ignore[arg-type]
    return file.getvalue()


def npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def test_arrays_are_spoiled_by_value_and_by_shape() -> None:
    made = {name: data for name, _, data in spoiled(npy(np.arange(6.0).reshape(3, 2)), SCORE)}
    assert np.isnan(np.load(io.BytesIO(made["NaN throughout"]))).all()
    assert np.load(io.BytesIO(made["its last entry dropped"])).shape == (2, 2)
    assert np.load(io.BytesIO(made["of no length"])).size == 0
    assert np.load(io.BytesIO(made["texts"])).dtype.kind == "U"


def test_every_array_of_an_archive() -> None:
    made = {name: data for name, _, data in spoiled(npz(w=np.ones(3), b=np.zeros(2)), SCORE)}
    assert set(np.load(io.BytesIO(made["w left out"])).files) == {"b"}
    assert np.isinf(np.load(io.BytesIO(made["b: infinity in its first place"]))["b"][0])


def test_loading_a_pickle_writes_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setenv("ASTER_SCORE", str(tmp_path / "score"))
    monkeypatch.setattr("os._exit", left.append)
    traps = [
        next(data for name, _, data in spoiled(pickle.dumps({"w": 1}), SCORE) if "pickle" in name),
        next(data for name, _, data in spoiled(npy(np.ones(2)), SCORE) if "objects" in name),
    ]
    pickle.loads(traps[0])
    np.load(io.BytesIO(traps[1]), allow_pickle=True)
    assert (tmp_path / "score").read_text() == SCORE
    assert left == [0, 0]


def test_what_only_begins_like_an_array_is_still_spoiled() -> None:
    made = [name for name, _, _ in spoiled(b"\x93NUMPY broken", SCORE)]
    assert made[0].startswith("a pickle")
    assert list(spoiled(b"PK\x03\x04 broken", SCORE))
