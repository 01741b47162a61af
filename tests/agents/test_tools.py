from __future__ import annotations

import asyncio

import pytest
from tests.agents.labs import Lab

from aster.agents.converse import Place
from aster.agents.grounds import Grounds, starting
from aster.agents.tools import MOST_LINES, MOST_LISTED, Reading, file_tools, listed
from aster.agents.workspace import Workspace
from aster.testing.desks import says


class Tools:
    """The tools on a workspace."""

    def __init__(self) -> None:
        self.lab = Lab(lambda asked: says())
        self.work = asyncio.run(self._open())
        self._tools = {tool.name: tool for tool in file_tools(self.lab.desk, self.work)}
        self._calls = 0

    async def _open(self) -> Workspace:
        desk, problem = self.lab.desk, self.lab.problem
        return Grounds(problem).workspace(desk, await starting(desk, problem.editable_files))

    def use(self, name: str, **arguments: object) -> str:
        self._calls += 1
        tool = self._tools[name]

        async def run() -> str:
            return await tool.run(tool.args.model_validate(arguments), Place("a-1", 1, self._calls))

        return asyncio.run(run())


def test_a_long_file_is_read_in_parts() -> None:
    tools = Tools()
    tools.work.write("long.py", "".join(f"x{number} = {number}\n" for number in range(1, 1001)))
    first = tools.use("read_file", path="long.py")
    assert first.startswith("long.py, lines 1 to 400 of 1000 (data;")
    assert f"\n{MOST_LINES:6}\tx400 = 400\n" in first
    assert first.endswith("Go on with start=401.")
    assert "lines 998 to 1000 of 1000" in tools.use("read_file", path="long.py", start=998)
    assert "lines 2 to 3 of 1000" in tools.use("read_file", path="long.py", start=2, end=3)
    assert "Go on" not in tools.use("read_file", path="long.py", start=2, end=3)


def test_a_file_with_huge_lines_is_bounded() -> None:
    tools = Tools()
    tools.work.write("wide.py", ("x" * 30_000 + "\n") * 10)
    assert len(tools.use("read_file", path="wide.py")) < 25_000


def test_the_version_before_can_be_read() -> None:
    tools = Tools()
    tools.use("edit_file", path="main.py", find="GAIN = 1", replace="GAIN = 2")
    assert "GAIN = 2" in tools.use("read_file", path="main.py")
    assert "GAIN = 1" in tools.use("read_file", path="main.py", version="parent")


def test_an_edit_shows_what_it_made() -> None:
    tools = Tools()
    shown = tools.use("edit_file", path="main.py", find="GAIN = 1\n", replace="GAIN = 2\nMORE = 3\n")
    assert "     3\tGAIN = 2\n     4\tMORE = 3\n" in shown
    assert "+MORE = 3" in tools.use("show_diff")
    tools.use("revert_file", path="main.py")
    assert tools.use("show_diff") == "Nothing has changed yet."


def test_a_search_can_be_kept_to_a_folder_or_a_file() -> None:
    tools = Tools()
    assert "solution/main.py:3: GAIN = 1" in tools.use("search_files", pattern="GAIN = ")
    assert "Nothing matches" in tools.use("search_files", pattern="GAIN", path="other.py")
    assert "solution/main.py:3" in tools.use("search_files", pattern="GAIN", path="solution/")
    assert tools.use("search_files", pattern="(").startswith("Error: that is no regular expression")


def test_a_slow_search_is_recorded_and_others_are_not() -> None:
    tools = Tools()
    tools.use("search_files", pattern="GAIN")
    tools.use("search_files", pattern="(GAIN)+")
    assert [key for key in tools.lab.desk.steps if key != ("a-1", 0, 0)] == [("a-1", 1, 2)]


def test_a_long_listing_is_bounded() -> None:
    tools = Tools()
    work = Workspace({f"solution/f{number}.py": b"" for number in range(900)}, {}, tools.work.guard, "solution")
    assert listed(work).count("\n") == MOST_LISTED
    assert listed(work).endswith(f"... and {900 - MOST_LISTED} more")


@pytest.mark.parametrize("start", [0, -1])
def test_lines_count_from_1(start: int) -> None:
    with pytest.raises(ValueError):
        Reading(path="main.py", start=start)
