"""Works something off for ever: one step after the other, with pauses where steps fail."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from service.catalog.store import CatalogError
from service.errors import ServiceError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

Step = Callable[[], Awaitable[float | None]]
"""Does what is next, and says in how many seconds there may be more: None, once it is woken."""


class WorkLoop:
    """Repeats a step; nothing it raises ends the loop.

    Args:
        what: the jobs, as the log calls them.
        step: what is repeated.
    """

    def __init__(self, what: str, step: Step) -> None:
        self._what = what
        self._step = step
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something new to do."""
        self._wake.set()

    async def run(self) -> None:
        """Work everything off, for ever."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._wake.clear()
            try:
                await self._woken(await self._step())
                pause_s = FIRST_PAUSE_S
                continue
            except (ServiceError, CatalogError) as exc:
                _leave_if_cancelled()
                logger.warning("%s go on in %.1f s: %s", self._what, pause_s, exc)
            except Exception:  # whatever it is, later jobs must not wait for a restart
                _leave_if_cancelled()
                logger.exception("%s go on in %.1f s", self._what, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _woken(self, within_s: float | None) -> None:
        if within_s is not None and within_s <= 0:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._wake.wait()
        except TimeoutError:
            return


def _leave_if_cancelled() -> None:
    """A driver may answer a cancellation with an error of its own."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
