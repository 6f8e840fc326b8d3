"""Works off what the desk has written down, one thing at a time.

Webhooks go before feeds, also between the steps of a feed: what changed a moment ago is wanted
sooner than what was exported last night. When the store is away, everything waits.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from service.catalog.store import CatalogError
from service.errors import ServiceError
from service.feeds.deliveries import read_change
from service.feeds.opening import open_feed
from service.feeds.records import FeedError
from service.imports.changes import apply_change
from service.imports.ledger import Job, Ledger, Received, State
from service.imports.records import NOTHING_DELETED
from service.imports.running import run_import
from service.imports.storing import Storing
from service.jobs.work_loop import WorkLoop
from service.services import Services

logger = logging.getLogger(__name__)


class Worker:
    """Stores feeds and webhooks.

    Args:
        ledger: says what waits.
        feed_of: where the feed of an import lies.
        services: what does the work.
    """

    def __init__(self, ledger: Ledger, feed_of: Callable[[str], Path], services: Services) -> None:
        self._ledger = ledger
        self._feed_of = feed_of
        self._services = services
        self._loop = WorkLoop("imports", self._do_next)

    @property
    def _storing(self) -> Storing:
        """With the model that answers now."""
        return Storing(self._services.ingest, self._services.catalog)

    def wake(self) -> None:
        """There is something new to do."""
        self._loop.wake()

    async def run(self) -> None:
        """Work everything off, for ever."""
        await self._loop.run()

    def end(self, id: str, state: State, detail: str | None = None) -> None:
        """End an import that has not ended, and let go of its feed."""
        self._ledger.finish(id, state, detail)
        self._feed_of(id).unlink(missing_ok=True)

    async def _do_next(self) -> float | None:
        """Webhooks, then one import; None when there was nothing to do."""
        worked = await self._deliver_all()
        job = await asyncio.to_thread(self._ledger.next_job)
        if job is not None:
            await self._import(job)
        return 0.0 if worked or job is not None else None

    async def _import(self, job: Job) -> None:
        try:
            undone = await self._run(job)
        except FeedError as exc:
            await asyncio.to_thread(self.end, job.id, "failed", str(exc))
        except ServiceError as exc:
            if exc.retry:
                await asyncio.to_thread(self._ledger.hold, job.id, f"waits: {exc.detail}")
                raise
            await asyncio.to_thread(self.end, job.id, "failed", exc.detail)
        except CatalogError:
            raise
        except Exception:
            logger.exception("import %s failed", job.id)
            text = "for a reason of ours; the log has it"
            await asyncio.to_thread(self.end, job.id, "failed", text)
        else:
            await asyncio.to_thread(self.end, job.id, "done", undone)

    async def _run(self, job: Job) -> str | None:
        """Store the feed; why nothing was deleted, where that was asked for and not done."""
        services, file = self._services, self._feed_of(job.id)
        undone = None
        opened = await asyncio.to_thread(open_feed, file, currency=job.options.currency)
        with opened as feed:
            steps = run_import(
                feed,
                job.options,
                services.ingest,
                services.catalog,
                skip=job.entries,
                since=job.created_at,
            )
            async with contextlib.aclosing(steps):
                async for step in steps:
                    if not await asyncio.to_thread(self._ledger.advance, job.id, step):
                        return None  # cancelled
                    for fault in step.faults:
                        if fault.code == NOTHING_DELETED:
                            undone = f"nothing was deleted: {fault.message}"
                    await self._deliver_all()
        return undone

    async def _deliver_all(self) -> bool:
        """Work off the webhooks that wait; False when there were none."""
        worked = False
        while received := await asyncio.to_thread(self._ledger.next_delivery):
            detail = await self._deliver(received)
            await asyncio.to_thread(self._ledger.deliver, received.number, detail)
            worked = True
        return worked

    async def _deliver(self, received: Received) -> str | None:
        """Carry a webhook out; what could not be done."""
        try:
            change = read_change(
                received.shop, received.topic, received.body, currency=received.currency
            )
            faults = await apply_change(
                change,
                received.catalog,
                self._storing,
                self._services.catalog,
                self._services.card.embedding_dimension,
            )
        except FeedError as exc:
            detail = str(exc)
        except ServiceError as exc:
            if exc.retry:
                raise
            detail = exc.detail
        except Exception:
            logger.exception("webhook %d failed", received.number)
            return "failed for a reason of ours; the log has it"
        else:
            detail = "; ".join(f"{fault.code}: {fault.message}" for fault in faults)
        if detail:
            logger.warning("webhook %s %s: %s", received.shop, received.topic, detail)
        return detail or None
