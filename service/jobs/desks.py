"""What desks share: a name for each job, a folder that may not be had, a worker beside them.

A desk takes jobs in over HTTP; where its folder cannot be had, the rest of the service goes on.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from service.catalog.store import CatalogError
from service.stopping import stop

logger = logging.getLogger(__name__)


class Ledger(Protocol):
    """What survives the process."""

    def close(self) -> None:
        """Let go of the folder."""


class Worker(Protocol):
    """Works off what a ledger holds."""

    async def run(self) -> None:
        """For ever."""


AnyLedger = TypeVar("AnyLedger", bound=Ledger)


def new_id() -> str:
    """A name for a job that no other has; later ones sort behind, by the second."""
    return f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(4)}"


@contextlib.asynccontextmanager
async def open_ledger(
    make: Callable[[Path], AnyLedger], folder: Path, *, without: str
) -> AsyncIterator[AnyLedger | None]:
    """A ledger as long as the context lasts; None where its folder cannot be had.

    Args:
        make: opens it.
        folder: where it lies.
        without: what the log says there is not, then.
    """
    try:
        ledger = await asyncio.to_thread(make, folder)
    except CatalogError as exc:
        logger.error("no %s: %s", without, exc)
        yield None
        return
    with contextlib.closing(ledger):
        yield ledger


@contextlib.asynccontextmanager
async def at_work(worker: Worker, name: str) -> AsyncIterator[None]:
    """The worker runs as long as the context lasts, in a task of this name."""
    task = asyncio.create_task(worker.run(), name=name)
    try:
        yield
    finally:
        await stop(task)
