"""Fetching an image by its URL, from hosts that nobody vouches for.

One request is at most four: an answer and three redirects, each checked like the first. The
bytes are counted as they come. No answer may be compressed, so the bytes on the wire are the
bytes counted; no proxy and no cookie is taken from anywhere.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn, Self

import httpcore

from service.errors import (
    ImageTooLarge,
    ImageUrlTimeout,
    ImageUrlUnreachable,
    Overloaded,
)
from service.fetch.addresses import Resolver
from service.fetch.connecting import CheckedBackend
from service.fetch.targets import Rules, Target

REDIRECTS = (301, 302, 303, 307, 308)
IDLE_CONNECTION_S = 3.0
"""A connection is kept for the next image of its host; servers keep theirs for 5 s or longer."""
MAX_BYTES = 10 << 20

_HEADERS = (
    ("User-Agent", "Lapel"),
    ("Accept", "image/jpeg, image/png, image/webp, image/*;q=0.5"),
    ("Accept-Encoding", "identity"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a fetch may take.

    Attributes:
        max_bytes: largest image.
        connect_s: looking the name up and connecting; again as long for the TLS handshake.
        total_s: everything, redirects included.
        redirects: most of them.
        together: fetches at the same time; four times as many may wait.
    """

    max_bytes: int = MAX_BYTES
    connect_s: float = 3.0
    total_s: float = 10.0
    redirects: int = 3
    together: int = 16


class Fetcher:
    """Fetches images; usable once constructed, closed by ``async with``.

    Args:
        rules: what may be fetched.
        resolve: looks names up.
        limits: how much a fetch may take.
        ssl_context: whose certificates are believed; certifi's list unless given.
    """

    def __init__(
        self,
        rules: Rules,
        resolve: Resolver,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._limits = limits or Limits()
        self._places = asyncio.Semaphore(self._limits.together)
        self._waiting = 0
        self._timeouts = {
            "connect": self._limits.connect_s,
            "read": self._limits.total_s,
            "write": self._limits.total_s,
            "pool": self._limits.total_s,
        }
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context or httpcore.default_ssl_context(),
            max_connections=self._limits.together,
            keepalive_expiry=IDLE_CONNECTION_S,
            network_backend=CheckedBackend(rules, resolve),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def fetch(self, url: str) -> bytes:
        """The bytes behind a URL; whether they are an image is not looked at.

        Raises:
            ImageUrlNotAllowed: the URL, an address of its host, or a redirect breaks a rule.
            ImageUrlUnreachable: nobody answers, or not with the bytes.
            ImageUrlTimeout: it takes too long.
            ImageTooLarge: there are too many bytes.
            Overloaded: too many other fetches are under way.
        """
        target = self._rules.target(url)
        async with self._place():
            try:
                async with asyncio.timeout(self._limits.total_s):
                    return await self._follow(target)
            except (TimeoutError, httpcore.TimeoutException) as exc:
                raise ImageUrlTimeout(
                    f"host {target.host!r} took too long: {self._limits.connect_s:g} s to "
                    f"connect and {self._limits.total_s:g} s in all are allowed"
                ) from exc
            except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as exc:
                raise ImageUrlUnreachable(_reason(target, exc)) from exc

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._waiting >= 4 * self._limits.together:
            raise Overloaded(f"{self._waiting} images wait to be fetched; try again shortly")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.total_s):
                await self._places.acquire()
        except TimeoutError as exc:
            raise Overloaded("other images are being fetched; try again shortly") from exc
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

    async def _follow(self, target: Target) -> bytes:
        for _ in range(self._limits.redirects + 1):
            answer = await self._ask(target)
            if isinstance(answer, bytes):
                return answer
            target = self._rules.redirected(answer, target)
        raise ImageUrlUnreachable(f"more than {self._limits.redirects} redirects")

    async def _ask(self, target: Target) -> bytes | str:
        """The image, or where to ask instead."""
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path.encode(),
        )
        headers = [("Host", target.authority), *_HEADERS]
        async with self._pool.stream(
            "GET", url, headers=headers, extensions={"timeout": self._timeouts}
        ) as response:
            if response.status in REDIRECTS:
                return _header(response, b"location", target) or _nowhere(target)
            if response.status != 200:
                raise ImageUrlUnreachable(f"host {target.host!r} answers {response.status}")
            return await self._read(response, target)

    async def _read(self, response: httpcore.Response, target: Target) -> bytes:
        encoding = _header(response, b"content-encoding", target)
        if encoding.lower() not in ("", "identity"):
            raise ImageUrlUnreachable(
                f"host {target.host!r} answers in encoding {encoding[:40]!r}, not plainly as asked"
            )
        announced = _header(response, b"content-length", target)
        if announced.isdecimal() and int(announced[:20]) > self._limits.max_bytes:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_stream():
            size += len(chunk)
            if size > self._limits.max_bytes:
                raise self._too_large()
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_large(self) -> ImageTooLarge:
        return ImageTooLarge(
            f"the image at the URL has more than the {self._limits.max_bytes} bytes allowed"
        )


def _nowhere(target: Target) -> NoReturn:
    raise ImageUrlUnreachable(f"host {target.host!r} redirects without saying where")


def _header(response: httpcore.Response, name: bytes, target: Target) -> str:
    values = {value.strip() for key, value in response.headers if key.lower() == name}
    if len(values) > 1:
        raise ImageUrlUnreachable(f"host {target.host!r} sends {name.decode()} twice")
    return values.pop().decode("utf-8", "replace") if values else ""


def _reason(target: Target, exc: Exception) -> str:
    if isinstance(exc, httpcore.ConnectError):
        tls = isinstance(exc.__cause__ or exc.__context__, ssl.SSLError)
        what = (
            "shows no certificate for its name that is believed" if tls else "takes no connection"
        )
    elif isinstance(exc, httpcore.ProtocolError):
        what = "does not answer as HTTP/1.1 has it"
    else:
        what = "broke the connection off"
    return f"host {target.host!r} {what}"
