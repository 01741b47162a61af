from __future__ import annotations

import pytest

from aster.errors import InitError
from aster.problems.wrapping.seeds import seed_notes, take_seed


def test_seeds_in_the_code_are_replaced_by_the_variable_and_nothing_else_is() -> None:
    before = "import os\nname = 'é'; random.seed(42); np.random.seed(7)\nx = 42\n"
    after, lines = take_seed({"a.py": before.encode(), "b.py": b"SEED = 1\n"}, "S")
    assert after["a.py"].decode() == (
        'import os\nname = \'é\'; random.seed(int(os.environ.get("S", "42"))); '
        'np.random.seed(int(os.environ.get("S", "7")))\nx = 42\n'
    )
    assert after["b.py"] == b'SEED = int(__import__("os").environ.get("S", "1"))\n'
    assert [(each.path, each.line) for each in lines] == [("a.py", 2), ("a.py", 2), ("b.py", 1)]


def test_code_that_reads_the_variable_is_left_alone() -> None:
    files = {"a.py": b'import os\nSPLIT_SEED = 3\nseed = int(os.environ.get("S", 42))\nrandom.seed(3)\n'}
    assert take_seed(files, "S") == (files, [])


def test_a_name_in_the_code_is_no_variable_of_the_environment() -> None:
    after, _ = take_seed({"a.py": b"SEED = 42\n"}, "SEED")
    assert b'environ.get("SEED", "42")' in after["a.py"]


def test_code_that_takes_no_seed_is_refused() -> None:
    with pytest.raises(InitError, match="does not read S, and sets no seed"):
        take_seed({"a.py": b"print(1)"}, "S")
    with pytest.raises(InitError, match="It reads RUN_SEED: give that"):
        take_seed({"a.py": b'import os; s = os.environ["RUN_SEED"]'}, "S")


def test_notes_name_the_line_and_what_follows() -> None:
    (note,) = seed_notes({"a.py": b"x = 1\ntorch.manual_seed(42)\n"}, None)
    assert "a.py:2 `torch.manual_seed(42)`" in note
    assert "unpaired" in note
    assert "--seed-env" in note
    paired, still = seed_notes({"a.py": b"rng = default_rng(3)\n"}, "its option --seed")
    assert "in pairs" in paired
    assert "a.py:1" in still
