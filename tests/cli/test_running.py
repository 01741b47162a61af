from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from tests.cli.conftest import Aster, Launch, only, parse_lines, started_attempts
from tests.toys import toy_problem

from aster.app import load_campaign

SUMMARY = ["campaign", "metric", "baseline", "champion", "best_unconfirmed", "claim", "experiments", "seconds"]


def test_json_is_every_event_and_last_the_summary(aster: Aster, toy: Path, campaigns: Path) -> None:
    result = aster("run", toy, "--experiments", 30, "--slots", 2, "--json")
    *events, summary = parse_lines(result.stdout)
    board = only(campaigns).board
    kinds = [event["event"] for event in events]
    assert result.exit_code == 0
    assert kinds[:3] == ["CampaignOpened", "CandidateAdded", "TermStarted"]
    assert kinds[-1] == "CampaignEnded"
    assert kinds.count("ExperimentPlanned") == kinds.count("OutcomeRecorded") == board.spend.experiments
    assert list(summary) == SUMMARY
    assert summary["campaign"] == board.campaign
    assert summary["metric"] == {"name": "loss", "goal": "minimize", "self_reported": False}
    assert summary["baseline"]["n"] == 3
    assert summary["baseline"]["value"] == pytest.approx(14, abs=0.3)
    assert summary["champion"] == {
        "candidate": board.champion,
        "label": board.candidates[str(board.champion)].label,
        "value": pytest.approx(1, abs=0.3),
    }
    claim = summary["claim"]
    assert set(claim) == {"id", "verdict", "gain", "low", "high", "alpha", "pairs", "experiments"}
    assert claim["verdict"] == "confirmed"
    assert len(claim["experiments"]) == 2 * claim["pairs"]
    assert set(claim["experiments"]) <= set(board.experiments)
    assert summary["experiments"] == board.spend.experiments


def test_an_exact_problem_under_a_wall_budget(aster: Aster, tmp_path: Path, campaigns: Path) -> None:
    exact = toy_problem(tmp_path / "exact", exact=True)
    result = aster("run", exact, "--wall", "2m", "--slots", 2)
    setup = only(campaigns).board.setup
    assert result.exit_code == 0
    assert (setup.limits.wall_s, setup.limits.experiments, setup.mode) == (120.0, None, "arrival")
    assert "\nConfirmed: loss 1.000000, better than " in result.stdout
    assert "baseline: loss 14.00000 (n 1)" in result.stdout
    assert "by more than 0.001: artifacts scored again\n" in result.stdout


def test_plain_lines_tell_what_is_notable(aster: Aster, toy: Path) -> None:
    result = aster("run", toy, "--experiments", 30, "--slots", 2)
    text = result.stdout
    for words in (
        "started toy-",
        "baseline: loss 14.",
        "direction opened: a: ",
        "finding: + more-",
        "new best: loss ",
        ", unconfirmed",
        "of 30 experiments planned",
        "claim 1: ",
        "pairs of fresh seeds",
        "claim 1 confirmed: gain +1",
        "ended: ",
        "A toy with [bold]marks[/bold]",
        " --claim",
    ):
        assert words in text, words
    assert re.search(r"status: 1[01] measured, \d running, 1\d of 30 experiments planned", text)
    assert text.index("claim 1 confirmed") < text.index("\nConfirmed: loss ")
    assert result.stderr == ""


def test_resume_of_an_ended_campaign_spends_nothing(aster: Aster, toy: Path, campaigns: Path) -> None:
    aster("run", toy, "--experiments", 12, "--slots", 2)
    before = only(campaigns).board.spend.experiments
    result = aster("resume", "last")
    assert result.exit_code == 0
    assert "resumed toy-" in result.stdout
    assert only(campaigns).board.spend.experiments == before == 12


def test_nothing_proven_is_said(aster: Aster, tmp_path: Path) -> None:
    flat = (
        "import json, random, sys\nrandom.seed(sys.argv[2])\njson.dump(5 + random.random(), open(sys.argv[1], 'w'))\n"
    )
    problem = toy_problem(tmp_path / "flat", files={"solution/solve.py": flat})
    result = aster("run", problem, "--experiments", 13, "--slots", 2)
    assert result.exit_code == 0
    assert "Confirmed" not in result.stdout
    assert result.stdout.partition("\n\n")[2].startswith("Nothing has beaten the baseline (loss 5.")


# --- what the user can mend ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no-such-problem", "--experiments", "30"], "no such folder and no such built-in problem"),
        (["{toy}"], "needs a budget: give --experiments N, --wall 2h, or both"),
        (["{toy}", "--experiments", "5"], "give at least 10 (--experiments 10)"),
        (["{toy}", "--wall", "soon"], 'must be a time such as "60s"'),
        (["{toy}", "--wall", "20"], 'the wall budget lacks its unit: write "20s" or "20m" or "20h"'),
        (["{toy}", "--experiments", "30", "--researcher", "oracle"], "There is no researcher 'oracle'"),
        (["{toy}", "--experiments", "30", "--slots", "0"], "needs at least one slot"),
        (["{toy}", "--experiments", "30", "--mode", "random"], "random"),
        (["{bad}", "--experiments", "30"], "problem.toml"),
    ],
)
def test_what_cannot_be_run_exits_with_2(aster: Aster, toy: Path, campaigns: Path, words: list[str], said: str) -> None:
    bad = toy_problem(toy.parent / "bad", files={"problem.toml": "[problem\nname="})
    result = aster("run", *(word.format(toy=toy, bad=bad) for word in words))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert not campaigns.exists()


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        ("raise SystemExit('the scorer fell over')", "exit"),
        ("import json, os\njson.dump({'other': 1}, open(os.environ['ASTER_SCORE'], 'w'))", "loss"),
    ],
    ids=["evaluator crashes", "metric absent"],
)
def test_a_baseline_that_does_not_measure(aster: Aster, tmp_path: Path, evaluate: str, said: str) -> None:
    problem = toy_problem(tmp_path / "toy", files={"evaluate.py": evaluate + "\n"})
    result = aster("run", problem, "--experiments", 30, "--slots", 1, "--json")
    assert result.exit_code == 2
    assert "The unchanged solution of toy did not measure" in result.stderr
    assert said in result.stderr
    summary = parse_lines(result.stdout)[-1]
    assert list(summary) == SUMMARY
    assert summary["baseline"] is summary["champion"] is summary["claim"] is None


def test_a_campaign_that_is_not_there(aster: Aster, campaigns: Path) -> None:
    for verb in ("resume", "stop", "show", "report"):
        result = aster(verb, "nothing")
        assert result.exit_code == 2
        assert f"There are no campaigns in {campaigns}" in result.stderr


def test_a_file_where_the_campaigns_should_be(aster: Aster, toy: Path, campaigns: Path) -> None:
    campaigns.write_text("")
    result = aster("run", toy, "--experiments", 30)
    assert result.exit_code == 1
    assert "--campaigns DIR" in result.stderr


PLAIN = ("--sandbox", "plain")
"""Experiments that wait for a file outside, so that a test says when they end, can see it in no other sandbox."""

# --- being asked to end --------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_ends_cleanly(
    aster: Aster, launch: Launch, tmp_path: Path, campaigns: Path, asked: signal.Signals
) -> None:
    gate = tmp_path / "gate"
    problem = toy_problem(tmp_path / "toy", gate=gate)
    process = launch("run", problem, "--experiments", 14, "--slots", 2, *PLAIN, "--json")
    started_attempts(process, 2)
    process.send_signal(asked)
    assert process.stderr is not None
    said = process.stderr.readline()
    if asked != signal.SIGINT:
        process.send_signal(asked)  # only Ctrl-C makes an ending campaign leave at once
    gate.touch()
    out, more = process.communicate()
    assert said == "Ending: waiting for 2 running experiments (Ctrl-C again to leave at once).\n"
    assert (process.returncode, more) == (0, "")
    assert list(parse_lines(out)[-1]) == SUMMARY
    board = only(campaigns).board
    assert board.ended == "stopped: interrupted by the user"
    assert board.tally == {"measured": 2}

    assert aster("resume", "last", *PLAIN).exit_code == 0
    board = only(campaigns).board
    assert board.ended is not None
    assert not board.ended.startswith("stopped")
    assert sum(board.tally.values()) == board.spend.experiments == len(board.experiments)


def test_two_interrupts_leave_at_once(aster: Aster, launch: Launch, tmp_path: Path, campaigns: Path) -> None:
    gate = tmp_path / "gate"
    problem = toy_problem(tmp_path / "toy", gate=gate)
    process = launch("run", problem, "--experiments", 14, "--slots", 2, *PLAIN)
    assert process.stdout is not None
    assert process.stderr is not None
    assert "started toy-" in process.stdout.readline()
    while not campaigns.is_dir() or len(only(campaigns).board.running) < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert re.match(r"Ending: waiting for [12] running experiment", process.stderr.readline())
    process.send_signal(signal.SIGINT)
    out, said = process.communicate()
    campaign = only(campaigns)
    assert process.returncode == 130
    assert said.startswith("Leaving: running experiments are stopped; `aster resume toy-")
    assert "Go on: aster resume " in out
    assert campaign.board.ended is None
    assert campaign.board.tally == {}
    assert " interrupted " in aster("campaigns").stdout

    gate.touch()
    assert aster("resume", campaign.id, *PLAIN).exit_code == 0
    board = only(campaigns).board
    assert sum(board.tally.values()) == board.spend.experiments
    assert board.lost == 2


def test_a_running_campaign_is_busy_and_can_be_stopped(
    aster: Aster, launch: Launch, tmp_path: Path, campaigns: Path
) -> None:
    gate = tmp_path / "gate"
    problem = toy_problem(tmp_path / "toy", gate=gate)
    process = launch("run", problem, "--experiments", 14, "--slots", 2, *PLAIN, "--json")
    opened = started_attempts(process, 2)[0]
    name = opened["campaign"]
    busy = aster("resume", name)
    assert busy.exit_code == 2
    assert f"process {process.pid}" in busy.stderr
    assert " running " in aster("campaigns").stdout
    assert "0 running" not in aster("show", name).stdout
    assert aster("stop", name, "--reason", "enough").stdout.startswith(f"Asked {name} to end")
    gate.touch()
    process.communicate()
    assert process.returncode == 0
    assert load_campaign(campaigns / name).board.ended == "stopped: enough"
    assert aster("stop", name).stdout == f"{name} is not running, so there is nothing to stop.\n"


def test_a_reader_that_leaves_does_not_end_the_campaign(launch: Launch, toy: Path, campaigns: Path) -> None:
    process = launch("run", toy, "--experiments", 14, "--slots", 2)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
    assert (only(campaigns).board.ended or "").startswith("budget: experiments spent")
