"""How the client for ordinary code sends: once, again, or line by line."""

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import httpx

from lapel_client.call import Call, Lines, Stream, problem_of
from lapel_client.errors import LapelError
from lapel_client.retries import Retries
from lapel_client.sending import pause_s, timeouts, unreachable

P = ParamSpec("P")
T = TypeVar("T")


class Sender:
    """A connection to a service; arguments as `LapelClient` documents them."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        timeout_s: float = 30.0,
        headers: Mapping[str, str] | None = None,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retries = retries or Retries()
        self._http = httpx.Client(
            base_url=base_url, timeout=timeouts(timeout_s), headers=headers, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def _ask(self, build: Callable[P, Call[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        call = build(*args, **kwargs)
        attempt = 1
        while True:
            try:
                return call.answer(self._request(call))
            except LapelError as error:
                pause = pause_s(error, attempt, self._retries)
                if pause is None or not call.may_repeat(error):
                    raise
            time.sleep(pause)
            attempt += 1

    def _request(self, call: Call[T]) -> httpx.Response:
        try:
            return self._http.request(call.method, call.path, **call.options)
        except httpx.TransportError as exc:
            raise unreachable(exc) from exc

    def _lines(
        self, build: Callable[P, Stream[T]], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        stream = build(*args, **kwargs)
        attempt = 1
        while True:
            begun = False
            try:
                for read in self._streamed(stream):
                    begun = True
                    yield read
                return
            except LapelError as error:
                pause = None if begun else pause_s(error, attempt, self._retries)
                if pause is None:
                    raise
            time.sleep(pause)
            attempt += 1

    def _streamed(self, stream: Stream[T]) -> Iterator[T]:
        last = None
        for line in self._received(stream.method, stream.path, stream.options):
            last = stream.read(line)
            yield last
        stream.require_end(last)

    def _received(self, method: str, path: str, options: Mapping[str, Any]) -> Iterator[bytes]:
        try:
            with self._http.stream(method, path, **options) as response:
                if not response.is_success:
                    response.read()
                    raise problem_of(response)
                lines = Lines()
                for chunk in response.iter_bytes():
                    yield from lines.feed(chunk)
        except httpx.TransportError as exc:
            raise unreachable(exc) from exc
