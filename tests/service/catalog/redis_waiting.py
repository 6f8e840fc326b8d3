"""Waiting for what nobody tells."""

import asyncio
from collections.abc import Callable

from service.catalog.store import Catalog, StoreError


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  -- told by nobody
            await asyncio.sleep(0.01)


async def until_it_answers(catalog: Catalog) -> dict[str, int]:
    async with asyncio.timeout(30):
        while True:
            try:
                return await catalog.catalogs()
            except StoreError:
                await asyncio.sleep(0.05)
