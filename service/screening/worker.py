"""Carries screens out, one at a time, and begins those that watch again when garments change.

A watching screen compares what was stored since its last pass began. Where a design is new, or
the model is another, it compares everything; what was told before is not told again.
"""

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from typing import Final

from api_schemas.screens import ScreenState
from service.errors import as_service_error
from service.jobs.work_loop import WorkLoop
from service.screening.ledger import ScreenLedger
from service.screening.notifying import Notifier, Sending
from service.screening.running import Screening, prepare
from service.screening.screen import Basis, Screen
from service.services import Services
from service.timestamps import stamp

logger = logging.getLogger(__name__)

WATCH_S: Final = 5.0
"""How often it is asked whether garments have changed."""
OVERLAP: Final = timedelta(seconds=60)
"""Looked at again by a pass: clocks of several processes differ, and writes take time."""


class Worker:
    """Works off what the ledger holds.

    Args:
        ledger: says what waits.
        services: what does the work.
        notifier: sends; None where notifications are off.
    """

    def __init__(self, ledger: ScreenLedger, services: Services, notifier: Notifier | None) -> None:
        self._ledger = ledger
        self._services = services
        self._seen: dict[str, tuple[str, int]] = {}
        self._screens = WorkLoop("screens", self._next)
        self._notifications = WorkLoop("notifications", Sending(ledger, notifier).next)

    def wake(self) -> None:
        """There is something new to do."""
        self._screens.wake()
        self._notifications.wake()

    async def run(self) -> None:
        """Work everything off, for ever."""
        await asyncio.gather(self._screens.run(), self._notifications.run())

    async def _next(self) -> float | None:
        """One pass of one screen; seconds until there may be another."""
        screen = await asyncio.to_thread(self._ledger.next)
        if screen is not None:
            await self._carry_out(screen)
            self._notifications.wake()
            return 0.0
        watching = await asyncio.to_thread(self._ledger.watching)
        garments = self._garments()
        for screen in watching:
            if self._seen.get(screen.id) != garments:
                await asyncio.to_thread(self._ledger.resume, screen.id)
                return 0.0
        return WATCH_S if watching else None

    async def _carry_out(self, screen: Screen) -> None:
        garments = self._garments()
        try:
            ended = await self._pass(screen)
        except Exception as exc:
            error = as_service_error(exc)
            if error.retry:
                await asyncio.to_thread(self._ledger.hold, screen.id, f"waits: {error.detail}")
                raise error from exc
            await asyncio.to_thread(self._ledger.finish, screen.id, "failed", error.detail)
            return
        if ended:
            self._seen[screen.id] = garments
            state: ScreenState = "watching" if screen.request.watch else "done"
            await asyncio.to_thread(self._ledger.complete, screen.id, state)

    def _garments(self) -> tuple[str, int]:
        """Changes with the model, and with every commit."""
        return self._services.encoder.fingerprint, self._services.catalog.version

    async def _pass(self, screen: Screen) -> bool:
        """Compare what is left of a pass; False when it was cancelled meanwhile."""
        basis = screen.basis
        rates = {} if basis is None else {basis.fingerprint: basis.rate}
        screening = await prepare(screen.request, self._services, rates=rates)
        same_model = screening.model["fingerprint"] in rates
        since = _earlier(screen.since)
        if not same_model or (since and screening.newest_held >= since and not screen.after):
            fresh = _basis(screening)
            forget = basis is not None and not same_model
            await asyncio.to_thread(self._ledger.begin, screen.id, fresh, forget=forget)
            return await self._compare(screen.id, screening, screen.request.limit_per_design)
        return await self._compare(
            screen.id,
            screening,
            screen.request.limit_per_design,
            after=screen.after,
            since=since,
            scanned=0 if since else screen.garments,
        )

    async def _compare(
        self,
        id: str,
        screening: Screening,
        limit: int,
        *,
        after: str = "",
        since: str = "",
        scanned: int = 0,
    ) -> bool:
        steps = screening.steps(limit, after=after, since=since, scanned=scanned)
        async with contextlib.aclosing(steps):
            async for step in steps:
                if not await asyncio.to_thread(self._ledger.advance, id, step, limit):
                    return False
        return True


def _basis(screening: Screening) -> Basis:
    return Basis(screening.held_count, screening.scorer.threshold.document, dict(screening.model))


def _earlier(since: str) -> str:
    if not since:
        return ""
    return stamp(datetime.fromisoformat(since) - OVERLAP)
