"""What a solution's text may not do, under the rules of the contest: settings of the compiler beyond its defaults.

A text can always hide what it does; these are the rules for those who mean to follow them, and what a reader of an
accepted entry need not look for again.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

COMPILE = ("dynamic", "fullgraph", "disable")
"""Arguments of torch.compile that are no flags of the compiler."""
_CONFIGS = re.compile(r"(^|\.)_?inductor\b|(^|\.)_functorch\.config\b|^torch\._C\._jit")
_VARIABLES = re.compile(r"^(TORCHINDUCTOR|TORCH_COMPILE|TORCHDYNAMO)_?[A-Z0-9_]*$|_inductor\b")


def broken(texts: Mapping[str, bytes]) -> str | None:
    """The first rule that these files break, in one sentence; None where they break none."""
    for path in sorted(texts):
        if not path.endswith(".py"):
            continue
        try:
            tree = ast.parse(texts[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return f"{path} cannot be read as Python: {type(error).__name__}."
        for line, what in sorted(_found(tree)):
            return f"{path}, line {line}: {what}. The contest allows no flags of the compiler beyond the defaults."
    return None


def _found(tree: ast.Module) -> Iterator[tuple[int, str]]:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Attribute | ast.Name):
            if _CONFIGS.search(name := _dotted(node)):
                yield line, f"it uses {name}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            base = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            for each in node.names:
                if _CONFIGS.search(name := base + each.name):
                    yield line, f"it imports {name}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            if _VARIABLES.search(node.value):
                yield line, f"it names {node.value[:60]}"
        elif isinstance(node, ast.Call) and (name := _dotted(node.func)).endswith("compile") and name != "re.compile":
            flags = [each.arg or "**" for each in node.keywords if each.arg not in COMPILE]
            yield from ((line, f"{name} is given {flag}") for flag in flags)


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
