from __future__ import annotations

from tests.agents.books import AgentsBook
from tests.boards import BASELINE, recipe

from aster.agents.memory import MOST_KEPT, Put, memories_of
from aster.domain.records import Failed


def book() -> AgentsBook:
    of = AgentsBook()
    of.baseline(1.0)
    return of


def test_findings_are_found_by_surface_by_gain_and_by_what_they_say() -> None:
    of = book()
    search, layout = of.line("search"), of.line("layout")
    of.tried(search, "anneal the walk", 0.5)
    of.tried(search, "restart often", -0.2)
    of.tried(layout, "hexagonal start", 0.7)
    known = memories_of(of.board)
    assert [each.text for each in known.gains(None, 5)] == [
        "hexagonal start: score 1 -> 1.7",
        "anneal the walk: score 1 -> 1.5",
    ]
    assert [each.surface for each in known.gains("search", 5)] == ["search"]
    assert [each.text for each in known.latest("search", "no gain", 5)] == ["restart often: score 1 -> 0.8"]
    assert known.about("hexagon start", 1)[0].surface == "layout"
    assert known.about("hexagon start", 1, "search") == []
    assert known.gains("search", 1)[0].evidence == ("x-1",)


def test_unbacked_numbers_stay_out_and_dead_ends_are_told_apart() -> None:
    of = book()
    search = of.line("search")
    of.note(search, "Walks of 40 more steps gain 0.9, not 0.95.", unbacked=("0.9",))
    of.note(search, "Restarts cost time and bring nothing.", dead_end=True, evidence=("x-0",))
    of.note(search, "The walk is stuck early after 1841 steps of 5.", concerns="Only one seed.", logged=("1841",))
    known = memories_of(of.board)
    assert len(known) == 3
    assert known.latest("search", "note", 9)[1].text == "Walks of 40 more steps gain [unbacked], not 0.95."
    assert [each.text for each in known.latest(None, "dead end", 9)] == ["Restarts cost time and bring nothing."]
    stuck = "The walk is stuck early after 1841 [from the log] steps of 5. Concerns: Only one seed."
    assert known.latest("search", "note", 9)[0].text == stuck
    assert not known.latest("search", "note", 9)[0].measured
    guess = "It may gain perhaps 0.5; 0.5 was the cost."
    of.note(search, "It took 1841 steps, 0.42 each.", concerns=guess, logged=("1841", "0.42"), estimates=("0.5",))
    told = "It took 1841 steps, 0.42 each [numbers from the log]. Concerns: It may gain perhaps 0.5 [estimate]; 0.5 was"
    assert memories_of(of.board).latest("search", "note", 9)[0].text == f"{told} the cost."


def test_it_grows_by_what_is_new_and_is_the_same_as_one_made_at_once() -> None:
    of, at_once = book(), book()
    for each in (of, at_once):
        search = each.line("search")
        for number in range(MOST_KEPT + 6):
            each.tried(search, f"change number {number}", number / 100)
            if number % 3 == 0:
                each.note(search, f"change number {number} is slow")
            if each is of:
                memories_of(each.board)
    one, other = memories_of(of.board), memories_of(at_once.board)
    assert one is memories_of(of.board)
    assert one.gains(None, 100) == other.gains(None, 100)
    assert one.latest(None, "gain", 100) == other.latest(None, "gain", 100)
    assert one.about("change number", 100) == other.about("change number", 100)
    assert len(one.gains("search", 100)) == MOST_KEPT
    assert one.gains("search", 1)[0].gain == (MOST_KEPT + 5) / 100


def test_the_librarys_ideas_are_remembered_with_their_gains() -> None:
    of = book()
    of.direction("layout")
    first = of.candidate("c-1", "d-0", made_of=recipe("hex"))
    of.learn(of.run(first, 1.4), 0.4)
    of.learn(of.run(of.candidate("c-2", "d-0", first, recipe("hex", "slsqp")), 1.3), -0.1)
    of.learn(of.run(of.candidate("c-3", "d-0", made_of=recipe("a", "b")), 1.3), 0.3)
    broken = of.run(of.candidate("c-4", "d-0", made_of=recipe("slsqp")), Failed("boom"))
    of.learn(broken, None, False)
    hexes, slsqp = [Put(0.4, "c-1", BASELINE)], [Put(-0.1, "c-2", "c-1"), Put(None, "c-4", BASELINE)]
    assert memories_of(of.board).ideas(5) == [("hex", hexes), ("slsqp", slsqp)]
    assert memories_of(of.board).ideas(1) == [("hex", hexes)]


def test_what_is_noted_again_in_the_same_words_is_kept_once() -> None:
    of = book()
    search, layout = of.line("search"), of.line("layout")
    for surface in (search, search, layout):
        of.note(surface, "The walk is stuck early.")
    assert [each.surface for each in memories_of(of.board).latest(None, "note", 9)] == ["layout", "search"]
