"""Connections to addresses that were checked, under the name that was asked for.

The name is looked up once for each connection, and the connection is made to one of the very
addresses that were checked: an answer that changes a moment later changes nothing. Host header
and certificate still go by the name.
"""

import asyncio
import logging
from collections.abc import Iterable

import httpcore

from service.errors import ImageUrlNotAllowed, ImageUrlUnreachable
from service.fetch.addresses import Resolver, is_literal
from service.fetch.targets import Rules

logger = logging.getLogger(__name__)

MAX_TRIED = 4
"""Addresses of one name that are tried, one after the other."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens the sockets of a connection pool.

    Args:
        rules: say which addresses are allowed.
        resolve: looks names up.
    """

    def __init__(self, rules: Rules, resolve: Resolver) -> None:
        self._rules = rules
        self._resolve = resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  -- httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the host up, check all its addresses, and connect to the first that answers.

        Raises:
            ImageUrlNotAllowed: one of its addresses is not allowed, so that the others count
                for nothing.
            ImageUrlUnreachable: the name has no address.
            ConnectTimeout, ConnectError: as httpcore has them.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        addresses = await self._checked(host, timeout)
        for left in range(len(addresses), 0, -1):
            # What is left of the time is shared, so that one dead address cannot use it up.
            share = None if timeout is None else max(0.0, timeout - loop.time() + begun) / left
            try:
                return await self._sockets.connect_tcp(
                    addresses[-left], port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
        raise httpcore.ConnectError("no address left")

    async def _checked(self, host: str, limit_s: float | None) -> list[str]:
        addresses = [host] if is_literal(host) else await self._look_up(host, limit_s)
        for address in addresses:
            if not self._rules.allows_address(address):
                logger.warning("image URL refused: %s has the address %s", host, address)
                # Not the address: a caller need not learn what names mean inside.
                raise ImageUrlNotAllowed(f"host {host!r} is not on the public internet")
        return addresses[:MAX_TRIED]

    async def _look_up(self, name: str, limit_s: float | None) -> list[str]:
        try:
            async with asyncio.timeout(limit_s):
                addresses = await self._resolve(name)
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout("looking the name up took too long") from exc
        except OSError:
            addresses = []
        if not addresses:
            raise ImageUrlUnreachable(f"host {name!r} has no address")
        return addresses
