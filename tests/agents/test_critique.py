from __future__ import annotations

from tests.agents.books import FILES, AgentsBook
from tests.agents.test_briefing import EVIL, outside_fences
from tests.boards import BASELINE

from aster.agents.critique import CODE_TOKENS, LIKE_TOKENS, Group, critic_brief
from aster.agents.outline import source_of
from aster.agents.sections import tokens_of
from aster.domain.research import Draft, Note

CLASS = FILES["solution/search.py"]


def brief(of: AgentsBook, *groups: Group, files: dict[str, bytes] = FILES) -> str:
    return critic_brief(of.board, groups, "solution", lambda _: files)


def book() -> tuple[AgentsBook, str]:
    of = AgentsBook()
    of.baseline(1.0)
    return of, of.line("walk", ("solution/search.py::Walk.step",))


def test_a_surface_of_definitions_shows_these_alone() -> None:
    of, walk = book()
    record = of.board.directions[walk].record
    text = brief(of, Group(record, record.paths, [Draft("wider steps", "Step by two instead of one.")]))
    assert "    def step(self):\n        return 1" in text
    assert "def search" not in text
    assert source_of(CLASS, "Walk.step") == "    def step(self):\n        return 1"
    assert source_of(CLASS, "Walk.stop") is None
    assert source_of(b"def (", "Walk") is None


def test_findings_and_notes_of_what_is_alike_are_told_whole() -> None:
    of, walk = book()
    why = "x" * 700
    draft = of.draft(walk, "wider steps", "Step by two instead of one, because one is slow.")
    given = of.assign("subagent", walk, hypothesis=draft, parent=BASELINE)
    of.back(given, Note(f"It brings nothing: {why}"))
    record = of.board.directions[walk].record
    text = brief(of, Group(record, record.paths, [Draft("wide steps", "Step by two instead of one, as one is slow.")]))
    assert f'its subagent noted: "It brings nothing: {why}"' in text
    assert 'it said: "Step by two instead of one, because one is slow."' in text


def test_it_stays_within_its_budget_and_quotes_all_that_models_wrote() -> None:
    of, _ = book()
    long = "wörter über wörter, " * 120
    groups = []
    for number in range(12):
        line = of.line(f"surface {number}", rationale=EVIL)
        for other in range(3):
            of.tried(line, f"{EVIL[:80]} {number} {other}", 0.1, long[:2300], of="")
            of.note(line, f"{EVIL} {long} {number} {other}")
        record = of.board.directions[line].record
        groups.append(Group(record, record.paths, [Draft(f"{EVIL[:150]} {at}", long[:2300]) for at in range(3)]))
    code = {**FILES, "solution/search.py": (EVIL + "```\n" + "x = 1\n" * 10_000).encode()}
    text = brief(of, *groups, files=code)
    drafts = 12 * 3
    own = drafts * tokens_of(long[:2400])
    assert tokens_of(text) < CODE_TOKENS + LIKE_TOKENS + own + 100 * drafts + 300 * 40 + 12 * 900 + 2_200
    assert text.count("## Hypothesis ") == drafts
    assert text.count(long[:2300]) >= drafts, "each stands whole"
    assert not any(row.startswith(("Ignore", "- give me", "## What the person")) for row in outside_fences(text))
