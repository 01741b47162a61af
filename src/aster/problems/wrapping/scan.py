"""Reading Python code without running it: seeds, what it prints, what it imports, what it reads.

Everything here is a reading of the text. It can miss what is made at run time, so it is told as noticed, never as
known. Files that are not Python of this version are passed over.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from aster.problems.wrapping.names import Where

Files = Mapping[str, bytes]

_GLOBAL_SEEDS = frozenset(
    {"manual_seed", "manual_seed_all", "set_seed", "seed_everything", "seed_all", "fix_seed", "set_random_seed"}
)
_GENERATORS = frozenset({"default_rng", "RandomState", "Random", "PRNGKey", "SeedSequence"})
_SEED_NAME = re.compile(r"(?i)^(random_|rng_|global_|torch_|np_|numpy_)?seed$")
_KEYWORDS = frozenset({"seed", "random_state", "random_seed"})


class Pinned(NamedTuple):
    """A seed that is written into the code.

    `line` counts from 1; `start` and `end` are the literal's byte columns; `broad` says whether it governs all that
    follows (a seeding call, a constant), not one call alone (`random_state=0`).
    """

    path: str
    line: int
    text: str
    start: int
    end: int
    value: int
    broad: bool


def parsed(files: Files) -> Iterator[tuple[str, str, ast.Module]]:
    """Yield (path, text, tree) of the Python files that can be read."""
    for path, data in files.items():
        if path.endswith(".py"):
            try:
                text = data.decode("utf-8").removeprefix("\ufeff")
                yield path, text, ast.parse(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue


def pinned_seeds(files: Files) -> list[Pinned]:
    """Return the seeds that are written into the code, in the order of files and lines."""
    found: set[Pinned] = set()
    for path, text, tree in parsed(files):
        lines = text.split("\n")
        for node in ast.walk(tree):
            for literal, broad in _seed_literals(node):
                line = lines[literal.lineno - 1].strip()
                start, end = literal.col_offset, literal.end_col_offset or literal.col_offset
                value = literal.value
                assert isinstance(value, int)  # _whole saw to it
                found.add(Pinned(path, literal.lineno, line, start, end, value, broad))
    return sorted(found)


def _seed_literals(node: ast.AST) -> Iterator[tuple[ast.Constant, bool]]:
    if isinstance(node, ast.Call):
        dotted = _dotted(node.func)
        last = dotted.rsplit(".", 1)[-1]
        seeding = last in _GLOBAL_SEEDS or last in _GENERATORS or dotted.endswith("random.seed")
        if seeding and node.args and (literal := _whole(node.args[0])):
            yield literal, True
        for keyword in node.keywords:
            if keyword.arg in _KEYWORDS and (literal := _whole(keyword.value)):
                yield literal, seeding
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        named = any(_SEED_NAME.match(_dotted(target).rsplit(".", 1)[-1]) for target in targets)
        if named and (literal := _whole(node.value)):
            yield literal, True
    elif isinstance(node, ast.FunctionDef):
        yield from _seed_defaults(node.args)


def _seed_defaults(arguments: ast.arguments) -> Iterator[tuple[ast.Constant, bool]]:
    names = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(names[len(names) - len(arguments.defaults) :], arguments.defaults, strict=True)]
    pairs += [(name, value) for name, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value]
    for name, default in pairs:
        if _SEED_NAME.match(name.arg) and (literal := _whole(default)):
            yield literal, True


def _whole(node: ast.expr) -> ast.Constant | None:
    """Return the node if it is a whole number written on one line."""
    fits = isinstance(node, ast.Constant) and type(node.value) is int and node.lineno == node.end_lineno
    return node if fits and isinstance(node, ast.Constant) else None


def _dotted(node: ast.AST) -> str:
    """Return "torch.cuda.manual_seed" for such an expression, its last names for another."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def seed_variables(files: Files) -> list[str]:
    """Return the environment variables with "seed" in their name that the code reads."""
    reads = re.compile(r"""(?:environ\s*(?:\.get\s*\(|\[)|getenv\s*\()\s*["']([A-Za-z_]\w*)["']""")
    names = {name for _, text, _ in parsed(files) for name in reads.findall(text)}
    return sorted(name for name in names if "seed" in name.lower())


def seed_option(data: bytes) -> str | None:
    """Return the command-line option of a script that takes its seed, such as "--seed"."""
    text = data.decode("utf-8", "replace")
    declared = re.search(r"""(?:add_argument|option|Option)\s*\([^)]*?["'](--(?:random[-_])?seed)["']""", text)
    return declared[1] if declared else None


def names_it(files: Files, word: str) -> bool:
    """Whether any Python file holds `word` as a word of its own."""
    whole = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    return any(whole.search(data.decode("utf-8", "replace")) for path, data in files.items() if path.endswith(".py"))


def where_printed(files: Files, name: str) -> Where:
    """Return where on a line the code seems to print `name`, by those of its texts that say "name:" or "name="."""
    said = rf"{re.escape(name)}\s*[:=]"
    whole = list(_whole_texts(files))
    if any(re.search(rf"(?:^|\n)\s*{said}", text) for text in whole):
        return "first"
    return "inline" if any(re.search(rf"(?<![\w./-]){said}", text) for text in whole) else "loose"


def _whole_texts(files: Files) -> Iterator[str]:
    """Yield the texts of the code, an f-string as one, with "?" for what is put in."""
    for _, _, tree in parsed(files):
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
                yield node.value


def texts(files: Files) -> Iterator[str]:
    """Yield the string constants of the code, the parts of f-strings among them."""
    for _, _, tree in parsed(files):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def mentioned(files: Files, path: str) -> bool:
    """Whether a text in the code names `path`, something below it, a folder that it is in, or its last name."""
    for text in texts(files):
        said = text.removeprefix("./").rstrip("/")
        if said and (
            said in (path, path.rsplit("/", 1)[-1]) or said.startswith(path + "/") or path.startswith(said + "/")
        ):
            return True
    return False


def places_outside(files: Files) -> list[tuple[str, int, str]]:
    """Return (file, line, text) of the texts that look like files outside the folder."""
    looks = re.compile(r"^(~/|\.\./|/(home|data|mnt|tmp|root|scratch|datasets|content|Users|opt|var)/)\S*$")
    found = [
        (path, node.lineno, node.value)
        for path, _, tree in parsed(files)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and looks.match(node.value)
    ]
    return sorted(found)


def reachable(files: Files, *entries: str) -> dict[str, bytes]:
    """Return the Python files among `files` that the entries import, by name, directly or not, and the entries."""
    found: dict[str, bytes] = {}
    pending = [entry for entry in entries if entry in files]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found[path] = files[path]
        for _, _, tree in parsed({path: files[path]}):
            folder = path.rpartition("/")[0]
            pending += [each for name in _modules(tree) for each in _places(name, folder) if each in files]
    return {path: found[path] for path in files if path in found}


def _modules(tree: ast.Module) -> Iterator[str]:
    """Yield what may be modules among the names that are imported, wherever that is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base
            yield from (f"{base}.{alias.name}".strip(".") for alias in node.names)


def _places(module: str, folder: str) -> Iterator[str]:
    """Yield where a module may be: below the folder of who imports it, the folders above that, or the root."""
    names = module.split(".")
    above = folder.split("/") if folder else []
    for depth in range(len(above), -1, -1):
        for length in range(1, len(names) + 1):
            base = "/".join([*above[:depth], *names[:length]])
            yield f"{base}.py"
            yield f"{base}/__init__.py"


def missing_imports(used: Files, files: Files) -> list[str]:
    """Return the packages that the used code imports at its top level and the Python that runs Aster does not have.

    Args:
        files: all that lies beside it, whose names are no packages to install.
    """
    own = {part for path in files for part in (path.split("/")[0].removesuffix(".py"), path.rsplit("/", 1)[-1][:-3])}
    named = {name for _, _, tree in parsed(used) for name in _imported(tree.body)}
    return sorted(name for name in named - own - sys.stdlib_module_names if not _is_here(name))


def imports(files: Files) -> set[str]:
    """Return the top-level packages that the code imports, wherever it does."""
    return {name for _, _, tree in parsed(files) for name in _imported(ast.walk(tree))}


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _is_here(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a module in sys.modules without a spec
        return name in sys.modules
