from __future__ import annotations

from aster.proposers.library import Idea, IdeaLibrary


def idea(name: str, **more: tuple[str, ...]) -> Idea:
    return Idea(name, "s", "T", "text", {}, {}, **more)  # type: ignore[arg-type]


def names(ideas: list[Idea]) -> list[str]:
    return [idea.name for idea in ideas]


def test_a_closure_holds_what_is_required_by_what_is_required() -> None:
    library = IdeaLibrary({}, [idea("a", requires=("b",)), idea("b", requires=("c",)), idea("c"), idea("d")])
    assert library.closure(["a"]) == {"a", "b", "c"}
    assert library.closure([]) == frozenset()


def test_canonical_order_is_by_name_but_for_what_is_required() -> None:
    library = IdeaLibrary({}, [idea("a", requires=("z",)), idea("b"), idea("c"), idea("z")])
    assert names(library.effective(["c", "a", "z", "b"])) == ["b", "c", "z", "a"]


def test_a_resolution_takes_its_parts_place_and_their_requirements() -> None:
    library = IdeaLibrary(
        {},
        [
            idea("a"),
            idea("b", requires=("n",)),
            idea("a+b", resolves=("a", "b")),
            idea("n"),
            idea("c", requires=("a",)),
        ],
    )
    assert names(library.effective(["a", "c"])) == ["a", "c"]
    assert names(library.effective(["a", "b", "c", "n"])) == ["n", "a+b", "c"]


def test_the_resolution_with_most_parts_wins_and_each_part_is_resolved_once() -> None:
    library = IdeaLibrary(
        {},
        [
            *map(idea, "abcd"),
            idea("a+b", resolves=("a", "b")),
            idea("b+c+d", resolves=("b", "c", "d")),
            idea("c+d", resolves=("c", "d")),
        ],
    )
    assert names(library.effective("abcd")) == ["a", "b+c+d"]
    assert names(library.effective("abc")) == ["a+b", "c"]


def test_resolutions_that_wait_for_each_other_are_still_ordered() -> None:
    library = IdeaLibrary(
        {},
        [
            idea("a", requires=("c",)),
            idea("b"),
            idea("c"),
            idea("d", requires=("b",)),
            idea("a+b", resolves=("a", "b")),
            idea("c+d", resolves=("c", "d")),
        ],
    )
    assert names(library.effective("abcd")) == ["a+b", "c+d"]


def test_declared_conflicts_work_both_ways() -> None:
    library = IdeaLibrary({}, [idea("a"), idea("b", conflicts=("a",)), idea("c", conflicts=("d",))])
    assert library.declared_conflict(["a", "b"]) == ("a", "b")
    assert library.declared_conflict(["a", "c"]) is None


def test_it_reads_as_a_mapping_in_order_of_name() -> None:
    library = IdeaLibrary({}, [idea("b"), idea("a")])
    assert list(library) == ["a", "b"]
    assert len(library) == 2
    assert library != IdeaLibrary({}, [idea("b"), idea("a")])
