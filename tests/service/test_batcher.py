import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.batcher import Batcher
from service.errors import Overloaded, ShuttingDown


def row_echo(items):
    return list(items)


class Held:
    """An encode that stands still until released, and notes the batches it was given."""

    def __init__(self):
        self.started = threading.Event()
        self.release = threading.Event()
        self.batches = []

    def __call__(self, items):
        self.batches.append(items)
        self.started.set()
        self.release.wait()
        return items

    async def until_busy(self):
        await asyncio.to_thread(self.started.wait)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_sharing_a_batch_get_their_own_rows():
    async with Batcher(encode=row_echo, max_batch=4, wait_ms=20, queue_size=8) as batcher:
        rows = await asyncio.gather(*(batcher.encode(x) for x in (3, 1, 2)))
    assert rows == [3, 1, 2]


async def test_callers_arriving_while_the_worker_is_busy_share_the_next_batch():
    held = Held()
    async with Batcher(encode=held, max_batch=4, queue_size=8) as batcher:
        first = asyncio.create_task(batcher.encode(0))
        await held.until_busy()
        others = [asyncio.create_task(batcher.encode(x)) for x in range(1, 7)]
        await settle()
        held.release.set()
        assert await asyncio.gather(first, *others) == list(range(7))
    assert held.batches == [[0], [1, 2, 3, 4], [5, 6]]


async def test_an_idle_worker_waits_for_a_batch_to_fill_and_no_longer():
    sizes = []
    # An hour: only a full batch can end the wait.
    async with Batcher(
        encode=row_echo, max_batch=3, wait_ms=3.6e6, queue_size=8, on_batch=sizes.append
    ) as batcher:
        first = asyncio.create_task(batcher.encode(0))
        await settle()
        assert not sizes
        assert await asyncio.gather(first, batcher.encode(1), batcher.encode(2)) == [0, 1, 2]
    assert sizes == [3]


async def test_an_unfilled_batch_is_computed_when_its_wait_is_over():
    async with Batcher(encode=row_echo, max_batch=3, wait_ms=1, queue_size=8) as batcher:
        assert await batcher.encode(7) == 7


async def test_a_full_queue_refuses_at_once_and_serves_those_inside():
    held = Held()
    async with Batcher(encode=held, max_batch=1, queue_size=2) as batcher:
        running = asyncio.create_task(batcher.encode(0))
        await held.until_busy()
        inside = [asyncio.create_task(batcher.encode(x)) for x in (1, 2)]
        await settle()
        with pytest.raises(Overloaded, match="2 images wait"):
            await batcher.encode(3)
        held.release.set()
        assert await asyncio.gather(running, *inside) == [0, 1, 2]


async def test_cancelled_callers_make_room_and_are_not_computed():
    held = Held()
    async with Batcher(encode=held, max_batch=4, queue_size=2) as batcher:
        running = asyncio.create_task(batcher.encode(0))
        await held.until_busy()
        gone = [asyncio.create_task(batcher.encode(x)) for x in (1, 2)]
        await settle()
        for task in gone:
            task.cancel()
        await settle()
        late = asyncio.create_task(batcher.encode(3))
        await settle()
        held.release.set()
        assert await asyncio.gather(running, late) == [0, 3]
    assert held.batches == [[0], [3]]


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("no"), MemoryError("no")])
async def test_a_failing_batch_answers_its_own_callers_and_the_next_one_runs(error):
    def encode(items):
        if "bad" in items:
            raise error
        return items

    async with Batcher(encode=encode, max_batch=2, wait_ms=50, queue_size=8) as batcher:
        outcomes = await asyncio.gather(
            *(batcher.encode(x) for x in ("bad", "beside", "good", "fine")),
            return_exceptions=True,
        )
    assert [str(outcome) for outcome in outcomes[2:]] == ["good", "fine"]
    assert all(isinstance(outcome, Exception) and "no" in str(outcome) for outcome in outcomes[:2])


async def test_a_batch_with_too_few_rows_is_an_error_rather_than_crossed_rows():
    async with Batcher(encode=lambda items: items[1:], max_batch=2, queue_size=8) as batcher:
        with pytest.raises(RuntimeError, match="1 items gave 0 rows"):
            await batcher.encode("x")


async def test_a_failing_observer_does_not_stop_the_queue():
    sizes = []

    def observe(size):
        sizes.append(size)
        if len(sizes) == 1:
            raise OSError("no metrics")

    async with Batcher(encode=row_echo, max_batch=2, queue_size=8, on_batch=observe) as batcher:
        with pytest.raises(OSError, match="no metrics"):
            await batcher.encode(1)
        assert await batcher.encode(2) == 2


async def test_shutdown_answers_everyone():
    held = Held()
    batcher = Batcher(encode=held, max_batch=1, queue_size=4)
    async with batcher:
        running = asyncio.create_task(batcher.encode(0))
        await held.until_busy()
        waiting = [asyncio.create_task(batcher.encode(x)) for x in (1, 2)]
        await settle()
        asyncio.get_running_loop().call_later(0.01, held.release.set)
    assert await running == 0
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ShuttingDown, ShuttingDown]
    with pytest.raises(ShuttingDown):
        await batcher.encode(3)


@pytest.mark.parametrize(
    "bad", [{"max_batch": 0}, {"queue_size": 0}, {"wait_ms": -1}], ids=lambda bad: next(iter(bad))
)
async def test_senseless_sizes_are_refused(bad):
    with pytest.raises(ValueError, match="at least"):
        Batcher(encode=row_echo, **{"max_batch": 1, "queue_size": 1, **bad})


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.0002, 0.001])), min_size=1, max_size=30
    ),
    max_batch=st.integers(1, 5),
    wait_ms=st.sampled_from([0.0, 0.5]),
)
def test_rows_never_cross_however_callers_are_cancelled(steps, max_batch, wait_ms):
    async def scenario():
        computed = []

        def encode(items):
            computed.extend(items)
            return [f"row of {item}" for item in items]

        async with Batcher(
            encode=encode, max_batch=max_batch, wait_ms=wait_ms, queue_size=64
        ) as batcher:
            callers = []
            for item, (cancelled, pause) in enumerate(steps):
                callers.append(asyncio.create_task(batcher.encode(item)))
                await asyncio.sleep(pause)
                if cancelled:
                    callers[item // 2].cancel()
            return computed, await asyncio.gather(*callers, return_exceptions=True)

    computed, outcomes = asyncio.run(scenario())
    assert len(computed) == len(set(computed))
    for item, outcome in enumerate(outcomes):
        assert outcome == f"row of {item}" or isinstance(outcome, asyncio.CancelledError)
    cancelled_at_most = len({item // 2 for item, (cancelled, _) in enumerate(steps) if cancelled})
    assert sum(isinstance(o, asyncio.CancelledError) for o in outcomes) <= cancelled_at_most
