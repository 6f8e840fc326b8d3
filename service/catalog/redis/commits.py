"""Who else commits, and whether Redis is there: one subscription, kept up in the background.

Every commit is told on a channel by the name of the process that made it. A process counts its
own commits itself, before they are answered, and those of others when it is told. While it
cannot be told, every look at the version says something new, so that nobody trusts what was read
before.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import ClusterDownError
from redis.exceptions import ConnectionError as RedisConnectionError

from service.catalog.redis.keys import CHANNEL
from service.catalog.store import StoreError
from service.redis_server import FAILURES, Server
from service.stopping import stop

logger = logging.getLogger(__name__)

QUIET_S = 0.5
"""After so long without a word, the connection is asked for a sign of life."""
PATIENCE_S = 2.0
"""Without one within so long, Redis counts as away."""
RETRY_S = 0.2


class Commits:
    """Counts commits and watches the server, between `start` and `stop`."""

    def __init__(self, server: Server) -> None:
        self.name = uuid.uuid4().hex
        """Under which this process tells of its commits."""
        self._server = server
        self._version = 0
        self._listening = False
        self._watch: asyncio.Task[None] | None = None
        self._keys: Sequence[str] = ()

    @property
    def version(self) -> int:
        """See `Catalog.version`."""
        if not self._listening:
            self._version += 1
        return self._version

    @property
    def away(self) -> bool:
        """Whether Redis did not answer the last time it was asked."""
        return not self._listening

    async def start(self, keys: Sequence[str]) -> None:
        """Listen.

        Args:
            keys: in a Cluster, whoever holds one of them must be there.

        Raises:
            FAILURES: Redis is not there.
        """
        self._keys = keys
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watch = asyncio.create_task(self._listen_on(started), name="redis-commits")
        await started

    async def stop(self) -> None:
        """Stop listening; calling it again does nothing."""
        if self._watch is not None:
            await stop(self._watch)

    def committed(self) -> None:
        """This process has committed; it will not be told."""
        self._version += 1

    def uncertain(self) -> None:
        """A write of this process failed, and may be done yet: let its word count when it comes."""
        self.name = uuid.uuid4().hex
        self._version += 1

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what Redis says into the catalog's errors.

        After a broken connection Redis counts as away until it has answered again.
        """
        try:
            yield
        except FAILURES as exc:
            if isinstance(exc, RedisConnectionError | ClusterDownError | ConnectionError):
                self._broken(exc)
            raise StoreError(f"{self._server.shown}: {str(exc) or type(exc).__name__}") from exc

    async def _listen_on(self, started: "asyncio.Future[None]") -> None:
        while True:
            try:
                async with self._server.subscribed(CHANNEL) as subscription:
                    await self._check()
                    self._version += 1
                    self._listening = True
                    if started.done():
                        logger.warning("%s is back", self._server.shown)
                    else:
                        started.set_result(None)
                    await self._follow_and_check(subscription)
            except Exception as exc:  # whatever it is, a watch that ends would never end the outage
                if not started.done():
                    started.set_exception(exc)
                    return
                self._broken(exc)
            self._listening = False
            await asyncio.sleep(RETRY_S)

    async def _follow_and_check(self, subscription: Any) -> None:
        checking = asyncio.create_task(self._check_on(), name="redis-nodes")
        try:
            await self._follow(subscription)
        finally:
            await stop(checking)

    async def _check_on(self) -> None:
        """See `Server.check`."""
        while self._listening:
            await asyncio.sleep(QUIET_S)
            try:
                await self._check()
            except Exception as exc:  # see `_listen_on`
                self._broken(exc)

    async def _check(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._server.check(self._keys)

    async def _follow(self, subscription: Any) -> None:
        """Count until the connection breaks or somebody says that another one broke."""
        asked = False
        while self._listening:
            message = await subscription.get_message(
                ignore_subscribe_messages=True, timeout=PATIENCE_S if asked else QUIET_S
            )
            if message is None and asked:
                raise TimeoutError(f"no sign of life for {PATIENCE_S} s")
            if message is None:
                await subscription.ping()
            elif message["type"] == "message" and message["data"] != self.name.encode():
                self._version += 1
            asked = message is None

    def _broken(self, exc: Exception) -> None:
        if self._listening:
            logger.warning("%s is away: %s", self._server.shown, str(exc) or "no sign of life")
        self._listening = False
