from __future__ import annotations

from aster.agents import texts
from aster.agents.texts import Texts, numbers_of, words_of


def test_words_are_taken_apart_and_lose_their_endings() -> None:
    assert words_of("coarseToFine searching, coarse_to_fine searches") == words_of("coarse fine search")
    assert numbers_of("from 0.1 to 1e-3, 26 circles") == {0.1, 0.001, 26.0}


def test_the_most_alike_text_comes_first_and_the_same_one_is_wholly_alike() -> None:
    index = Texts()
    index.add("a", "Anneal the temperature of the random walk")
    index.add("b", "Start from a hexagonal layout of circles")
    index.add("c", "Walk with a random restart")
    found = index.search("anneal the temperature of the random walk", 3)
    assert [key for key, _ in found] == ["a", "c"]
    assert round(found[0][1], 9) == 1.0
    assert found[1][1] < 0.6
    assert index.search("nothing of that kind", 3) == []


def test_words_that_all_texts_share_do_not_make_them_alike() -> None:
    index = Texts()
    for number in range(50):
        index.add(str(number), f"tune the search with setting w{chr(97 + number % 26)}x{number // 26}z")
    index.add("rare", "tune the search with a quaternion")
    assert index.search("a quaternion", 2)[0][0] == "rare"


def test_a_search_looks_at_the_latest_texts_with_a_word_only() -> None:
    index = Texts()
    for number in range(texts.MOST_LOOKED_AT + 10):
        index.add(str(number), "same words")
    found = {key for key, _ in index.search("same words", texts.MOST_LOOKED_AT + 10)}
    assert len(found) == texts.MOST_LOOKED_AT
    assert "0" not in found
