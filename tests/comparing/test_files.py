"""Runs as people have them: JSON lines, tables, what scripts printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from aster.comparing.files import is_file, side_of
from aster.errors import UserError

LOG = """\
for step in range(3): print(f"step:{step}/{train_steps} val_loss:{val_loss:.4f} train_time:{ms:.0f}ms")
step:0/3 val_loss:10.8258 train_time:0ms step_avg:0.03ms
step:1/3 train_time:60ms step_avg:60.1ms
step:3/3 val_loss:3.2788 train_time:79320ms step_avg:57.06ms
peak memory allocated: 31115 MiB reserved: 46134 MiB
"""


def values(where: Path | str) -> list[dict[str, float]]:
    return [run.values for run in side_of(str(where)).runs]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.jsonl",
            '{"seconds": 96.8, "val_loss": 3.278, "seed": 1, "ok": true}\n\n{"seconds": 97, "val_loss": NaN}\n',
        ),
        ("a.json", '[{"seconds": 96.8, "val_loss": 3.278, "seed": 1}, {"seconds": 97, "val_loss": null}]'),
        ("a.txt", '{"seconds": 96.8, "val_loss": 3.278, "seed": 1}\n{"seconds": 97}\n'),
        ("a.csv", "seconds,val_loss,seed\n96.8,3.278,1\n97,nan,\n"),
        ("a.tsv", "seconds\tval_loss\tseed\r\n96.8\t3.278\t1\r\n97\tcrashed\t\r\n"),
        ("a.out", "seconds;val_loss;seed\n96.8;3.278;1\n97;;\n"),
    ],
)
def test_rows_are_runs(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    first, second = side_of(str(tmp_path / name)).runs
    assert first.values == {"seconds": 96.8, "val_loss": 3.278, "seed": 1.0}
    assert first.keys == {"seed": "1"}
    assert (second.values, second.keys) == ({"seconds": 97.0}, {})


def test_the_contests_log_is_a_run_for_each_last_step(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text(LOG + LOG.replace("79320", "79400"))
    assert values(tmp_path / "run.txt") == [
        {"training_seconds": 79.32, "val_loss": 3.2788, "steps": 3.0},
        {"training_seconds": 79.4, "val_loss": 3.2788, "steps": 3.0},
    ]


def test_of_other_output_the_last_value_of_each_name_counts(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(
        "seed: 7\nloss: 4.0\nloss=3.5 dt: 250ms\ntraining_seconds: 300.1s\nversion 1.2.3\n"
    )
    (run,) = side_of(str(tmp_path / "run.log")).runs
    assert run.values == {"seed": 7.0, "loss": 3.5, "dt": 0.25, "training_seconds": 300.1}
    assert run.keys == {"seed": "7"}


def test_a_folder_and_a_pattern_hold_a_run_a_file(tmp_path: Path) -> None:
    for name, ms in (("a-1", 79320), ("a-2", 79400), ("b-1", 80000), (".hidden", 1)):
        (tmp_path / f"{name}.txt").write_text(LOG.replace("79320", str(ms)))
    (tmp_path / "folder").mkdir()
    (tmp_path / "README.md").write_text("seconds: 5\n")
    assert [each["training_seconds"] for each in values(tmp_path)] == [79.32, 79.4, 80.0]
    assert [each["training_seconds"] for each in values(tmp_path / "a-*.txt")] == [79.32, 79.4]
    assert is_file(str(tmp_path / "a-*"))
    assert not is_file(str(tmp_path / "c-*"))
    assert not is_file("baseline")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "holds no runs"),
        ("a.txt", "nothing to see here\n", "holds no runs"),
        ("a.jsonl", "{", "is no JSON lines"),
        ("a.jsonl", "[1, 2]", "row 1 is no JSON object"),
        ("a.jsonl", "[" * 100_000, "is no JSON lines"),
        ("a.csv", "x\n", "holds names of columns"),
    ],
)
def test_what_holds_no_runs_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        side_of(str(tmp_path / name))


def test_numbers_beyond_a_float_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"seconds": 1{"0" * 400}, "loss": 1e999, "n": 2}}\n')
    assert values(tmp_path / "a.jsonl") == [{"n": 2.0}]


def test_a_file_of_another_kind_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "a.bin").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(UserError, match="more than 64 MiB"):
        side_of(str(tmp_path / "a.bin"))
