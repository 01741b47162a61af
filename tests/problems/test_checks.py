"""Each trouble in problem.toml names its key and its mend, and all of them come at once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from aster.errors import ProblemError
from aster.problems.checks import read_spec

Files = dict[str, bytes]
Toml = Callable[..., Files]


def trouble(files: Files) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        read_spec(files, "p/problem.toml")
    return caught.value


def test_a_good_file(files: Files) -> None:
    spec = read_spec(files, "p/problem.toml")
    assert spec.problem.name == "small"
    solve, score = spec.stages
    assert (solve.name, solve.timeout_s, solve.trusted) == ("solve", 5400.0, False)
    assert solve.command[1] == "solution/solve.py"
    assert (score.timeout_s, score.trusted) == (20.0, True)
    assert spec.metrics[1].valid == (0.0, float("inf"))
    assert spec.archive.descriptors == ("spread",)
    assert (spec.resources.cpus, spec.resources.gpus, spec.resources.memory_mb) == (2, 0, 1536)
    assert (spec.seeds.search, spec.seeds.confirm, spec.seeds.env) == (2, 5, "SEED")
    assert spec.references[0].same
    assert spec.takes_seed


def test_what_may_be_left_out(files: Files) -> None:
    text = files["problem.toml"].decode()
    short = text[: text.index("[archive]")].replace('statement = "README.md"\n', "")
    spec = read_spec({**files, "problem.toml": short.encode()}, "p/problem.toml")
    assert spec.problem.statement == "README.md"
    assert (spec.resources.cpus, spec.resources.memory_mb, spec.seeds.confirm) == (1, 2048, 10)
    assert (spec.archive.descriptors, spec.references) == ((), ())


@pytest.mark.parametrize(
    ("changes", "takes"),
    [
        ((), True),
        (('env = "SEED"', ""), True),
        (('"{seed}"', '"7"'), True),
        (('env = "SEED"', "", '"{seed}"', '"7"'), False),
        (('env = "SEED"', "", '"{seed}"', '"7"', '"{pictures}"', '"{seed}"'), False),
    ],
)
def test_whether_seeds_pair(changes: tuple[str, ...], takes: bool, toml: Toml) -> None:
    assert read_spec(toml(*changes), "p").takes_seed is takes


@pytest.mark.parametrize(
    ("old", "new", "key", "why"),
    [
        ('name = "small"', 'name = "Small One"', "problem.name", "kebab-case"),
        ('title = "A small problem"', "", "problem.title", "missing; it must be one line"),
        ('title = "A small problem"', 'title = " "', "problem.title", "one line"),
        ('title = "A small problem"', 'titel = "A"\ntitle = "A"', "problem.titel", 'did you mean "title"'),
        ("[problem]", "zzz = 1\n[problem]", "zzz", "known are archive, constraint, data, environment"),
        ('"README.md"', '"READMI.md"', "problem.statement", 'did you mean "README.md"'),
        ('"README.md"', '"../README.md"', "problem.statement", "below the problem folder"),
        ('root = "solution"', 'root = "."', "solution.root", "below the problem folder"),
        ('root = "solution"', 'root = "/tmp"', "solution.root", "below the problem folder"),
        ('root = "solution"', 'root = "ideas"', "solution.root", "Aster uses itself"),
        ('["**/*.py"]', '["**/*.py", "*.cu"]', "solution.editable[1]", '"*.cu" matches no file'),
        ('["**/*.py"]', "[]", "solution.editable", "list of globs"),
        ('["**/*.py"]', '"**/*.py"', "solution.editable", "list of globs"),
        ('["**/*.py"]', '["**/*.py"]\nsurfaces = { a = ["solution/solv.py"] }', "solution.surfaces.a[0]", "matches no"),
        ('["**/*.py"]', '["**/*.py"]\nsurfaces = { a = ["solve.py"] }', "solution.surfaces.a[0]", "relative to"),
        ('["**/*.py"]', '["**/*.py"]\nsurfaces = { a = ["solution/solv.py::F"] }', "solution.surfaces.a[0]", "did you"),
        ('["**/*.py"]', '["**/*.py"]\nsurfaces = { a = ["solution/solve.py::F"] }', "solution.surfaces.a[0]", '"F" in'),
        (
            '["**/*.py"]',
            '["**/*.py"]\nsurfaces = { combination = ["solution/solve.py"] }',
            "solution.surfaces.combination",
            "another name",
        ),
        ('"1.5h"', '"soon"', "stage[0].timeout", '"60s", "2m" or "1.5h"'),
        ('"1.5h"', "true", "stage[0].timeout", "not true"),
        ('"1.5h"', "0", "stage[0].timeout", "more than 0"),
        ('"1.5h"', "inf", "stage[0].timeout", "more than 0"),
        (
            'timeout = "1.5h"',
            "",
            "stage[0].timeout",
            'missing; it must be a time such as "60s", "2m" or "1.5h" (in "solve")',
        ),
        ('timeout = "1.5h"', 'timeout = "9s"\nquick = 1', "stage[0].quick", 'true, false or "only"'),
        ('timeout = "1.5h"', 'timeout = "9s"\nquick = "yes"', "stage[0].quick", 'true, false or "only"'),
        ('timeout = "1.5h"', 'timeout = "9s"\nquick = "only"', "stage", "no stage runs the candidate's code"),
        ("timeout = 20", 'timeout = 20\nquick = "only"', "stage", 'nobody can report "total"'),
        (
            'timeout = "1.5h"',
            'timeout = "1.5h"\nquick = true\n[[stage]]\nname = "ask"\ncommand = ["python", "evaluate.py"]\n'
            'trusted = true\ntimeout = 9\nservice = "solve"',
            "stage[0].quick",
            'runs only beside "ask"; say quick there',
        ),
        ('"solution/solve.py", "--out"', '7, "--out"', "stage[0].command[1]", "list of words"),
        ('"solution/solve.py"', '"solution/slove.py"', "stage[0].command[1]", 'did you mean "solution/solve.py"'),
        ('"solution/solve.py"', '"evaluate.py"', "stage[0].command[1]", "all that an untrusted stage sees"),
        ('"evaluate.py"', '"solution/solve.py"', "stage[1].command[1]", "a trusted stage may not run it"),
        ('"evaluate.py"', '"evalute.py"', "stage[1].command[1]", 'did you mean "evaluate.py"'),
        ('"{seed}"', '"{sead}"', "stage[0].command[5]", "unknown placeholder {sead}"),
        ('"{seed}"', '"{pictures}"', "stage[0].command[5]", "for trusted stages only"),
        ("trusted = true", 'trusted = "yes"', "stage[1].trusted", "true or false"),
        ("trusted = true", "", "stage", "no stage is trusted"),
        (
            "timeout = 20",
            "timeout = 20\n[[stage]]\nname = 'x'\ncommand = ['ls']\ntimeout = 1",
            "stage[2]",
            "move it before",
        ),
        ('name = "score"', 'name = "solve"', "stage", '"solve" stands 2 times'),
        ('goal = "maximize"', "", "metric[0].goal", 'goal = "maximize" or goal = "minimize"'),
        ('goal = "maximize"', 'goal = "max"', "metric[0].goal", '"maximize" or "minimize"'),
        ('name = "spread"', 'name = "total"', "archive.descriptors[0]", "not a declared metric"),
        ('name = "spread"', 'name = "invalid"', "metric[1].name", "a rule was broken"),
        ('name = "spread"', "name = 'a b'", "metric[1].name", "begin with a letter"),
        ("valid = [0.0, 10]", "valid = [10, 0]", "metric[0].valid", "the lowest must be less"),
        ("valid = [0.0, 10]", "valid = [nan, 0]", "metric[0].valid", "the lowest must be less"),
        ("valid = [0.0, 10]", "valid = [1]", "metric[0].valid", "a pair of numbers"),
        ("resolution = 1e-9", "resolution = -1", "metric[0].resolution", "not negative"),
        ("resolution = 1e-9", "resolution = inf", "metric[0].resolution", "not negative"),
        ("resolution = 1e-9", "pattern = 'x'", "metric[0].pattern", "exactly one group"),
        ("resolution = 1e-9", "pattern = '('", "metric[0].pattern", "not a regular expression"),
        ("resolution = 1e-9", "pattern = '((?:a+)+)'", "metric[0].pattern", "repeats a repetition"),
        ("resolution = 1e-9", "pattern = '(x)'\nexact = true", "metric[0].exact", "cannot be scored again"),
        ("trusted = true", "", "stage", 'nobody can report "total"'),
        ("[resources]", "[progress]\npattern = '(x)'\n[resources]", "progress.pattern", "exactly two groups"),
        ("[resources]", "[progress]\ngoal = 'up'\n[resources]", "progress.goal", '"maximize" or "minimize"'),
        ("[resources]", "[progress]\nstep = 1\n[resources]", "progress.step", 'did you mean "stop"'),
        ("[archive]", "[[constraint]]\nmetric = 'sprad'\nmax = 1\n[archive]", "constraint[0].metric", '"spread"'),
        ("[archive]", "[[constraint]]\nmetric = 'spread'\n[archive]", "constraint[0]", "needs max, min or both"),
        ("[archive]", "[[constraint]]\nmetric = 'spread'\nmin = 2\nmax = 1\n[archive]", "constraint[0]", "less than"),
        ("[archive]", "[[constraint]]\nmetric = 'spread'\nmax = inf\n[archive]", "constraint[0].max", "a number"),
        ("[archive]", "[[constraint]]\nmetric = 'spread'\nmax = 1\np = 0.5\n[archive]", "constraint[0].p", "below 0.5"),
        ("[archive]", "[[constraint]]\nmetric = 'spread'\nmax = 1\np = 0\n[archive]", "constraint[0].p", "above 0"),
        (
            "[archive]",
            2 * "[[constraint]]\nmetric = 'spread'\nmax = 1\np = 0.01\n" + "[archive]",
            "constraint",
            "2 times",
        ),
        ('["spread"]', '["sprad"]', "archive.descriptors[0]", 'did you mean "spread"'),
        ('["spread"]', '["spread", "spread"]', "archive.descriptors", "stands 2 times"),
        ("cpus = 2", "cpus = 0", "resources.cpus", "at least 1"),
        ("cpus = 2", "gpus = -1", "resources.gpus", "0 or more"),
        ('"1.5GiB"', '"2GB"', "resources.memory", '"2GiB" or "512MiB"'),
        ('"1.5GiB"', '"0MiB"', "resources.memory", '"2GiB" or "512MiB"'),
        ("search = 2", "search = 0", "seeds.search", "at least 1"),
        ("confirm = 5", "confirm = 2", "seeds.confirm", "exact = true"),
        ("confirm = 5", "confirm = 5\nconfirm_least = 6", "seeds.confirm_least", "at most seeds.confirm, which is 5"),
        ('env = "SEED"', 'env = "PATH"', "seeds.env", "of your own"),
        ('env = "SEED"', 'env = "A=B"', "seeds.env", "of your own"),
        ("value = 9", 'value = "9"', "reference[0].value", "a number"),
        ('source = "a paper"', "", "reference[0].source", "where it can be read"),
        ("[archive]", "[[constraint]]\nmax = 1\n[archive]", "constraint[0].metric", "missing"),
        ("[archive]", "[[archive]]", "archive", "written as [archive]"),
        ("[[reference]]", "[reference]", "reference", "write [[reference]]"),
    ],
)
def test_one_trouble(old: str, new: str, key: str, why: str, toml: Toml) -> None:
    found = trouble(toml(old, new))
    assert found.where == "p/problem.toml"
    if found.key:
        assert found.key == key
        assert why in found.trouble
    else:  # a second trouble follows from the first, so they come as a list
        assert re.search(rf"^  - {re.escape(key)}: .*{re.escape(why)}", found.trouble, re.MULTILINE)


@pytest.mark.parametrize("key", ["problem", "solution", "stage", "metric"])
def test_missing_tables_say_what_to_add(key: str, files: Files) -> None:
    text = files["problem.toml"].decode()
    blocks = [block for block in text.split("\n\n") if not block.startswith((f"[{key}]", f"[[{key}]]"))]
    found = trouble({**files, "problem.toml": "\n\n".join(blocks).encode()})
    assert f"{key}: missing; add [" in str(found)


def test_an_empty_file_names_all_that_is_needed(files: Files) -> None:
    text = str(trouble({**files, "problem.toml": b""}))
    assert text.startswith("p/problem.toml: 4 things to mend:\n  - metric: missing; add [[metric]]: ")


def test_nothing_runs_the_candidate(files: Files) -> None:
    text = files["problem.toml"].decode()
    first, last = text.index("[[stage]]"), text.index('[[stage]]\nname = "score"')
    assert "no stage runs the candidate's code" in str(
        trouble({**files, "problem.toml": (text[:first] + text[last:]).encode()})
    )


def test_every_trouble_is_told_with_its_key(toml: Toml) -> None:
    found = trouble(
        toml(
            'name = "small"',
            'name = "Small"',
            '["**/*.py"]',
            '["*.cu"]',
            '"{seed}"',
            '"{sead}"',
            "timeout = 20",
            'timeout = "20"',
            'goal = "maximize"',
            "",
            "cpus = 2",
            "cpu = 2",
            "confirm = 5",
            "confirm = 1",
        )
    )
    keys = re.findall(r"^  - ([^:]+): ", found.trouble, re.MULTILINE)
    assert sorted(keys) == [
        "metric[0].goal",
        "problem.name",
        "resources.cpu",
        "seeds.confirm",
        "solution.editable[0]",
        "stage[0].command[5]",
        "stage[1].timeout",
    ]


def test_an_exact_metric_needs_no_pairs(toml: Toml) -> None:
    spec = read_spec(toml("confirm = 5", "confirm = 1", "resolution = 1e-9", "exact = true"), "p")
    assert spec.objective.exact


def test_a_name_that_begins_like_the_root_is_not_under_it(toml: Toml) -> None:
    files = toml('"solution/solve.py"', '"solutions.py"')
    assert "all that an untrusted stage sees" in str(trouble({**files, "solutions.py": b""}))


def test_code_in_a_command_is_not_taken_for_a_placeholder(toml: Toml) -> None:
    spec = read_spec(toml('"python", "solution/solve.py"', '''"python", "-c", "print({'a': 1}, {})"'''), "p")
    assert "print({'a': 1}, {})" in spec.stages[0].command


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[problem\n", r"is not valid TOML: .* line 1, column \d+"),
        (b"a = 1\nb = \xff\n", r"is not UTF-8 text \(line 2\)"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_toml(data: bytes, why: str, files: Files) -> None:
    found = trouble({**files, "problem.toml": data})
    assert re.search(why, str(found))


SERVED = (
    'timeout = "1.5h"\n',
    'timeout = "1.5h"\n\n[[stage]]\nname = "serve"\ncommand = ["python", "solution/solve.py"]\ntimeout = 9\n',
    "trusted = true", 'trusted = true\nservice = "serve"',
)  # fmt: skip


def test_a_service_is_named_by_the_stage_that_it_serves(toml: Toml) -> None:
    spec = read_spec(toml(*SERVED), "p")
    assert [stage.service for stage in spec.stages] == [None, None, "serve"]
    assert spec.services == {"serve"}


def test_a_service_may_come_after_its_stage_and_be_all_that_is_untrusted(toml: Toml, files: Files) -> None:
    text = toml("trusted = true", 'trusted = true\nservice = "solve"')["problem.toml"].decode()
    solve = text[text.index("[[stage]]") : text.index('[[stage]]\nname = "score"')]
    moved = text.replace(solve, "").replace("[[metric]]", solve + "[[metric]]", 1)
    assert read_spec({**files, "problem.toml": moved.encode()}, "p").services == {"solve"}


@pytest.mark.parametrize(
    ("changes", "key", "why"),
    [
        (
            (*SERVED, 'service = "serve"', 'service = "serv"'),
            "stage[2].service",
            'there is no stage "serv"; did you mean',
        ),
        ((*SERVED, 'service = "serve"', 'service = "score"'), "stage[2].service", '"score" is trusted; a service runs'),
        (
            (*SERVED, "timeout = 9", 'timeout = 9\nservice = "solve"'),
            "stage[1].service",
            "only a trusted stage can have",
        ),
        ((*SERVED, 'service = "serve"', "service = 7"), "stage[2].service", "the name of the stage that serves"),
        ((*SERVED, "resolution = 1e-9", "exact = true"), "metric[0].exact", "not deterministic given the outputs"),
    ],
)
def test_service_troubles(changes: tuple[str, ...], key: str, why: str, toml: Toml) -> None:
    found = trouble(toml(*changes))
    assert f"{key}: " in str(found)
    assert why in str(found)
