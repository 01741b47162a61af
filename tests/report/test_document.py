import base64
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace
from tests import agent_story
from tests.report.boards import PICTURE, Story, exact_setup, noisy_story, packing_story

from aster.domain.events import CallReserved, CallSettled, ModelCutOff, TermStarted
from aster.domain.records import Change, Failed, Limits, Measured, Reference
from aster.domain.research import Call, Draft, ModelChoice, Price, Settled, Tokens, Veto
from aster.report import page as pages
from aster.report.canvas import svg
from aster.report.document import render
from aster.report.figures import progress
from aster.report.page import gather
from aster.report.progress import progress_view
from aster.report.wording import signed

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}&amp;]]>-->"


class Tags(HTMLParser):
    """Collects tags, their attributes, and the text of a page."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def read(story: Story) -> tuple[str, Tags]:
    html = render(gather(story.board, story), svg(progress(progress_view(story.board))))
    tags = Tags(html)
    assert not tags.open
    return html, tags


def hostile_story() -> Story:
    """A campaign in which every text that anybody but Aster writes is an attack."""
    story = Story(exact_setup(title=EVIL, problem=EVIL, references=(Reference(EVIL, 1.0, EVIL, conditions=EVIL),)))
    where = story.direction(EVIL, EVIL)
    story.run(story.baseline, 1.0)
    log = story.put(f"\x1b[2J{EVIL}\n</pre>\u202e\n".encode() + b"\xff\xfe\x00")
    recipe = (Change(EVIL, {EVIL: EVIL}),)
    new = story.candidate(
        {"solution/solve.py": EVIL.encode()}, EVIL, story.baseline, where, EVIL, recipe, label=EVIL, text=EVIL
    )
    pictures = {f"a{EVIL}.svg": story.put(b"<svg onload='alert(3)'/>"), "run.js": story.put(b"alert(4)")}
    metrics = Measured({"sum_of_radii": 2.0, EVIL: 1.0})
    story.learn(story.run(new, metrics, pictures=pictures, log=log, hardware=EVIL), 1.0, EVIL)
    bad = story.candidate({"solution/solve.py": b"bad"}, EVIL, story.baseline, where, label=EVIL)
    story.learn(story.run(bad, Failed(EVIL), log=log), None, EVIL)
    claim = story.claim(new, story.baseline, (0,))
    story.test(claim, [2.0], [1.0])
    story.decide(claim, "undecided", None, None, None, EVIL)
    return story


def test_nothing_that_others_wrote_becomes_markup() -> None:
    html, tags = read(hostile_story())
    assert "script" not in {tag for tag, _ in tags.tags}
    assert not [name for _, attrs in tags.tags for name in attrs if name.startswith("on")]
    assert "{{" in tags.words()  # text stays text, it is not evaluated
    assert "49" not in re.findall(r"\b49\b", tags.words())
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "alert(4)" not in html  # not a picture


def test_the_page_needs_nothing_but_itself() -> None:
    for story in (hostile_story(), packing_story(20, 4), noisy_story(10)):
        html, tags = read(story)
        for tag, attrs in tags.tags:
            assert tag not in ("script", "link", "iframe", "object", "base", "form", "svg")
            for name in ("src", "href"):
                assert (attrs.get(name) or "data:").startswith("data:image/") or name not in attrs
        assert "url(" not in html
        assert "@import" not in html
        policy = next(attrs["content"] for tag, attrs in tags.tags if attrs.get("http-equiv"))
        assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_pictures_of_the_champion_are_images_and_never_markup() -> None:
    html, tags = read(packing_story(20, 4))
    sources = [attrs["src"] for tag, attrs in tags.tags if tag == "img"]
    assert f"data:image/svg+xml;base64,{base64.b64encode(PICTURE).decode()}" in sources
    assert "<circle" not in html


def test_the_baseline_is_shown_beside_what_came_of_it() -> None:
    story = Story(exact_setup())
    where = story.direction("layout", "try")
    before, after = b"<svg>before</svg>", b"<svg>after</svg>"
    story.run(story.baseline, 1.0, pictures={"a.svg": story.put(before)})
    html, tags = read(story)
    assert "What the baseline looks like" in tags.words()
    assert base64.b64encode(before).decode() in html
    new = story.candidate({"solution/solve.py": b"x"}, "x", story.baseline, where, label="x")
    story.learn(story.run(new, 2.0, pictures={"a.svg": story.put(after)}), 1.0, "better")
    html, tags = read(story)
    assert "What the best, unconfirmed candidate looks like" in tags.words()
    assert html.index(base64.b64encode(after).decode()) < html.index(base64.b64encode(before).decode())


def test_a_level_on_sealed_data_is_not_compared_with_the_search() -> None:
    tile, caption = (
        "champion, mean of 6 fresh seeds",
        "The star was measured on sealed data, which the search never sees",
    )
    words = read(noisy_story(sealed=True))[1].words()
    assert f"{tile}, on sealed data" in words
    assert caption in words
    words = read(noisy_story())[1].words()
    assert tile in words
    assert "sealed" not in words
    assert caption not in read(noisy_story(verdict=False, sealed=True))[1].words()


def test_every_sandbox_of_the_campaign_is_told() -> None:
    story = packing_story(4, 2)
    for term, sandbox in enumerate(("plain", "bubblewrap", "plain"), 2):
        story.say(TermStarted(term, "cpu", "here", 1, "0", sandbox))
    assert story.board.sandboxes == ("bubblewrap", "plain")
    assert "Sandbox bubblewrap; plain (plain processes hold back" in " ".join(read(story)[1].words().split())


def test_an_empty_campaign_has_a_page() -> None:
    words = read(Story(exact_setup()))[1].words()
    assert "Nothing has been measured yet" in words
    assert "No claim has been tested" in words


def test_claims_recipe_diff_and_failures_are_told() -> None:
    story = packing_story()
    html, tags = read(story)
    words = tags.words()
    for row in ("x-61.1", "x-62.1", "scored artifact", "polish", "STEPS = 1200"):
        assert row in words
    assert 'class="add">+n = ' in html
    assert 'class="del">-print(1)' in html
    assert re.search(r"\d × (failed|invalid|timed out): ", words)
    assert "It reaches AlphaEvolve (2.635), as published" in words
    assert "aster run circle-packing --slots 2 --seed 1 --experiments 400 --wall 7200s" in words


def test_the_table_of_records_is_complete() -> None:
    story = packing_story(200, 45)
    records = progress_view(story.board).records
    html, tags = read(story)
    assert len(records) == 46
    assert "46 records, each with the change that made it" in tags.words()
    table = html[html.index("<h2>Records</h2>") : html.index("<h2>Claims</h2>")]
    rows = re.findall(r"<tr><td.*?</tr>", table)
    assert len(rows) == 46
    for number, (record, row) in enumerate(zip(records, rows, strict=True), start=1):
        gain = "–" if record.gain is None else signed(record.gain, 6)
        for cell in (number, record.change, f"{record.value:.6f}", gain, record.candidate, record.experiment):
            assert f">{cell}<" in row
        assert f'title="{record.x:.1f} s"' in row


def test_the_log_of_a_failure_is_shown_as_text() -> None:
    story = Story(exact_setup())
    story.run(story.baseline, Failed("exit 1"), log=story.put(b"Traceback\n  <b>ValueError</b>\n"))
    html, tags = read(story)
    assert "&lt;b&gt;ValueError&lt;/b&gt;" in html
    assert "as the candidate wrote it" in tags.words()


def test_long_tables_are_bounded_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_ROWS", 10)
    monkeypatch.setattr(pages, "MOST_DIFF_LINES", 3)
    story = packing_story(30, 4)
    html, tags = read(story)
    assert "The last 10 experiments of 32; finished ones are all in results.tsv" in tags.words()
    assert html.count("<td>search</td>") <= 10
    assert "4 more lines in best.patch" in tags.words()


# --- agents -----------------------------------------------------------------------------------------------------


def agents_story(**more: Any) -> Story:
    """A campaign with agents, in the setup of the report's tests."""
    limits = Limits(experiments=100, usd=2.0, tokens=10**6, gpu_s=7200.0)
    told = Story(exact_setup(models=agent_story.MODELS, agents=8, mode="arrival", limits=limits, **more))
    told.run(told.baseline, 14.0)
    tree = told.board.candidates[told.baseline].tree
    told.say(*agent_story.story(told.baseline, told.board.setup.objective.metric, told.n + 5, tree).events)
    return told


def test_agents_have_a_section_of_their_own() -> None:
    _, tags = read(agents_story())
    words = tags.words()
    for said in (
        "Language models opened 3 directions; their subagents worked with tools and made 2 candidates, of 8k tokens "
        "and $0.008 each. 1 proposal was turned down before costing an experiment.",
        "Corners are loose. Success: half a point New: nobody did Done: six circles moved Learnt: corners matter "
        "Concerns: noise is large",
        "open, weight 2",
        "begin with the layout",
        "look at b (not told yet)",
        "openai:small all others 4 3 0 16k $0.02",
        "last: 429: too many requests",
        "worker with its critic 1 0 1 0 0 2 0 3k $0.03",
        "2 notes of subagents, 1 with numbers that no experiment gave",
        "unbacked: 37.5",
        "1 proposal turned down",
        "$0.10 of at most $2.00 and 24k tokens of at most 1M",
    ):
        assert said in words, said


def test_what_is_put_off_for_later_is_not_turned_down() -> None:
    told = agents_story()
    later = Veto(Draft("another corner", "it may be loose too"), "critic", "not now", "later")
    told.board.research.vetoes.append(("", later))
    _, tags = read(told)
    assert "1 proposal was turned down before costing an experiment. 1 proposal was put off for later." in tags.words()
    assert "2 proposals turned down or put off" in tags.words()


def test_a_tie_of_an_exact_metric_is_told_as_one() -> None:
    told = packing_story()
    page = gather(told.board, told)
    tie = replace(page.summary.directions[0], best=-8.8818e-16)
    html = render(replace(page, summary=replace(page.summary, directions=(tie,))), b"<svg/>")
    assert ">+0.000000</span>" in html
    assert ">−8.8818e−16<" not in html


def test_a_models_words_are_text_only() -> None:
    html, tags = read(agents_story())
    assert not [name for name, _ in tags.tags if name == "script"]
    assert "&lt;script&gt;alert(1)" in html
    assert "\x1b" not in html


def test_one_shot_and_spent_over_what_was_reserved_are_said() -> None:
    told = agents_story(one_shot=True)
    over = CallSettled(Settled("a-4/12/1", "answered", 0.008, Tokens(9, 9), 0.5, "r"))
    told.say(over, ModelCutOff("openai:small", "it reported too much"))
    words = read(told)[1].words()
    assert "their subagents answered once with edits" in words
    assert "asked no more: it reported too much" in words
    assert "providers reported $0.50 beyond what was reserved, and were cut off" in words


def test_the_report_adds_up_what_calls_waited_for() -> None:
    story = agents_story()
    assert "Waits of model calls" not in read(story)[0]
    waited = Call("a-4/9/2", "a-4", agent_story.SMALL.name, 0.001, 10, "r", {"limit": 34.0, "pause": 2.0})
    story.say(CallReserved(waited))
    html = read(story)[0]
    assert "<dt>Waits of model calls</dt>" in html
    assert "34 s for a provider&#39;s limits, 2.0 s in pauses" in html
    assert "; 1 retry" in html


def test_without_models_nothing_is_said_of_agents() -> None:
    words = read(packing_story())[1].words()
    assert "Agents" not in words
    assert "Language models" not in words


def test_the_command_asks_for_the_same_models_again() -> None:
    told = agents_story(one_shot=True)
    [run, *_] = gather(told.board, told).commands
    assert run.endswith(
        "--model planner,worker,critic=openai:big --price openai:big=1,10 --model openai:small "
        "--price openai:small=0.1,1 --agents 8 --one-shot --usd 2 --tokens 1000000 --gpu-hours 2"
    )


def test_weights_servers_and_prices_of_caches_are_part_of_it() -> None:
    local = ModelChoice("openai:q w", Price(1.0, 2.0, cache_read=0.1), weight=2.5, base_url="http://h:1/v1")
    told = Story(exact_setup(models=(local,), agents=2, mode="arrival"))
    [run, *_] = gather(told.board, told).commands
    assert "--model 'openai:q w*2.5' --price 'openai:q w=1,2,0.1,1' --base-url http://h:1/v1 --agents 2" in run
