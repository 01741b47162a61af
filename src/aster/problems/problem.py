"""A problem in memory: what was asked, what may be edited, what may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from aster.domain.records import Objective
from aster.errors import ProblemError
from aster.problems.checks import FILE, read_spec
from aster.problems.folder import read_folder
from aster.problems.globs import Globs
from aster.problems.model import Spec
from aster.problems.outside import data_paths
from aster.problems.troubles import nearest

IDEAS = "ideas"
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Problem:
    """A checked problem. All paths are relative to its folder and use "/".

    Attributes:
        source: the name or path under which the user asked for it.
        spec: its problem.toml.
        files: the whole folder, path -> content, but for its data.
        folder: where it lies, for its data and its environment; None: nowhere.
        built_in: whether it came with Aster.
    """

    source: str
    spec: Spec
    files: Files
    folder: Path | None = None
    built_in: bool = False

    @property
    def objective(self) -> Objective:
        """The metric that is optimised."""
        return self.spec.objective

    @cached_property
    def editable(self) -> Globs:
        """The set of paths that candidates may change, remove or create; ask with `path in problem.editable`."""
        return Globs(self.spec.solution.root, self.spec.solution.editable)

    @cached_property
    def solution_files(self) -> dict[str, bytes]:
        """All files under the solution root: all that an untrusted stage sees."""
        root = self.spec.solution.root + "/"
        return {path: data for path, data in self.files.items() if path.startswith(root)}

    @cached_property
    def editable_files(self) -> dict[str, bytes]:
        """The part of the solution that candidates may change."""
        return {path: data for path, data in self.solution_files.items() if path in self.editable}

    @cached_property
    def frozen_solution_files(self) -> dict[str, bytes]:
        """The part of the solution that candidates see but may not change."""
        return {path: data for path, data in self.solution_files.items() if path not in self.editable}

    @cached_property
    def trusted_files(self) -> dict[str, bytes]:
        """What trusted stages see: every file that no candidate can change, but for the ideas."""
        return {
            path: data
            for path, data in self.files.items()
            if path not in self.editable_files and not path.startswith(IDEAS + "/")
        }

    @cached_property
    def idea_files(self) -> dict[str, str]:
        """The texts of ideas/*.md, by path; folders below hold drafts that are not read.

        Raises:
            ProblemError: one is not UTF-8.
        """
        paths = [PurePosixPath(path) for path in self.files]
        return {
            str(path): self._text(str(path)) for path in paths if str(path.parent) == IDEAS and path.suffix == ".md"
        }

    @property
    def statement_text(self) -> str:
        """What agents read.

        Raises:
            ProblemError: it is not UTF-8.
        """
        return self._text(self.spec.problem.statement)

    def _text(self, path: str) -> str:
        try:
            return self.files[path].decode("utf-8")
        except UnicodeDecodeError:
            raise ProblemError(f"{self.source}/{path}", "", "is not UTF-8 text; save it as UTF-8") from None


def load_problem(name_or_path: str | Path) -> Problem:
    """Return the problem in a folder, or the built-in one of that name.

    Args:
        name_or_path: a folder with a problem.toml, that file itself, or a built-in problem's name. A folder of the
            same name as a built-in problem wins if it has a problem.toml.

    Raises:
        ProblemError: there is no such problem, or its folder is broken.
    """
    source = str(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.name == FILE and path.is_file():
        return _from_folder(path.parent, str(path.parent))
    if (path / FILE).is_file():
        return _from_folder(path, source)
    pack = _packs().get(source.replace("_", "-"))
    if pack is not None:
        return _from_folder(pack, source, built_in=True)
    raise _no_such_problem(path, source)


def problem_from_files(files: Files, source: str, folder: Path | None = None, *, built_in: bool = False) -> Problem:
    """Return the problem held in `files`, path -> content of its whole folder; `folder` is where its data lies.

    Raises:
        ProblemError: names every trouble in its problem.toml.
    """
    where = FILE if source in ("", ".") else f"{source.rstrip('/')}/{FILE}"
    if FILE not in files:
        raise ProblemError(source, "", f"has no {FILE}")
    spec = read_spec(files, where)
    return Problem(source, spec, MappingProxyType(dict(sorted(files.items()))), folder, built_in)


def builtin_folder(name: str) -> Path | None:
    """Return where the built-in problem of that name lies, or None."""
    return _packs().get(name)


def builtin_packs() -> list[str]:
    """Return the names of the built-in problems, sorted."""
    return sorted(_packs())


def _packs() -> dict[str, Path]:
    """Return where each built-in problem lies, by its name."""
    tomls = [toml for place in _places() for toml in sorted(place.glob(f"*/{FILE}"))]
    return {toml.parent.name.replace("_", "-"): toml.parent for toml in tomls}


def _places() -> list[Path]:
    """Return the folders of built-in problems: in the package when installed, beside `src` in a source checkout."""
    package = Path(__file__).resolve().parents[1]
    beside = [package.parents[1] / "packs"] if package.parent.name == "src" else []
    return [package / "_packs", *beside]


def _from_folder(folder: Path, source: str, *, built_in: bool = False) -> Problem:
    try:
        data = data_paths((folder / FILE).read_bytes())
    except OSError:
        data = frozenset()  # reading the folder finds the same, and says it
    files = read_folder(folder, source, data)
    return problem_from_files(files, source, folder.absolute(), built_in=built_in)


def _no_such_problem(path: Path, source: str) -> ProblemError:
    packs = builtin_packs()
    builtin = f"built-in problems: {', '.join(packs) or 'none'}"
    if path.is_dir():
        return ProblemError(source, "", f"is a folder without a {FILE}; write one, or name another problem ({builtin})")
    if path.exists():
        return ProblemError(source, "", f"is neither a problem folder nor its {FILE} ({builtin})")
    near = nearest(source.replace("_", "-"), packs)
    return ProblemError(source, "", f"no such folder and no such built-in problem{near} ({builtin})")
