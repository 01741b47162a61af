"""Whole checks, in the sandbox that this machine has."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.checking.rods import LAY, LOOSE, PROBLEM, STRICT, rods_problem
from tests.toys import toy_problem

from aster.campaign.budget import Budget
from aster.checking.report import Check
from aster.checkup import check
from aster.errors import BaselineError, UserError
from aster.sandbox.processes import marked

HERE = Path(__file__).parents[1]


def verdicts(found: Check) -> dict[str, str]:
    return {trial.name: trial.verdict for trial in found.trials}


def test_a_careless_evaluator_is_found_out(tmp_path: Path) -> None:
    found = check(rods_problem(tmp_path / "rods", LOOSE), slots=2)
    got = verdicts(found)
    assert got["rods.json: NaN but for [rods][*][1], which is 1.05 times what it was"] == "accepted"
    assert got["rods.json: an entry more, a millionth of the first"] == "accepted"
    assert got["rods.json: NaN throughout [rods][*][0]"] == "doubtful"
    assert got["rods.json: its list empty"] == "hung"
    assert got["rods.json: missing"] == "crashed"
    assert got["writes and prints a score of its own"] == "refused"
    assert got["plants modules for the evaluator to import"] == "refused"
    assert got["leaves a process behind"] == "refused"
    if found.sandbox != "plain":
        assert got["looks for the evaluator and hidden data"] == "refused"
    assert {trial.verdict for trial in found.accepted} == {"accepted"}


def test_a_strict_one_accepts_nothing(tmp_path: Path) -> None:
    found = check(rods_problem(tmp_path / "rods"), slots=2, budget=Budget(experiments=50), device_price=2.0)
    outputs = [trial for trial in found.trials if trial.target == "outputs"]
    assert not [trial for trial in outputs if trial.verdict not in ("refused", "harmless")]
    assert len(outputs) > 30
    assert found.accepted == () or found.sandbox == "plain"
    assert (found.exact, found.values, found.rescored) == (True, (0.8,), (0.8, 0.8))
    assert (found.reach, found.again, found.noise.sd) == ((), None, None)
    assert found.cost.experiments == 50
    assert found.cost.device_dollars == pytest.approx(2.0 * found.cost.device_hours)


@pytest.mark.slow
def test_the_packing_accepts_none() -> None:
    found = check("circle-packing")
    assert not [trial for trial in found.trials if trial.verdict in ("accepted", "doubtful", "hung")]
    assert len(found.trials) > 50


def test_the_noise_of_a_toy(tmp_path: Path) -> None:
    found = check(toy_problem(tmp_path / "toy"), seeds=3, slots=2, cheats=False)
    assert found.noise.n == len(found.seeds) == len(set(found.values)) == 3
    assert found.again == found.values[0]
    assert found.noise.mean == pytest.approx(14.0, abs=0.5)
    assert [each.pairs for each in found.reach] == [3, 5, 10]
    assert found.trials == ()
    assert found.pace.wall_s <= found.pace.turn_s
    assert found.notes == ()


def test_a_seed_that_is_ignored_is_said(tmp_path: Path) -> None:
    problem = PROBLEM.replace("exact = true\n", "")
    found = check(rods_problem(tmp_path / "rods", problem_toml=problem), seeds=2, slots=2, cheats=False)
    assert found.noise.sd == 0.0
    assert "the solution ignores its seed" in found.notes[0]


def test_the_unchanged_solution_passes_its_own_check(tmp_path: Path) -> None:
    quick = PROBLEM.replace("exact = true\n", "").replace('timeout = "30s"', 'timeout = "30s"\nquick = true', 1)
    found = check(rods_problem(tmp_path / "rods", problem_toml=quick), seeds=2, slots=2, cheats=False)
    assert not any("quick" in note for note in found.notes)
    only = 'trusted = true\nquick = "only"'
    lost = PROBLEM.replace(
        "[[metric]]",
        f"""[[stage]]
name = "look"
command = ["python", "evaluate.py", "{{outputs}}/rods.json"]
{only}
timeout = "30s"
[[metric]]""",
    )
    with pytest.raises(BaselineError, match=r"does not pass its own quick stages.*invalid: not JSON: FileNotFound"):
        check(rods_problem(tmp_path / "lost", problem_toml=lost), slots=2, cheats=False)


def test_outputs_too_large_to_keep_are_not_spoiled_and_plain_processes_hide_nothing(tmp_path: Path) -> None:
    padded = LAY.replace('{"rods"', '{"padding": " " * (17 << 20), "rods"')
    data = PROBLEM + '[[data]]\nname = "answers"\npath = "answers"\nvisible = ["score"]\n'
    files = {"solution__lay_py": padded, "problem_toml": data, "answers__labels": "1 2 3"}
    found = check(rods_problem(tmp_path / "rods", LOOSE, **files), slots=2, sandbox="plain")
    got = verdicts(found)
    assert got["spoiled outputs"] == got["replays stored outputs"] == "skipped"
    assert got["looks for the evaluator and hidden data"] == "accepted"
    assert "rods/answers/labels" in next(each.said for each in found.trials if "hidden" in each.name)
    assert "would run the code again" in found.notes[0]


def test_hidden_data_stays_hidden(tmp_path: Path) -> None:
    data = PROBLEM + '[[data]]\nname = "answers"\npath = "answers"\nvisible = ["score"]\n'
    padded = LAY.replace('{"rods"', '{"padding": " " * (17 << 20), "rods"')
    loose = LOOSE.replace("rods = ", "open('answers/labels').close()\nrods = ", 1)
    files = {"solution__lay_py": padded, "problem_toml": data, "answers__labels": "1 2 3"}
    found = check(rods_problem(tmp_path / "rods", loose, **files), slots=2)
    if found.sandbox == "plain":
        pytest.skip("plain processes hide nothing")
    assert verdicts(found)["looks for the evaluator and hidden data"] == "refused"


def test_without_an_entry_no_candidate_cheats(tmp_path: Path) -> None:
    frozen = PROBLEM.replace('["*.py"]', '["other.py"]')
    padded = LAY.replace('{"rods"', '{"padding": " " * (17 << 20), "rods"')
    files = {"problem_toml": frozen, "solution__lay_py": padded, "solution__other_py": ""}
    [outputs, candidates] = check(rods_problem(tmp_path / "rods", LOOSE, **files), slots=1).trials
    assert (outputs.verdict, candidates.verdict) == ("skipped", "skipped")
    assert candidates.name == "cheating candidates"


SELF_REPORTED = """\
[problem]
name = "printed"
title = "A script that prints its loss"
[solution]
root = "solution"
editable = ["*.py"]
[[stage]]
name = "train"
command = ["python", "solution/train.py"]
timeout = "30s"
[[metric]]
name = "loss"
goal = "minimize"
pattern = '^loss:\\s*(\\S+)'
"""


def test_whoever_prints_its_own_score_wins(tmp_path: Path) -> None:
    train = "import random\nprint(f'loss: {2 + random.random()} nats')\n"
    found = check(
        rods_problem(tmp_path / "printed", problem_toml=SELF_REPORTED, solution__train_py=train), seeds=2, slots=2
    )
    got = verdicts(found)
    assert found.self_reported
    assert got["prints a better number at once"] == "accepted"
    assert got["writes nothing and ends well"] == "refused"
    assert got["spoiled outputs"] == "skipped"
    assert "plants modules for the evaluator to import" not in got
    assert "any candidate can print any number" in found.notes[0]


def test_what_a_claim_takes_to_show_a_mean_is_said(tmp_path: Path) -> None:
    train = "import random\nprint(f'loss: {2 + random.random() / 1000} nats')\n"
    bounded = f'{SELF_REPORTED}[[constraint]]\nmetric = "loss"\nmax = 2.1\np = 0.01\n'
    folder = rods_problem(tmp_path / "printed", problem_toml=bounded, solution__train_py=train)
    found = check(folder, seeds=3, slots=2, cheats=False)
    assert any(
        note.startswith("The mean loss of 3 runs is 2.000") and "runs to show that it is at most 2.1 (p < 0.01)" in note
        for note in found.notes
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"solution__lay_py": "raise SystemExit('no rods today')\n"}, "no rods today"),
        ({"evaluate": STRICT.replace("sum(", "__import__('time').time() + sum(")}, "says exact = true"),
    ],
    ids=["does not measure", "not exact"],
)
def test_baselines_that_are_broken(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(BaselineError, match=said):
        check(rods_problem(tmp_path / "rods", **files), slots=1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seeds": 0}, "1 to 1000 seeds"),
        ({"slots": 0}, "slots"),
        ({"device_price": -1.0}, "0 or more"),
        ({"budget": Budget(experiments=0)}, "1 or more"),
        ({"problem": 3}, "problem must be"),
    ],
)
def test_arguments_that_cannot_be(tmp_path: Path, wrong: dict[str, object], said: str) -> None:
    arguments = {"problem": rods_problem(tmp_path / "rods"), **wrong}
    with pytest.raises(UserError, match=said):
        check(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_stays_behind(tmp_path: Path, asked: signal.Signals) -> None:
    (tmp_path / "tmp").mkdir()
    problem = toy_problem(tmp_path / "toy", gate=tmp_path / "never")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from aster.checkup import check\ncheck({str(problem)!r}, slots=2)\n"
    )
    environment = {"PYTHONPATH": str(HERE / "src"), "TMPDIR": str(tmp_path / "tmp"), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    try:
        until(lambda: any(marked("aster-check-").values()) and list((tmp_path / "tmp").glob("*/attempts/*/alive")))
        [folder] = (tmp_path / "tmp").iterdir()
        process.send_signal(asked)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
        process.wait()
    until(lambda: not folder.exists())
    assert not marked(folder.name)


def until(happened: object) -> None:
    assert callable(happened)
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
