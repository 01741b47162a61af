from __future__ import annotations

from aster.llm.waits import Meter, between, told


def test_a_meter_adds_up_by_cause() -> None:
    meter = Meter(0.0)
    meter.turn_to("limit", 1.0)
    came = meter.read(3.0)
    assert came == {"limit": 2.0}
    meter.turn_to("breaker", 4.0)
    meter.turn_to(None, 10.0)
    assert meter.read(99.0) == {"limit": 3.0, "breaker": 6.0}
    assert between(came, meter.read(99.0)) == {"limit": 1.0, "breaker": 6.0}


def test_what_is_told_is_the_sum_of_what_is_worth_it() -> None:
    assert told({"limit": 1.0, "room": 0.0001}, {"limit": 0.5, "pause": 0.25}) == {"limit": 1.5, "pause": 0.25}
