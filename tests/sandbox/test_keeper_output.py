from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from aster.sandbox.keeper.output import HEAD, TAIL, Log, Pipe, clean, ending


@given(st.lists(st.binary(max_size=70_000), max_size=12))
def test_log_keeps_both_ends_and_counts_the_rest(chunks: list[bytes]) -> None:
    log = Log()
    for chunk in chunks:
        log.add(chunk)
    whole, kept = b"".join(chunks), log.content()
    if len(whole) <= HEAD + TAIL:
        assert kept == whole
    else:
        gap = b"\n[aster] %d bytes left out\n" % (len(whole) - HEAD - TAIL)
        assert kept == whole[:HEAD] + gap + whole[-TAIL:]


def test_last_line_is_of_the_running_stage() -> None:
    log = Log()
    log.add(b"of the first\n")
    log.begin("stage two")
    assert log.last_line() == ""
    log.add(b"one\ntwo \x1b[31m\x00\n\n  \n")
    log.note("the keeper's own")
    assert log.last_line() == "two [31m"
    assert b"[aster] the keeper's own" in log.content()


def test_clean_is_one_bounded_line() -> None:
    assert clean("a\tb\nc\x07\u202e") == "a b c"
    assert len(clean("x" * 1000)) == 300


def test_ending_names_signals() -> None:
    assert ending(3) == "exit code 3"
    assert ending(-9) == "killed by SIGKILL"
    assert ending(-24).startswith("killed by SIGXCPU (more CPU time")
    assert ending(-63) == "killed by signal 63"


def test_pipe_never_blocks_and_sees_the_end() -> None:
    pipe = Pipe()
    assert pipe.read() == b""
    assert pipe.open
    os.write(pipe.writer, b"ab")
    pipe.close_writer()
    assert pipe.read() == b"ab"
    assert pipe.open
    assert pipe.read() == b""
    assert not pipe.open
    pipe.close()
