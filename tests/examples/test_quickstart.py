"""The notebook runs from top to bottom, without Jupyter, and was saved without anything of a machine's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"


def cells(kind: str) -> list[dict[str, Any]]:
    saved = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (saved["nbformat"], saved["nbformat_minor"]) == (4, 5)
    return [cell for cell in saved["cells"] if cell["cell_type"] == kind]


def test_it_was_saved_without_outputs() -> None:
    for cell in cells("code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def test_its_cells_run_in_order_inside_an_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pip install 'aster-research[tables]'")
    pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}

    async def kernel() -> None:  # Jupyter runs cells where a loop is running
        for number, cell in enumerate(cells("code")):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), namespace)

    asyncio.run(kernel())
    assert namespace["campaign"].board.ended is not None
    assert len(namespace["frame"]) == len(namespace["campaign"].experiments) > 10
