from __future__ import annotations

from pathlib import Path

import pytest
from tests.problems.wrapping.conftest import Write

from aster.errors import InitError
from aster.problems.wrapping import gather as module
from aster.problems.wrapping.gather import gather


def test_code_is_copied_and_junk_is_not(write: Write) -> None:
    code = write(
        {
            "train.py": "x = 1\n",
            "lib/model.py": "y = 1\n",
            "config.json": "{}",
            ".env": "KEY=secret",
            ".git/config": "x",
            "__pycache__/train.pyc": "x",
            "venv/pyvenv.cfg": "",
            "venv/lib/big.py": "x",
            "run.log": "x",
            "earlier/problem.toml": "",
            "earlier/solution/train.py": "x",
        }
    )
    gathered = gather(code)
    assert set(gathered.files) == {"train.py", "lib/model.py", "config.json"}
    assert gathered.left == ()


def test_what_is_large_or_a_link_is_left_out_and_told(write: Write, tmp_path: Path) -> None:
    code = write({"train.py": "", "weights.bin": b"0" * (1 << 20) + b"0"})
    (code / "link.txt").symlink_to(tmp_path / "elsewhere")
    gathered = gather(code)
    assert set(gathered.files) == {"train.py"}
    assert [str(each) for each in gathered.left] == ["link.txt: a link", "weights.bin (1 MiB): larger than 1 MiB"]


def test_a_folder_of_data_is_left_out_as_a_whole(write: Write) -> None:
    code = write(
        {"train.py": "", "data/a.bin": b"0" * 2_000_000, "data/meta.json": "{}", "lib/b.bin": b"0" * 2_000_000}
    )
    (code / "lib" / "c.py").write_text("")
    gathered = gather(code)
    assert [each.path for each in gathered.left] == ["data", "lib/b.bin"]
    assert set(gathered.files) == {"train.py", "lib/c.py"}


def test_there_is_a_bound_of_files_and_bytes(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    code = write({f"{index}.txt": "12345" for index in range(6)})
    monkeypatch.setattr(module, "MAX_FILES", 4)
    assert len(gather(code).files) == 4
    monkeypatch.setattr(module, "MAX_BYTES", 12)
    assert len(gather(code).files) == 2
    monkeypatch.setattr(module, "MAX_SEEN", 5)
    with pytest.raises(InitError, match="more than 5 entries"):
        gather(code)


def test_a_folder_of_very_many_files_is_not_walked_through(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    code = write({"train.py": "", **{f"shards/{index}": "1" for index in range(5)}})
    monkeypatch.setattr(module, "MAX_IN_FOLDER", 4)
    gathered = gather(code)
    assert set(gathered.files) == {"train.py"}
    assert [(each.path, each.why) for each in gathered.left] == [("shards", "5 entries")]


def test_what_is_needed_must_be_there(write: Write) -> None:
    code = write({"train.py": b"#" * 1_100_000})
    with pytest.raises(InitError, match=r"train\.py is needed and cannot be copied: .* larger than 1 MiB"):
        gather(code, ["train.py"])
