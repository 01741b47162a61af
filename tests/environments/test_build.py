"""Environments are built once for each content, and never believed half built. No network: uv is a script here."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from aster.environments.build import build
from aster.errors import UserError

UV = """\
#!/bin/sh
echo "$@" >> {log}
case "$1" in
venv) mkdir -p "$5/bin" && ln -s {python} "$5/bin/python" ;;
pip) test "$(cat {folder}/requirements.txt)" != broken || {{ echo "no such package: broken"; exit 1; }} ;;
esac
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "aster" / "environments"


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a script in uv's place; return the file in which it notes its calls."""
    log = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "uv"
    program.write_text(UV.format(log=log, python=sys.executable, folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return log


def make(folder: Path, text: str = "numpy\n", said: list[str] | None = None, name: str = "requirements.txt") -> str:
    (folder / name).write_text(text)
    tell = said.append if said is not None else print
    return build(None, name, folder, {name: text.encode(), "more.txt": b"x\n"}, tell)


def test_one_content_is_built_once(tmp_path: Path, cache: Path, uv: Path) -> None:
    said: list[str] = []
    first = make(tmp_path, said=said)
    assert first.startswith(str(cache))
    assert Path(first).is_symlink()
    assert len(uv.read_text().splitlines()) == 2
    assert "-r requirements.txt" in uv.read_text()
    assert make(tmp_path, said=said) == first
    assert len(uv.read_text().splitlines()) == 2
    assert len(said) == 1
    assert "with uv" in said[0]
    assert make(tmp_path, "numpy\nscipy\n") != first


def test_what_is_included_counts_and_so_does_the_place_of_local_packages(tmp_path: Path, cache: Path, uv: Path) -> None:
    plain = build(None, "r.txt", tmp_path, {"r.txt": b"-r more.txt\n", "more.txt": b"x\n"}, print)
    assert plain != build(None, "r.txt", tmp_path, {"r.txt": b"-r more.txt\n", "more.txt": b"y\n"}, print)
    (tmp_path / "other").mkdir()
    files = {"r.txt": b"-e .\n"}
    assert build(None, "r.txt", tmp_path, files, print) != build(None, "r.txt", tmp_path / "other", files, print)
    loop = {"r.txt": b"-r s.txt\n", "s.txt": b"-r r.txt\n"}
    assert build(None, "r.txt", tmp_path, loop, print)


def test_a_half_built_one_is_built_again(tmp_path: Path, cache: Path, uv: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)cannot be built: .*no such package: broken"):
        make(tmp_path, "broken")
    [half] = [path for path in cache.iterdir() if path.is_dir()]
    (half / "left").touch()
    (tmp_path / "requirements.txt").write_text("mended")
    assert build(None, "requirements.txt", tmp_path, {"requirements.txt": b"broken"}, print) == str(half / "bin/python")
    assert not (half / "left").exists()


def test_two_at_once_build_one(tmp_path: Path, cache: Path, uv: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(make(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(uv.read_text().splitlines()) == 2


@pytest.mark.slow
def test_pip_installs_what_a_pyproject_names(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("thing.py", "VALUE = 42\n")
        packed.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        packed.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr("thing-1.0.dist-info/RECORD", "")
    said: list[str] = []
    python = make(tmp_path, f'[project]\ndependencies = ["thing @ {wheel.as_uri()}"]\n', said, "pyproject.toml")
    assert "with pip" in said[0]
    done = subprocess.run(
        [python, "-c", "import thing; print(thing.VALUE)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"


def test_a_pyproject_without_dependencies(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(UserError, match=r"names no \[project\] dependencies"):
        make(tmp_path, "[tool.x]\n", name="pyproject.toml")
