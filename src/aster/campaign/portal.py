"""The loop in a thread of its own, so that the public API is synchronous and works where a loop runs already."""

from __future__ import annotations

from collections.abc import Callable

from anyio.from_thread import start_blocking_portal

from aster.campaign.loop import Loop


def drive(make_loop: Callable[[], Loop], interrupted: Callable[[int], None]) -> None:
    """Run a loop to its end in an event loop of its own thread.

    The first KeyboardInterrupt asks it to stop and goes on waiting, the second makes it leave at once; `interrupted`
    is told the count. Errors of the loop are raised here.
    """
    with start_blocking_portal() as portal:
        loop = portal.call(make_loop)
        future = portal.start_task_soon(loop.run)
        times = acted = 0
        while True:
            try:
                while acted < times:  # in here too the next interrupt may come
                    acted += 1
                    interrupted(acted)
                    if acted == 1:
                        portal.call(loop.stop, "interrupted by the user")
                    else:
                        portal.call(loop.leave)
                future.result()
                return
            except KeyboardInterrupt:
                times += 1
