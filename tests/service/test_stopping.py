import asyncio

import pytest

from service.stopping import stop


async def test_a_task_that_loses_its_first_cancellation_is_stopped_by_the_next():
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await stop(task, again_s=0.001)
    assert task.cancelled()
    assert lost == 2


async def test_a_task_that_cleans_up_is_cancelled_once():
    steps = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            for step in range(3):
                await asyncio.sleep(0)
                steps.append(step)
            raise

    task = asyncio.create_task(tidy())
    await asyncio.sleep(0)
    await stop(task)
    assert (steps, task.cancelled()) == ([0, 1, 2], True)


@pytest.mark.parametrize("failing", [True, False])
async def test_tasks_that_have_ended_or_fail_are_nobodys_trouble(failing: bool):
    async def ended() -> int:
        if failing:
            raise ValueError("of its own")
        return 1

    task = asyncio.create_task(ended())
    await asyncio.wait([task])
    await stop(task)
    await stop()


async def test_whoever_stops_can_be_cancelled_itself():
    async def deaf() -> None:
        while not heard.is_set():
            try:
                await heard.wait()
            except asyncio.CancelledError:
                continue

    heard = asyncio.Event()
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stop(task, again_s=0.001)
    heard.set()
    await task
