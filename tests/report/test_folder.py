import os
import subprocess
import threading
from pathlib import Path

import pytest
from tests.report.boards import Story, exact_setup, noisy_story, packing_story

from aster.domain.records import Failed
from aster.errors import StoreError
from aster.report import folder as folders
from aster.report.folder import flat_names, write_report
from aster.report.trees import candidate_files


def listing(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


ALWAYS = {"report.html", "progress.svg", "progress.png", "results.tsv"}


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_confirmed_champion_is_left_as_files_and_patch(tmp_path: Path) -> None:
    story = packing_story(20, 4)
    written = write_report(story.board, story, tmp_path / "out")
    out = tmp_path / "out"
    assert listing(out) == ALWAYS | {"best", "best.patch", "best-artifacts"}
    assert {p.name for p in written} == listing(out)
    champion = candidate_files(story.board, story, story.board.champion or "")
    assert files_under(out / "best") == champion
    assert files_under(out / "best-artifacts") == {"circles.json": b"[[0.5, 0.5, 0.5]]"}
    work = tmp_path / "work"
    for path, data in candidate_files(story.board, story, story.baseline).items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(data)
    subprocess.run(["git", "apply", str(out / "best.patch")], cwd=work, check=True, timeout=20)
    assert files_under(work) == champion


def test_an_unconfirmed_best_is_called_so_and_gives_way(tmp_path: Path) -> None:
    story = noisy_story(8, verdict=False)
    write_report(story.board, story, tmp_path)
    assert listing(tmp_path) == ALWAYS | {"best-unconfirmed", "best-unconfirmed.patch"}
    story.test("m-1", [1.0] * 6, [2.0] * 6)
    story.decide("m-1", "confirmed", 1.0, 1.0, 1.0)
    write_report(story.board, story, tmp_path)
    assert listing(tmp_path) == ALWAYS | {"best", "best.patch"}


def test_a_campaign_without_numbers_leaves_no_solution(tmp_path: Path) -> None:
    story = Story(exact_setup())
    story.run(story.baseline, Failed("exit 1"))
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "stale.py").write_text("old")
    (tmp_path / "best.patch").write_text("old")
    write_report(story.board, story, tmp_path)
    assert listing(tmp_path) == ALWAYS


def test_the_ledger_beside_the_report_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"x")
    story = packing_story(5, 1)
    write_report(story.board, story, tmp_path)
    write_report(story.board, story, tmp_path)
    assert (tmp_path / "ledger.db").read_bytes() == b"x"


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = packing_story(5, 1)
    write_report(story.board, story, tmp_path)
    before, names = (tmp_path / "report.html").read_bytes(), listing(tmp_path)

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"cannot be written to .*No space left"):
        write_report(story.board, story, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    assert listing(tmp_path) == names


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    target, seen, done = tmp_path / "file", set(), threading.Event()
    folders._replace_file(target, b"a" * 100_000)

    def look() -> None:
        while not done.is_set():
            data = target.read_bytes()
            seen.add((len(data), data[:1], data[-1:]))

    reader = threading.Thread(target=look)
    reader.start()
    for n in range(60):
        folders._replace_file(target, (b"b" if n % 2 else b"a") * 100_000)
    done.set()
    reader.join()
    assert seen <= {(100_000, b"a", b"a"), (100_000, b"b", b"b")}


def test_two_reports_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    troubles: list[OSError] = []

    def write(mark: bytes) -> None:
        try:
            for _ in range(30):
                folders._replace_folder(tmp_path / "best", {f"{i}.py": mark for i in range(5)})
        except OSError as trouble:  # handed to the test's own thread
            troubles.append(trouble)

    threads = [threading.Thread(target=write, args=(mark,)) for mark in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    assert listing(tmp_path) == {"best"}
    assert len(set(files_under(tmp_path / "best").values())) == 1


def test_files_can_be_read_by_others(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        story = packing_story(5, 1)
        write_report(story.board, story, tmp_path)
    finally:
        os.umask(mask)
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o644


def test_names_of_artifacts_are_made_safe_and_stay_apart() -> None:
    names = {"../../etc/passwd": b"1", "a b": b"2", "a_b": b"3", ".hidden": b"4", "日": b"5", "x" * 300: b"6"}
    safe = flat_names(names)
    assert sorted(safe.values()) == sorted(names.values())
    assert all("/" not in name and not name.startswith(".") and len(name) <= 110 for name in safe)
    assert safe["a_b"] == b"2"
    assert safe["2-a_b"] == b"3"


def test_what_a_killed_report_had_begun_is_swept_away_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    story = noisy_story(8, verdict=True)
    died = subprocess.Popen(["true"])
    died.wait()
    for path in (f".best.{died.pid}-0123abcd/solution", f".best-unconfirmed.{died.pid}-0123abcd"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / f".report.html.{died.pid}-0123abcd").touch()
    theirs = {f".progress.svg.{os.getppid()}-0123abcd", ".overview.json", ".best.notes"}
    for name in theirs:
        (tmp_path / name).touch()
    write_report(story.board, story, tmp_path)
    assert {name for name in listing(tmp_path) if name.startswith(".")} == theirs
