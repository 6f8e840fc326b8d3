"""One logical Redis, whatever stands behind the URL: a server, Sentinel's master or a Cluster.

Nothing is tried twice here. A write whose answer was lost may have been done, and a caller that
waits for a second attempt waits twice as long for a server that is away.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import SplitResult

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.redis_url import (
    REDIS_PORT,
    SENTINEL_PORT,
    InvalidUrl,
    check_url,
    credentials,
    hosts,
    master_of,
    without_password,
)

CONNECT_TIMEOUT_S = 1.0
CONNECTIONS = 32
"""Commands under way at a time; further ones wait for their turn."""

FAILURES = (RedisError, OSError, TimeoutError)
"""What a command may raise."""


class Server:
    """Sends commands; must be used in one event loop, and closed."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Prepare for a URL; nothing is connected yet.

        Args:
            url: redis://, rediss://, unix://, redis+sentinel://host:port,host:port/master/db or
                redis+cluster://host:port,host:port; the latter two also with rediss.
            timeout_s: how long a command, or its turn, is waited for.

        Raises:
            InvalidUrl: it is none of these.
        """
        self.shown = without_password(url)
        self._timeout_s = timeout_s
        self._client = _client(url, timeout_s)
        self._turns = asyncio.Semaphore(CONNECTIONS)

    @property
    def is_cluster(self) -> bool:
        """Whether keys lie on several nodes, so that no step spans hash tags."""
        return isinstance(self._client, RedisCluster)

    async def run(self, *command: Any) -> Any:
        """One command; the answer as RESP2 has it.

        Raises:
            FAILURES: it could not be sent, was refused or not answered in time.
        """
        async with self._turn():
            return await self._client.execute_command(*command)

    async def script(self, text: str, key: str, *values: Any) -> Any:
        """Run a script over the keys that share a hash tag with `key`; see `run`."""
        async with self._turn():
            return await self._client.eval(text, 1, key, *values)

    async def together(self, commands: Sequence[Sequence[Any]], *, atomic: bool = False) -> Any:
        """Send several commands at once; see `run`.

        Args:
            commands: each with its arguments.
            atomic: no other client's command comes between them (not in a Cluster).
        """
        async with self._turn(), self._client.pipeline(transaction=atomic) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()

    @contextlib.asynccontextmanager
    async def subscribed(self, channel: str) -> AsyncIterator[Any]:
        """A subscription on a connection of its own, confirmed; see `run`."""
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
        subscription: Any = self._client.pubsub()
        try:
            await subscription.subscribe(channel)
            confirmed = await subscription.get_message(timeout=self._timeout_s)
            if confirmed is None:
                raise TimeoutError("the subscription was not confirmed")
            yield subscription
        finally:
            with contextlib.suppress(*FAILURES):
                await subscription.aclose()

    async def close(self) -> None:
        """Close every connection."""
        pool = getattr(self._client, "connection_pool", None)
        for client in (self._client, *_sentinels(pool)):
            with contextlib.suppress(*FAILURES):
                await client.aclose()

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with asyncio.timeout(self._timeout_s):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()


def _client(url: str, timeout_s: float) -> Any:
    parts = check_url(url)
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(CONNECT_TIMEOUT_S, timeout_s),
        "protocol": 2,
    }
    if parts.scheme.endswith("+cluster"):
        return _cluster(parts, options)
    options["retry"] = Retry(NoBackoff(), 0)
    if parts.scheme.endswith("+sentinel"):
        return _sentinel(parts, options)
    try:
        client = Redis.from_url(url, **options)
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # refuses options that there are not
        return client
    except (ValueError, TypeError) as exc:
        raise InvalidUrl(f"{without_password(url)}: {exc}") from exc


def _cluster(parts: SplitResult, options: dict[str, Any]) -> Any:
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in hosts(parts, REDIS_PORT)],
        ssl=parts.scheme.startswith("rediss"),
        retry=Retry(NoBackoff(), 1),  # one more, since the first may learn that slots have moved
        **options | credentials(parts),
    )


def _sentinel(parts: SplitResult, options: dict[str, Any]) -> Any:
    places = hosts(parts, SENTINEL_PORT)
    sentinel: Any = Sentinel(places, sentinel_kwargs=options, **options)  # type: ignore[no-untyped-call]
    master, database = master_of(parts)
    secure = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    return sentinel.master_for(master, db=database, **credentials(parts), **secure)


def _sentinels(pool: Any) -> Sequence[Any]:
    """The clients that ask Sentinel who the master is; none where there is no Sentinel."""
    return pool.sentinel_manager.sentinels if isinstance(pool, SentinelConnectionPool) else ()
