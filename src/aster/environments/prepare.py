"""What the user lets a problem do once, outside of any sandbox, and the stamp that says that it was done."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from aster.errors import UserError

STAMP = Path(".aster", "prepared.json")
_PASSED = ("PATH", "HOME", "LANG", "TERM", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


class PrepareFailed(UserError):
    """The problem's own command did not end well."""


def key_of(command: Sequence[str], files: Mapping[str, bytes]) -> str:
    """Return what changes when a preparation has to be made again: its command, and the files that it names."""
    named = {word: hashlib.sha256(files[path]).hexdigest() for word in command if (path := _path(word)) in files}
    return hashlib.sha256(json.dumps([list(command), named], sort_keys=True).encode()).hexdigest()


def _path(word: str) -> str:
    return word.removeprefix("./")


def is_prepared(stamp: Path, key: str) -> bool:
    """Whether the preparation with this key was made."""
    try:
        return bool(json.loads(stamp.read_bytes()).get("key") == key)
    except (OSError, ValueError, AttributeError):
        return False


def prepare(
    command: Sequence[str],
    folder: Path,
    interpreter: str,
    passed: Sequence[str],
    timeout_s: float,
    stamp: Path,
    key: str,
    extra: Sequence[str] = (),
) -> None:
    """Run a command in `folder` with the user's own rights, its output where ours goes; then write the stamp.

    Args:
        interpreter: what "python" means.
        passed: names of the user's environment variables that it gets, beside PATH, HOME and the like.
        timeout_s: wall seconds.
        extra: the user's own words after the command; noted in the stamp.

    Raises:
        PrepareFailed: it cannot be started, does not end in time, or ends with an error.
        UserError: the stamp cannot be written.
    """
    argv = [interpreter, *command[1:]] if command[0] in ("python", "python3") else list(command)
    argv, said = [*argv, *extra], " ".join([*command, *extra])
    try:
        process = subprocess.Popen(
            argv, cwd=folder, env=_environment(interpreter, passed), stdin=subprocess.DEVNULL, process_group=0
        )
    except OSError as error:
        raise PrepareFailed(f"`{said}` cannot be started: {error.strerror}. Mend [prepare].") from error
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        raise PrepareFailed(
            f"`{said}` did not end in {timeout_s:.0f} s and was killed; give [prepare] a longer timeout."
        ) from error
    finally:
        with suppress(ProcessLookupError):  # also what it left running, and when we are interrupted
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise PrepareFailed(f"`{said}` ended with {how}; what it says is above. Mend it and prepare again.")
    _write(stamp, key, extra)


def _write(stamp: Path, key: str, extra: Sequence[str]) -> None:
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        draft = stamp.with_suffix(".tmp")
        draft.write_text(json.dumps({"key": key, "arguments": list(extra)}) + "\n")
        draft.replace(stamp)
    except OSError as error:
        raise UserError(
            f"All is prepared, but {stamp} cannot be written: {error.strerror}. Make room for it."
        ) from error


def _environment(interpreter: str, passed: Sequence[str]) -> dict[str, str]:
    """Return what the command gets of our environment."""
    names = {*_PASSED, *_PROXIES, *(name.upper() for name in _PROXIES), *passed}
    env = {name: value for name, value in os.environ.items() if name in names}
    env["ASTER_CALLED_FROM"] = os.getcwd()  # noqa: PTH109 (relative paths among the user's words are seen from there)
    env["PATH"] = os.pathsep.join((os.path.dirname(interpreter), env.get("PATH", os.defpath)))  # noqa: PTH120
    return env
