"""Takes in feeds and webhooks over HTTP: what it has accepted survives the process.

A feed is written beside its place and gets its name once it is whole; then the ledger is told.
"""

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

from service.errors import (
    ImportNotFound,
    InvalidFeed,
    InvalidRequest,
    Overloaded,
    StoreUnavailable,
)
from service.feeds.deliveries import TOPICS
from service.feeds.opening import open_feed
from service.feeds.records import FeedError
from service.feeds.signatures import Shop, read_delivery
from service.imports.ledger import Job, Ledger
from service.imports.local_ledger import LocalLedger
from service.imports.records import Fault, ImportOptions
from service.imports.worker import Worker
from service.jobs.desks import at_work, new_id, open_ledger
from service.services import Services
from service.settings import Settings

MAX_WAITING = 100
"""Imports that have not ended; more are refused."""
PART_ENDING = ".part"
FEED_ENDING = ".feed"


class Desk:
    """Takes in what is to be stored, and tells how far it is.

    Args:
        ledger: what survives the process.
        folder: where feeds lie until they are done.
        worker: stores them.
    """

    def __init__(self, ledger: Ledger, folder: Path, worker: Worker) -> None:
        self._ledger = ledger
        self._folder = folder
        self._worker = worker

    @contextlib.contextmanager
    def part(self) -> Iterator[Path]:
        """Where to write a feed before it is submitted; gone afterwards if it is not."""
        part = self._folder / f"{new_id()}{PART_ENDING}"
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)

    async def submit(self, part: Path, options: ImportOptions) -> Job:
        """Take a feed in, written where `part` says; on return it survives the process.

        Raises:
            InvalidFeed: it is none.
            Overloaded: too many wait.
        """
        job = await asyncio.to_thread(self._submit, part, options)
        self._worker.wake()
        return job

    async def job(self, id: str) -> Job:
        """One import.

        Raises:
            ImportNotFound: there is none.
        """
        job = await asyncio.to_thread(self._ledger.job, id)
        if job is None:
            raise ImportNotFound(f"no import {id[:100]!r}")
        return job

    async def jobs(self, limit: int) -> Sequence[Job]:
        """The newest imports, newest first."""
        return await asyncio.to_thread(self._ledger.jobs, limit)

    async def faults(self, id: str, skip: int, limit: int) -> Sequence[Fault]:
        """Some of an import's faults, in order."""
        return await asyncio.to_thread(self._ledger.faults, id, skip, limit)

    async def cancel(self, id: str) -> Job:
        """Give an import up, unless it has ended; what is stored stays.

        Raises:
            ImportNotFound: there is none.
        """
        await self.job(id)
        await asyncio.to_thread(self._worker.end, id, "cancelled")
        return await self.job(id)

    async def receive(
        self,
        shop: Shop,
        headers: Mapping[str, str],
        body: bytes,
        *,
        catalog: str,
        currency: str | None,
    ) -> bool:
        """Take a webhook in; False when it came before. On return it survives the process.

        Args:
            shop: who sent it, which has been checked.
            headers: name topic and delivery.
            body: as it came.
            catalog: where the garments go.
            currency: of the shop's prices.

        Raises:
            InvalidRequest: a header is missing, or the topic is not one that changes products.
        """
        try:
            delivery = read_delivery(shop, headers)
        except FeedError as exc:
            raise InvalidRequest(str(exc)) from exc
        if delivery.topic not in TOPICS[shop]:
            raise InvalidRequest(
                f"topic {delivery.topic[:60]!r}; allowed: {', '.join(TOPICS[shop])}"
            )
        key = f"{delivery.source} {delivery.id}"
        new = await asyncio.to_thread(
            self._ledger.receive, shop, key, delivery.topic, catalog, currency, body
        )
        self._worker.wake()
        return new

    def sweep(self) -> None:
        """Remove feeds of imports that have ended, and those that never came whole."""
        for file in self._folder.glob(f"*{PART_ENDING}"):
            file.unlink(missing_ok=True)
        for file in self._folder.glob(f"*{FEED_ENDING}"):
            job = self._ledger.job(file.name.removesuffix(FEED_ENDING))
            if job is None or not job.is_open:
                file.unlink(missing_ok=True)

    def _submit(self, part: Path, options: ImportOptions) -> Job:
        id = part.name.removesuffix(PART_ENDING)
        try:
            with open_feed(part, currency=options.currency) as feed:
                format_ = feed.format
        except FeedError as exc:
            raise InvalidFeed(str(exc).removeprefix(f"{part.name}: ")) from exc
        waiting = [job for job in self._ledger.jobs(MAX_WAITING) if job.is_open]
        if len(waiting) >= MAX_WAITING:
            raise Overloaded(f"{len(waiting)} imports wait; {MAX_WAITING} may", retry_after_s=60)
        _settle(part, feed_in(self._folder, id))
        self._ledger.add(id, options, format_)
        job = self._ledger.job(id)
        assert job is not None
        return job


def feed_in(folder: Path, id: str) -> Path:
    """Where the feed of an import lies."""
    return folder / f"{id}{FEED_ENDING}"


@contextlib.asynccontextmanager
async def open_desk(settings: Settings, services: Services) -> AsyncIterator[Desk | None]:
    """A desk at work; None where the folder cannot be had, which stops nothing else."""
    lacking = "imports and no webhooks"
    async with open_ledger(LocalLedger, settings.imports, without=lacking) as ledger:
        if ledger is None:
            yield None
            return
        worker = Worker(ledger, functools.partial(feed_in, settings.imports), services)
        desk = Desk(ledger, settings.imports, worker)
        await asyncio.to_thread(desk.sweep)
        async with at_work(worker, "imports"):
            yield desk


def require_desk(desk: Desk | None) -> Desk:
    """The desk.

    Raises:
        StoreUnavailable: it could not be opened.
    """
    if desk is None:
        raise StoreUnavailable("the folder of imports cannot be used; the log says why")
    return desk


def _settle(part: Path, feed: Path) -> None:
    """Give a whole feed its name, so that neither is lost with the power."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(feed)
    folder = os.open(feed.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
