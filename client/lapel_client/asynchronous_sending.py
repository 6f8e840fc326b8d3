"""How the client for asyncio and trio sends: once, again, or line by line.

Files are read, and requests built, in a thread, since both take milliseconds for large images.
"""

import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from lapel_client.call import Call, Lines, Stream, problem_of
from lapel_client.errors import LapelError
from lapel_client.retries import Retries
from lapel_client.sending import pause_s, timeouts, unreachable

P = ParamSpec("P")
T = TypeVar("T")


class Sender:
    """A connection to a service; arguments as `AsyncLapelClient` documents them."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        timeout_s: float = 30.0,
        headers: Mapping[str, str] | None = None,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(
            base_url=base_url, timeout=timeouts(timeout_s), headers=headers, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def _ask(self, build: Callable[P, Call[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        call = await anyio.to_thread.run_sync(functools.partial(build, *args, **kwargs))
        attempt = 1
        while True:
            try:
                return call.answer(await self._request(call))
            except LapelError as error:
                pause = pause_s(error, attempt, self._retries)
                if pause is None or not call.may_repeat(error):
                    raise
            await anyio.sleep(pause)
            attempt += 1

    async def _request(self, call: Call[T]) -> httpx.Response:
        try:
            return await self._http.request(call.method, call.path, **call.options)
        except httpx.TransportError as exc:
            raise unreachable(exc) from exc

    async def _lines(
        self, build: Callable[P, Stream[T]], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncGenerator[T, None]:
        stream = await anyio.to_thread.run_sync(functools.partial(build, *args, **kwargs))
        attempt = 1
        while True:
            begun = False
            try:
                async with contextlib.aclosing(self._streamed(stream)) as streamed:
                    async for read in streamed:
                        begun = True
                        yield read
                return
            except LapelError as error:
                pause = None if begun else pause_s(error, attempt, self._retries)
                if pause is None:
                    raise
            await anyio.sleep(pause)
            attempt += 1

    async def _streamed(self, stream: Stream[T]) -> AsyncGenerator[T, None]:
        last = None
        received = self._received(stream.method, stream.path, stream.options)
        async with contextlib.aclosing(received) as lines:
            async for line in lines:
                last = stream.read(line)
                yield last
        stream.require_end(last)

    async def _received(
        self, method: str, path: str, options: Mapping[str, Any]
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with self._http.stream(method, path, **options) as response:
                if not response.is_success:
                    await response.aread()
                    raise problem_of(response)
                lines = Lines()
                async for chunk in response.aiter_bytes():
                    for line in lines.feed(chunk):
                        yield line
        except httpx.TransportError as exc:
            raise unreachable(exc) from exc
