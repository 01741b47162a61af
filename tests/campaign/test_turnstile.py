from __future__ import annotations

import asyncio

from aster.campaign.turnstile import Turnstile


async def turn_of_the_loop() -> None:
    await asyncio.sleep(0)


def test_a_few_go_in_each_turn_in_the_order_in_which_they_came() -> None:
    async def whole() -> list[list[int]]:
        gate, through, seen = Turnstile(3), list[int](), list[list[int]]()

        async def pass_by(number: int) -> None:
            await gate.go()
            through.append(number)

        tasks = [asyncio.create_task(pass_by(number)) for number in range(8)]
        while len(through) < 8:
            before = len(through)
            await turn_of_the_loop()
            seen.append(through[before:])
        await asyncio.gather(*tasks)
        return [each for each in seen if each]

    turns = asyncio.run(whole())
    assert [number for turn in turns for number in turn] == list(range(8))
    assert max(map(len, turns)) == 3


def test_whoever_gave_up_takes_no_place() -> None:
    async def whole() -> list[int]:
        gate, through = Turnstile(1), list[int]()

        async def pass_by(number: int) -> None:
            await gate.go()
            through.append(number)

        tasks = [asyncio.create_task(pass_by(number)) for number in range(4)]
        await turn_of_the_loop()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return through

    assert asyncio.run(whole()) == [0, 2, 3]


def test_it_rests_when_nobody_wants_to_go_and_begins_again() -> None:
    async def whole() -> bool:
        gate = Turnstile(1)
        await gate.go()
        for _ in range(3):
            await turn_of_the_loop()
        rested = not gate._turning
        await asyncio.wait_for(gate.go(), 5)
        await asyncio.wait_for(gate.go(), 5)
        return rested

    assert asyncio.run(whole())
