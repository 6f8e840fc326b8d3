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
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.redis_cluster import Cluster
from service.redis_url import (
    REDIS_PORT,
    SENTINEL_PORT,
    InvalidUrl,
    check_url,
    hosts,
    master_of,
    of_one_host,
    without_password,
)

CONNECT_TIMEOUT_S = 1.0
SENTINEL_TIMEOUT_S = 0.5
ALL_SENTINELS_S = 1.5
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
                redis+cluster://host:port,host:port; the latter two also with rediss. Options of
                redis-py may follow behind a question mark.
            timeout_s: how long a command, or its turn, is waited for.

        Raises:
            InvalidUrl: it is none of these.
        """
        self.shown = without_password(url)
        self._timeout_s = timeout_s
        self._client = _client(url, timeout_s)
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._master: tuple[str, int] | None = None

    @property
    def is_cluster(self) -> bool:
        """Whether keys lie on several nodes, so that no step spans hash tags."""
        return isinstance(self._client, Cluster)

    async def run(self, *command: Any) -> Any:
        """One command; the answer as RESP2 has it.

        Raises:
            FAILURES: it could not be sent, was refused or not answered in time.
        """
        async with self._turn():
            return await self._client.execute_command(*command)

    async def script(self, text: str, key: str, *values: Any) -> Any:
        """Run a script over the keys that share a hash tag with `key`; see `run`."""
        return await self.run("EVAL", text, 1, key, *values)

    async def together(self, commands: Sequence[Sequence[Any]], *, atomic: bool = False) -> Any:
        """Send several commands at once; see `run`.

        Args:
            commands: each with its arguments.
            atomic: no other client's command comes between them (not in a Cluster).
        """
        async with self._turn():
            if isinstance(self._client, Cluster):
                return await self._client.together(commands)
            async with self._client.pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()

    async def check(self, keys: Sequence[str]) -> None:
        """Look where the subscription cannot: at all nodes of a Cluster, and at Sentinel.

        A master that Sentinel has replaced takes writes, which it will forget, for some seconds
        more; it is left. No turn is waited for.

        Args:
            keys: in a Cluster, whoever holds one of them must answer.

        Raises:
            FAILURES: a node does not, or there is another master.
        """
        if isinstance(self._client, Cluster):
            await self._client.together([("EXISTS", key) for key in keys])
        elif isinstance(self._client.connection_pool, SentinelConnectionPool):
            await self._check_master(self._client.connection_pool)

    @contextlib.asynccontextmanager
    async def subscribed(self, channel: str) -> AsyncIterator[Any]:
        """A subscription on a connection of its own, confirmed; see `run`."""
        client = self._client
        if isinstance(client, Cluster):  # where every node tells all others
            client = await client.any_node()
        subscription: Any = client.pubsub()
        try:
            await subscription.subscribe(channel)
            confirmed = await subscription.get_message(timeout=self._timeout_s)
            if confirmed is None:
                raise TimeoutError("the subscription was not confirmed")
            if isinstance(subscription.connection, SentinelManagedConnection):
                self._master = (subscription.connection.host, subscription.connection.port)
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

    async def _check_master(self, pool: SentinelConnectionPool) -> None:
        try:
            async with asyncio.timeout(ALL_SENTINELS_S):
                named = await pool.sentinel_manager.discover_master(pool.service_name)
        except FAILURES:
            return  # the master may be there though Sentinel is not
        if named != (self._master or pool.master_address or named):
            self._master, pool.master_address = None, named
            await pool.disconnect()
            raise RedisConnectionError("Sentinel names another master")

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with asyncio.timeout(self._timeout_s):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()


class _Sentinels(Sentinel):
    """Says why none of them names a master; redis-py shows its own insides instead."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        reasons = []
        for place, sentinel in enumerate(self.sentinels):
            try:
                masters: Any = await sentinel.sentinel_masters()
            except FAILURES as exc:
                reasons.append(str(exc) or type(exc).__name__)
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):
                self.sentinels.insert(0, self.sentinels.pop(place))
                return state["ip"], state["port"]
            reasons.append("Sentinel knows of none that is well")
        raise MasterNotFoundError(f"no master {service_name!r}: {'; '.join(reasons)}")


def _client(url: str, timeout_s: float) -> Any:
    parts = check_url(url)
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(CONNECT_TIMEOUT_S, timeout_s),
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        if parts.scheme.endswith("+cluster"):
            return _cluster(parts, options)
        if parts.scheme.endswith("+sentinel"):
            return _sentinel(parts, options)
        return _one(url, options)
    except (ValueError, TypeError) as exc:
        raise InvalidUrl(f"{without_password(url)}: {exc}") from exc


def _one(url: str, options: dict[str, Any]) -> Any:
    client = Redis.from_url(url, **options)
    pool = client.connection_pool
    pool.connection_class(**pool.connection_kwargs)  # refuses options that there are not
    return client


def _cluster(parts: SplitResult, options: dict[str, Any]) -> Any:
    places = hosts(parts, REDIS_PORT)
    for place in places:
        _one(of_one_host(parts, *place), options)
    return Cluster(places, lambda place: _one(of_one_host(parts, *place), options))


def _sentinel(parts: SplitResult, options: dict[str, Any]) -> Any:
    """The master's client; what encrypts the way to it encrypts the way to Sentinel too."""
    master, database = master_of(parts)
    places = hosts(parts, SENTINEL_PORT)
    given: dict[str, Any] = {**parse_url(of_one_host(parts, *places[0]))}
    secure = {"ssl": True} if given.pop("connection_class", None) else {}
    own = {name: given.pop(name) for name in ("username", "password") if name in given}
    for name in ("host", "port"):
        given.pop(name, None)
    options = options | secure | given
    hasty = options | dict.fromkeys(
        ("socket_timeout", "socket_connect_timeout"), SENTINEL_TIMEOUT_S
    )
    sentinel: Any = _Sentinels(places, sentinel_kwargs=hasty, **options)  # type: ignore[no-untyped-call]
    client = sentinel.master_for(master, **own | {"db": database})
    pool = client.connection_pool
    pool.connection_class(**pool.connection_kwargs)
    return client


def _sentinels(pool: Any) -> Sequence[Any]:
    """The clients that ask Sentinel who the master is; none where there is no Sentinel."""
    return pool.sentinel_manager.sentinels if isinstance(pool, SentinelConnectionPool) else ()
