from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tests.boards import BASELINE, Book

from aster.cli.signals import Interrupts


@pytest.fixture(autouse=True)
def as_python_starts() -> Iterator[None]:
    """Begin with the handlers of a fresh process, whatever ran the tests."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_each_interrupt_says(capsys: pytest.CaptureFixture[str]) -> None:
    book, interrupts = Book(), Interrupts("aster resume toy-1")
    book.start(book.plan(BASELINE))
    interrupts.note(book.board, book.events)
    interrupts.told(1)
    interrupts.told(2)
    out, said = capsys.readouterr()
    assert out == ""
    assert said.splitlines() == [
        "Ending: waiting for 1 running experiment (Ctrl-C again to leave at once).",
        "Leaving: running experiments are stopped; `aster resume toy-1` runs them again.",
    ]


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_signal_interrupts_once(asked: signal.Signals) -> None:
    interrupts = Interrupts("aster resume toy-1")
    with interrupts:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), asked)
        interrupts.told(1)
        os.kill(os.getpid(), asked)
    assert signal.getsignal(asked) == signal.SIG_DFL


def test_nohup_is_respected() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts("aster resume toy-1"):
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGHUP)


def test_a_terminal_that_is_gone_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("sys.stderr", Gone())
    interrupts = Interrupts("aster resume toy-1")
    interrupts.told(1)
    assert interrupts.times == 1
