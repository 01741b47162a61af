from __future__ import annotations

from aster.checking.mutants import LARGE, mutants

SCORE = '{"loss": 0.5}'


def made(**outputs: bytes) -> dict[str, dict[str, bytes]]:
    return {each.name: each.outputs for each in mutants({k.replace("_", "."): v for k, v in outputs.items()}, SCORE)}


def test_every_file_can_be_missing_empty_huge_or_a_folder() -> None:
    found = made(a_json=b"[1, 2]", b_bin=b"\xff\xfe\xfd")
    assert found["a.json: missing"] == {"b.bin": b"\xff\xfe\xfd"}
    assert found["a.json: a folder in its place"] == {"b.bin": b"\xff\xfe\xfd", "a.json/a.json": b"[1, 2]"}
    assert found["b.bin: empty"]["b.bin"] == b""
    assert len(found["a.json: 50 MB"]["a.json"]) == LARGE
    assert found["a.json: an evaluator's answer in its place"]["a.json"] == SCORE.encode()


def test_bytes_of_no_known_kind_are_zero_or_no_numbers() -> None:
    found = made(b_bin=b"\x00\xfe\xfd\x00")
    assert found["b.bin: zero in place of every byte"]["b.bin"] == bytes(4)
    assert found["b.bin: 255 in place of every byte, which floats take for NaN"]["b.bin"] == b"\xff" * 4


def test_tables_are_spoiled_by_number_and_by_line() -> None:
    found = made(t_csv=b"x,y\n1,2.5\n3,4\n")
    assert found["t.csv: nan in place of its first number"]["t.csv"] == b"x,y\nnan,2.5\n3,4\n"
    assert found["t.csv: inf in place of every number"]["t.csv"] == b"x,y\ninf,inf\ninf,inf\n"
    assert found["t.csv: its last line dropped"]["t.csv"] == b"x,y\n1,2.5\n"
    assert found["t.csv: its first line alone"]["t.csv"] == b"x,y\n"


def test_only_the_largest_files_are_spoiled() -> None:
    found = made(**{f"f{size}_txt": b"x" * size for size in range(1, 6)})
    assert {name.partition(":")[0] for name in found} == {"f3.txt", "f4.txt", "f5.txt"}


def test_nothing_is_made_of_no_outputs() -> None:
    assert made() == {}
