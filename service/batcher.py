"""Concurrent callers, one call of the network: one queue, one task, one worker thread.

While the worker computes, callers pile up, and the next batch takes all that wait. So batches
grow with the load by themselves, and waiting for more (`wait_ms`) buys little: its default is 0.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from service.errors import Overloaded, ShuttingDown

Item = TypeVar("Item")
Row = TypeVar("Row")
RowCo = TypeVar("RowCo", covariant=True)


class Rows(Protocol[RowCo]):
    """What a batch's answer must offer: one row per item, in the items' order."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> RowCo: ...


class Batcher(Generic[Item, Row]):
    """An async context manager; `encode` works inside its ``async with``.

    Args:
        encode: called in the worker thread with the items of one batch, oldest first.
        max_batch: most items in one call.
        wait_ms: how long an idle worker lets a batch fill after its first item, milliseconds.
        queue_size: most items waiting for the worker; one more is refused.
        on_batch: told each batch's size, in the worker thread, before it is computed.
    """

    def __init__(
        self,
        encode: Callable[[list[Item]], Rows[Row]],
        *,
        max_batch: int,
        wait_ms: float = 0.0,
        queue_size: int,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        if max_batch < 1 or queue_size < 1 or wait_ms < 0:
            raise ValueError(
                "max_batch and queue_size must be at least 1 and wait_ms at least 0, "
                f"not {max_batch}, {queue_size} and {wait_ms}"
            )
        self.max_batch = max_batch
        self.queue_size = queue_size
        self._encode = encode
        self._wait_s = wait_ms / 1000
        self._on_batch = on_batch
        self._waiting: deque[_Waiting[Item, Row]] = deque()
        self._arrived = asyncio.Event()
        self._open = False

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self._open = True
        self._task = asyncio.create_task(self._serve(), name="batcher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Answer everyone: the batch being computed with its rows, those waiting with an error."""
        self._open = False
        self._arrived.set()
        for waiting in self._waiting:
            if not waiting.answer.done():
                waiting.answer.set_exception(ShuttingDown("the service stopped before its turn"))
        self._waiting.clear()
        await self._task
        self._thread.shutdown()

    async def encode(self, item: Item) -> Row:
        """The row of `item`, computed in some batch.

        Raises:
            Overloaded: `queue_size` items wait already; nothing was queued.
            ShuttingDown: the batcher is closed.
            Exception: whatever `encode` raised for the batch that held the item.
        """
        if not self._open:
            raise ShuttingDown("the service takes no more images")
        if len(self._waiting) >= self.queue_size:
            self._drop_cancelled()
        if len(self._waiting) >= self.queue_size:
            raise Overloaded(f"{self.queue_size} images wait already; try again shortly")
        answer: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, answer))
        self._arrived.set()
        return await answer

    @property
    def depth(self) -> int:
        """Items waiting for the worker, cancelled ones included."""
        return len(self._waiting)

    async def _serve(self) -> None:
        while await self._wait_for(1):
            if self._wait_s and len(self._waiting) < self.max_batch:
                await self._let_fill()
            if batch := self._take():
                await self._answer(batch)

    async def _wait_for(self, count: int) -> bool:
        """Whether `count` items wait; False once closed."""
        while self._open and len(self._waiting) < count:
            self._arrived.clear()
            await self._arrived.wait()
        return self._open

    async def _let_fill(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._wait_for(self.max_batch)
        except TimeoutError:
            pass

    def _take(self) -> "list[_Waiting[Item, Row]]":
        batch: list[_Waiting[Item, Row]] = []
        while self._waiting and len(batch) < self.max_batch:
            waiting = self._waiting.popleft()
            if not waiting.answer.done():  # done before its turn: the caller was cancelled
                batch.append(waiting)
        return batch

    def _drop_cancelled(self) -> None:
        alive = [waiting for waiting in self._waiting if not waiting.answer.done()]
        self._waiting = deque(alive)

    async def _answer(self, batch: "list[_Waiting[Item, Row]]") -> None:
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._thread, self._compute, [w.item for w in batch])
        for place, waiting in enumerate(batch):
            if waiting.answer.done():
                continue
            if isinstance(outcome, _Failure):
                waiting.answer.set_exception(outcome.cause)
            else:
                waiting.answer.set_result(outcome[place])

    def _compute(self, items: list[Item]) -> "list[Row] | _Failure":
        """In the worker thread: the rows, or why there are none. Nothing escapes."""
        try:
            self._on_batch(len(items))
            rows = self._encode(items)
            if len(rows) != len(items):
                raise RuntimeError(f"{len(items)} items gave {len(rows)} rows")
            return [rows[place] for place in range(len(items))]
        except StopIteration as exc:  # a future refuses to carry it
            return _Failure(RuntimeError(f"encode raised {exc!r}"))
        except Exception as exc:
            return _Failure(exc)


class _Waiting(NamedTuple, Generic[Item, Row]):
    item: Item
    answer: asyncio.Future[Row]


class _Failure(NamedTuple):
    cause: Exception
