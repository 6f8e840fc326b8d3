"""Takes screens in: what it has accepted survives the process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from api_schemas.screens import ScreenRequest
from service.errors import InvalidRequest, Overloaded, StoreUnavailable
from service.jobs.desks import at_work, new_id, open_ledger
from service.screening.ledger import ScreenLedger
from service.screening.notifying import Notifier, open_notifier
from service.screening.records import Document
from service.screening.refusals import NotifyNotAllowed, ScreenNotFound
from service.screening.screen import Screen
from service.screening.worker import Worker
from service.services import Services
from service.settings import Settings

TOGETHER = 2
"""Screens whose callers wait that compare at the same time."""
MAX_OPEN = 100
"""Screens that have not ended, watching ones included; more are refused."""


class Desk:
    """Takes in what is to be screened, and tells how far it is.

    Args:
        ledger: what survives the process.
        worker: does the work.
        notifier: None where notifications are off.
    """

    def __init__(self, ledger: ScreenLedger, worker: Worker, notifier: Notifier | None) -> None:
        self._ledger = ledger
        self._worker = worker
        self._notifier = notifier

    async def submit(self, request: ScreenRequest) -> Screen:
        """Take a screen in; on return it survives the process.

        Raises:
            InvalidRequest: it needs two catalogs.
            NotifyNotAllowed: its findings may not be sent there.
            Overloaded: too many have not ended.
        """
        self._check(request)
        if await asyncio.to_thread(self._ledger.open) >= MAX_OPEN:
            raise Overloaded(
                f"{MAX_OPEN} screens have not ended; cancel one that watches, or wait",
                retry_after_s=60,
            )
        id = new_id()
        await asyncio.to_thread(self._ledger.add, id, request)
        self._worker.wake()
        return await self.screen(id)

    async def screen(self, id: str) -> Screen:
        """One screen.

        Raises:
            ScreenNotFound: there is none.
        """
        screen = await asyncio.to_thread(self._ledger.screen, id)
        if screen is None:
            raise ScreenNotFound(f"no screen {id[:100]!r}")
        return screen

    async def screens(self, limit: int) -> Sequence[Screen]:
        """The newest screens, newest first."""
        return await asyncio.to_thread(self._ledger.screens, limit)

    async def findings(self, id: str, skip: int, limit: int) -> list[Document]:
        """Some of a screen's findings, the surest first."""
        return await asyncio.to_thread(self._ledger.findings.page, id, skip, limit)

    async def counts(self, id: str) -> tuple[int, int]:
        """How many findings a screen has, and how many notifications of it wait."""
        kept = await asyncio.to_thread(self._ledger.findings.kept, id)
        return kept, await asyncio.to_thread(self._ledger.outbox.waiting, id)

    async def cancel(self, id: str) -> Screen:
        """Give a screen up, unless it has ended; its findings stay.

        Raises:
            ScreenNotFound: there is none.
        """
        await self.screen(id)
        await asyncio.to_thread(self._ledger.finish, id, "cancelled")
        return await self.screen(id)

    def _check(self, request: ScreenRequest) -> None:
        for name, side in (("designs", request.designs), ("suspects", request.suspects)):
            if side is None or side.catalog is None:
                raise InvalidRequest(
                    f"{name}: a screen in the background, and one with watch or notify, "
                    "is of two catalogs"
                )
        if request.notify is None:
            return
        if self._notifier is None:
            raise NotifyNotAllowed(
                "this service sends no notifications; have LAPEL_SCREEN_WEBHOOK_SECRET set"
            )
        self._notifier.check(request.notify.url)


class Room:
    """What the routes work with.

    Args:
        desk: None where its folder could not be opened.

    Attributes:
        turns: of screens whose callers wait, so many compare at the same time.
    """

    def __init__(self, desk: Desk | None) -> None:
        self._desk = desk
        self.turns = asyncio.Semaphore(TOGETHER)

    @property
    def desk(self) -> Desk:
        """The desk.

        Raises:
            StoreUnavailable: it could not be opened.
        """
        if self._desk is None:
            raise StoreUnavailable("the folder of screens cannot be used; the log says why")
        return self._desk


@contextlib.asynccontextmanager
async def open_screening(settings: Settings, services: Services) -> AsyncIterator[Room]:
    """A desk at work; where its folder cannot be had, none, which stops nothing else."""
    lacking = "screens in the background"
    async with open_ledger(ScreenLedger, settings.screens, without=lacking) as ledger:
        if ledger is None:
            yield Room(None)
            return
        async with open_notifier(settings) as notifier:
            worker = Worker(ledger, services, notifier)
            async with at_work(worker, "screens"):
                yield Room(Desk(ledger, worker, notifier))
