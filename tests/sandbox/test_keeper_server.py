"""The fork server, reached as the campaign reaches it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aster.errors import ExecutorError
from aster.sandbox import client
from aster.sandbox.client import KeeperClient, Refused
from aster.sandbox.keeper import server
from aster.sandbox.keeper.locks import held, try_lock
from aster.testing.executors import wait_until

KEEPER = Path(server.__file__).parent


def test_keeper_is_stdlib_only() -> None:
    for module in KEEPER.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                assert all(name.name.partition(".")[0] in sys.stdlib_module_names for name in node.names), module
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").partition(".")[0] in sys.stdlib_module_names, module


def test_two_clients_start_one_server(tmp_path: Path) -> None:
    errors: list[str] = []

    def ask() -> None:
        one = KeeperClient(tmp_path)
        try:
            one.launch(tmp_path / "attempts/missing")
        except Refused as error:
            errors.append(str(error))
        finally:
            one.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 4
    assert all("FileNotFoundError" in error for error in errors)
    assert held(str(tmp_path / "keeper.lock"))


def test_second_server_steps_back(tmp_path: Path) -> None:
    one = KeeperClient(tmp_path)
    with pytest.raises(Refused):
        one.launch(tmp_path / "attempts/missing")
    inode = (tmp_path / "keeper.sock").stat().st_ino
    subprocess.run([sys.executable, "-I", "-S", KEEPER, "serve", tmp_path, tmp_path / "keeper.sock"], check=True)
    assert (tmp_path / "keeper.sock").stat().st_ino == inode
    one.close()


def test_server_leaves_when_its_socket_is_gone(tmp_path: Path) -> None:
    one = KeeperClient(tmp_path)
    with pytest.raises(Refused):
        one.launch(tmp_path / "attempts/missing")
    (tmp_path / "keeper.sock").unlink()
    wait_until(lambda: not held(str(tmp_path / "keeper.lock")))
    with pytest.raises(Refused):  # from a new server
        one.launch(tmp_path / "attempts/missing")
    one.close()


def test_bad_requests_are_answered(tmp_path: Path) -> None:
    one = KeeperClient(tmp_path)
    attempt = tmp_path / "attempts/x-1.1"
    attempt.mkdir(parents=True)
    (attempt / "spec.json").write_text("{}")
    with pytest.raises(Refused, match="KeyError"):
        one.launch(attempt)
    (attempt / "spec.json").write_text('{"stages": [{"other": 1}], "services": []}')
    with pytest.raises(Refused, match="TypeError"):
        one.launch(attempt)
    one.close()


def test_only_attempts_of_its_campaign_are_launched(tmp_path: Path) -> None:
    one = KeeperClient(tmp_path)
    (tmp_path / "attempts/x-1.1/work").mkdir(parents=True)
    (tmp_path / "attempts/link").symlink_to(tmp_path)
    for place in (tmp_path, tmp_path / "attempts", tmp_path / "attempts/x-1.1/work", tmp_path / "attempts/link"):
        with pytest.raises(Refused, match="no attempt of this campaign"):
            one.launch(place)
    one.close()


def test_socket_stays_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = KeeperClient(tmp_path)
    with pytest.raises(Refused):
        one.launch(tmp_path / "attempts/missing")
    assert (tmp_path / "keeper.sock").stat().st_mode & 0o077 == 0
    one.close()
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ExecutorError, match="not a private folder"):
        client._private_folder(tmp_path / "open")


def test_locks_are_exclusive_and_end_with_their_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert not held(path)
    lock = try_lock(path)
    assert lock is not None
    assert try_lock(path) is None
    assert held(path)
    os.close(lock)
    assert not held(path)
