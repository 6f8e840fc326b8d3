import asyncio
import itertools

import pytest

from service.catalog.store import StoreError
from service.jobs import work_loop
from service.jobs.work_loop import WorkLoop


async def test_a_step_is_repeated_until_there_is_nothing_to_do_and_again_when_woken():
    done: list[int] = []
    idle = asyncio.Event()

    async def step() -> float | None:
        done.append(len(done))
        if len(done) in (3, 5):
            idle.set()
            return None
        return 0.0

    loop = WorkLoop("jobs", step)
    task = asyncio.create_task(loop.run())
    await idle.wait()
    assert done == [0, 1, 2]
    idle.clear()
    loop.wake()
    await idle.wait()
    assert done == [0, 1, 2, 3, 4]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_step_is_repeated_when_its_time_comes():
    calls = itertools.count()
    again = asyncio.Event()

    async def step() -> float | None:
        if next(calls):
            again.set()
            return None
        return 0.01

    task = asyncio.create_task(WorkLoop("jobs", step).run())
    async with asyncio.timeout(30):
        await again.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("error", [StoreError("away"), OSError("input/output error")])
async def test_no_error_ends_the_loop(monkeypatch: pytest.MonkeyPatch, error: Exception):
    monkeypatch.setattr(work_loop, "FIRST_PAUSE_S", 0.001)
    calls = itertools.count()
    worked = asyncio.Event()

    async def step() -> float | None:
        if next(calls) < 2:
            raise error
        worked.set()
        return None

    task = asyncio.create_task(WorkLoop("jobs", step).run())
    async with asyncio.timeout(30):
        await worked.wait()
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_cancellation_that_a_driver_turns_into_an_error_ends_the_loop():
    begun = asyncio.Event()

    async def step() -> float | None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise StoreError("the connection is closed") from None
        return None

    task = asyncio.create_task(WorkLoop("jobs", step).run())
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(30):
        await asyncio.wait([task])
    assert task.cancelled()
