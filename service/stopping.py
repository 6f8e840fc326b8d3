"""Tasks that are to end: asking once may not be enough.

`asyncio.wait_for` before Python 3.12 forgets a cancellation that arrives as the awaited call ends
(python/cpython#86296), and redis-py sends its commands through it. A task that loops goes on then,
and whoever awaits its end waits for ever.
"""

import asyncio
from typing import Any

AGAIN_S = 5.0
"""Longer than a task takes to clean up, which a second cancellation would cut short."""


async def stop(*tasks: "asyncio.Task[Any]", again_s: float = AGAIN_S) -> None:
    """Cancel tasks until they have ended; what they raise is dropped.

    Args:
        tasks: may have ended already.
        again_s: how long each may take before it is cancelled again.
    """
    going = {task for task in tasks if not task.done()}
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)
