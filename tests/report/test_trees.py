import msgspec
import pytest
from tests.report.boards import Story, exact_setup

from aster.errors import StoreError
from aster.report.trees import candidate_files, read_tree


def test_a_solution_is_the_editable_files_with_the_frozen_ones_beside_them() -> None:
    files = {
        "problem.toml": b'[solution]\nroot = "code"\n',
        "evaluate.py": b"trusted\n",
        "code/frozen.txt": b"frozen\n",
        "code/deep/frozen.txt": b"frozen too\n",
        "codex/other.txt": b"not in the root\n",
        "solution/solve.py": b"baseline\n",
    }
    story = Story(exact_setup(), files)
    new = story.candidate({"code/new.py": b"new\n"})
    assert candidate_files(story.board, story, new) == {
        "code/deep/frozen.txt": b"frozen too\n",
        "code/frozen.txt": b"frozen\n",
        "code/new.py": b"new\n",
    }


def test_an_editable_file_that_a_candidate_deleted_does_not_come_back() -> None:
    story = Story(exact_setup())
    new = story.candidate({"solution/other.py": b"x\n"})
    assert candidate_files(story.board, story, new) == {"solution/other.py": b"x\n"}


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../b", "a//b", ".", "a\0b"])
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    story = Story(exact_setup())
    tree = story.put(msgspec.json.encode({path: story.put(b"")}))
    with pytest.raises(StoreError, match="outside its folder"):
        read_tree(story, tree)


def test_a_blob_that_is_no_tree_is_refused() -> None:
    story = Story(exact_setup())
    with pytest.raises(StoreError, match="should be a tree"):
        read_tree(story, story.put(b"[1, 2]"))
