"""The documentation runs: every block of code in README.md and docs/*.md, page by page, from top to bottom.

    ```python    is executed; the blocks of a page share a namespace
    ```sh        is a script for bash
    ```console   holds commands after "$ "; output that is shown below one must come, with "..." for whatever varies
    ```text      and the other languages of SHOWN are there to be read only

Each page has a folder of its own, in which all of its blocks run. The problem `line` that docs/problems.md and
docs/ideas.md write is there already, except in README.md and docs/problems.md, which write theirs themselves.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = ("python", "sh", "console")
SHOWN = ("text", "toml", "diff", "json")
LIMIT_S = 150

WRITES_ITS_OWN = ("README.md", "problems.md")

on_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


class Block(NamedTuple):
    """A fenced block: its language, its text and the line of its fence."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yield the page's fenced blocks; a fence of more backticks may hold one of fewer."""
    fence, language, began = "", "", 0
    inside: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        mark = re.fullmatch(r"(`{3,})(\S*)", line)
        if not fence and mark:
            fence, language, began, inside = mark[1], mark[2], number, []
        elif fence and line == fence:
            yield Block(language, "".join(f"{each}\n" for each in inside), began)
            fence = ""
        elif fence:
            inside.append(line)
    assert not fence, f"{page.name}: the block of line {began} is not closed"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment in which `aster` is this checkout's."""
    programs = [str(Path(sys.executable).parent)]
    if not (Path(programs[0]) / "aster").exists():  # the checkout is on the path but not installed
        shim = tmp_path_factory.mktemp("bin") / "aster"
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from aster.cli.main import main; main()" "$@"\n')
        shim.chmod(0o755)
        programs.insert(0, str(shim.parent))
    kept = {name: value for name, value in os.environ.items() if name != "ASTER_CAMPAIGNS"}
    search = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    path = os.pathsep.join([*programs, os.environ["PATH"]])
    return {**kept, "PATH": path, "PYTHONPATH": os.pathsep.join(search), "COLUMNS": "120"}


@on_every_page
def test_code_runs(page: Path, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASTER_CAMPAIGNS", raising=False)
    if page.name not in WRITES_ITS_OWN:
        write_line_problem(environment)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        assert block.language in (*RUN, *SHOWN), f"{where}: a block of {block.language or 'no'} language"
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), namespace)
        elif block.language == "sh":
            bash(block.text, where, environment)
        elif block.language == "console":
            for command, shown in commands(block.text):
                matches(shown, bash(command, where, environment), f"{where}: {command}")
        elif block.language == "toml":
            assert tomllib.loads(block.text), f"{where}: says nothing"


def write_line_problem(environment: dict[str, str]) -> None:
    """Write the problem that most pages use, by the pages' own words."""
    for page in (ROOT / "docs" / "problems.md", ROOT / "docs" / "ideas.md"):
        for block in blocks(page):
            if block.language == "sh" and "cat > line/" in block.text:
                bash(block.text, page.name, environment)


def bash(script: str, where: str, environment: dict[str, str]) -> str:
    """Run a script, which must succeed, and return what it says on both streams."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{where}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield (command, output shown) of a console block; "> " continues a command."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f'a console block begins with "$ ", not with {parts[0]!r}'
    for part in parts[1:]:
        lines = part.splitlines()
        more = next((at for at, line in enumerate(lines[1:], 1) if not line.startswith("> ")), len(lines))
        yield "\n".join([lines[0], *(line[2:] for line in lines[1:more])]), "\n".join(lines[more:])


def matches(shown: str, said: str, where: str) -> None:
    """Compare output but for white space; "..." in what is shown stands for anything. Nothing shown: no demand."""
    pattern = ".*".join(re.escape(part) for part in re.split(r" ?\.\.\. ?", " ".join(shown.split())))
    real = " ".join(said.split())
    assert not shown.strip() or re.fullmatch(pattern, real, re.DOTALL), f"{where}: it says\n{said}"


@on_every_page
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("https://")]
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}: there is no such heading"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_named_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert page.name == "index.md" or f"]({page.name})" in index, f"{page.name} is not in docs/index.md"


def test_the_runner_notices() -> None:
    matches("loss ... (sd ...)\ndone", "loss 1.5  (sd 0.1)\ndone\n", "here")
    with pytest.raises(AssertionError, match="it says"):
        matches("loss ...", "gain 1.5", "here")
    assert list(commands("$ a\n> b\nsaid\n$ c\n")) == [("a\nb", "said"), ("c", "")]
    with pytest.raises(AssertionError, match="exit code 3"):
        bash("exit 3", "here", dict(os.environ))
