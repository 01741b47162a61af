from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import run_here

from aster.handle import Campaign


def test_ideas_are_written_where_they_are_asked_for(finished: Campaign, tmp_path: Path) -> None:
    result = run_here("distill", finished.folder, "--out", tmp_path / "new")
    assert result.exit_code == 0, result.output
    written = sorted((tmp_path / "new").glob("*.md"))
    assert written
    for path, line in zip(written, sorted(result.stdout.splitlines()), strict=True):
        assert line.startswith(f"{path}: gains +")
        assert "[measured]" in path.read_text()


def test_a_campaign_without_a_confirmed_claim_has_none(toy: Path, campaigns: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (toy / "ideas" / f"more-{name}.md").unlink()
    (toy / "solution" / "a.py").write_text("RATE = 0.0  # tune: 0..1\nA = 0.0\n")
    result = run_here("run", toy, "--experiments", 12, "--slots", 2, "--campaigns", campaigns)
    assert result.exit_code == 0, result.output
    (folder,) = campaigns.iterdir()
    result = run_here("distill", folder)
    assert result.exit_code == 2
    assert "has confirmed nothing, so it has no idea to hand on" in result.stderr
