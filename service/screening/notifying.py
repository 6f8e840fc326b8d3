"""Notifications: signed, sent to public addresses alone, tried again a bounded number of times.

An address is checked as an image's is, when the connection is made: what a name means may have
changed since the screen was asked for. No redirect is followed.
"""

import asyncio
import base64
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

import httpcore
from pydantic import SecretStr

from service.errors import ImageUrlNotAllowed, ServiceError
from service.fetch.addresses import Resolver, SystemResolver
from service.fetch.connecting import CheckedBackend
from service.fetch.targets import HostRule, Rules
from service.screening.ledger import ScreenLedger
from service.screening.outbox import Notification
from service.screening.refusals import NotifyNotAllowed
from service.settings import Settings

logger = logging.getLogger(__name__)

SIGNATURE: Final = "X-Lapel-Hmac-Sha256"
DELIVERY: Final = "X-Lapel-Delivery"
EVENT: Final = "X-Lapel-Event"
TOTAL_S: Final = 10.0
MAX_ATTEMPTS: Final = 10
FIRST_PAUSE_S: Final = 5.0
"""Before the second attempt; each pause is twice the one before: 43 minutes in all."""
GONE: Final = 410


class SendError(Exception):
    """A notification did not arrive.

    Attributes:
        final: whether trying again is of no use.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Notifier:
    """Sends; closed by `open_notifier`.

    Args:
        rules: where to.
        resolve: looks names up.
        secret: signs.
    """

    def __init__(self, rules: Rules, resolve: Resolver, secret: SecretStr) -> None:
        self._rules = rules
        self._secret = secret.get_secret_value().encode()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpcore.default_ssl_context(),
            keepalive_expiry=0.0,
            network_backend=CheckedBackend(rules, resolve),
        )

    def check(self, url: str) -> None:
        """Refuse what will never be sent to.

        Raises:
            NotifyNotAllowed: saying what about the URL is not allowed.
        """
        try:
            self._rules.target(url)
        except ImageUrlNotAllowed as exc:
            raise NotifyNotAllowed(exc.detail) from exc

    async def send(self, url: str, body: bytes, key: str) -> None:
        """Send one notification.

        Args:
            url: where to.
            body: JSON; signed as it is.
            key: the same for a notification and its repetitions.

        Raises:
            SendError: no answer says that it arrived.
        """
        try:
            async with asyncio.timeout(TOTAL_S):
                status = await self._answered(url, body, key)
        except (TimeoutError, httpcore.TimeoutException) as exc:
            raise SendError(f"no answer within {TOTAL_S:g} s") from exc
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as exc:
            raise SendError("it takes no connection, or breaks it off") from exc
        except ServiceError as exc:
            raise SendError(exc.detail) from exc
        if not 200 <= status < 300:
            raise SendError(f"it answers {status}", final=status == GONE)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _answered(self, url: str, body: bytes, key: str) -> int:
        target = self._rules.target(url)
        address = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path.encode(),
        )
        headers = [
            ("Host", target.authority),
            ("User-Agent", "Lapel"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            (EVENT, "screen.findings"),
            (DELIVERY, key),
            (SIGNATURE, signature(self._secret, body)),
        ]
        limits = dict.fromkeys(("connect", "read", "write", "pool"), TOTAL_S)
        async with self._pool.stream(
            "POST", address, headers=headers, content=body, extensions={"timeout": limits}
        ) as response:
            return response.status  # the body is of no interest, and may have any length


def signature(secret: bytes, body: bytes) -> str:
    """Base64 of the HMAC-SHA256 of the body's very bytes."""
    return base64.b64encode(hmac.digest(secret, body, "sha256")).decode()


class Sending:
    """Sends what the ledger says is due.

    Args:
        ledger: holds the notifications.
        notifier: None where no secret is set; then what waits stays.
    """

    def __init__(self, ledger: ScreenLedger, notifier: Notifier | None) -> None:
        self._ledger = ledger
        self._notifier = notifier

    async def next(self) -> float | None:
        """Send one; seconds until there may be another, None where none waits."""
        if self._notifier is None:
            return None
        found = await asyncio.to_thread(self._ledger.outbox.next, time.time())
        if found is not None:
            await self._send(found, self._notifier)
            return 0.0
        due = await asyncio.to_thread(self._ledger.outbox.next_due)
        return None if due is None else max(0.05, due - time.time())

    async def _send(self, found: Notification, notifier: Notifier) -> None:
        screen = await asyncio.to_thread(self._ledger.screen, found.screen)
        notify = screen.request.notify if screen is not None else None
        if notify is None:
            await asyncio.to_thread(self._ledger.outbox.sent, found.number)
            return
        try:
            await notifier.send(notify.url, found.body, found.key)
        except SendError as exc:
            await self._failed(found, exc)
        else:
            await asyncio.to_thread(self._ledger.outbox.sent, found.number)

    async def _failed(self, found: Notification, exc: SendError) -> None:
        attempts = found.attempts + 1
        if exc.final or attempts >= MAX_ATTEMPTS:
            text = f"notification {found.key} was given up after {attempts} attempts: {exc}"
            logger.warning("screen %s: %s", found.screen, text)
            await asyncio.to_thread(self._ledger.note, found.screen, text)
            await asyncio.to_thread(self._ledger.outbox.sent, found.number)
            return
        due = time.time() + FIRST_PAUSE_S * 2**found.attempts
        await asyncio.to_thread(self._ledger.outbox.put_off, found.number, due)


@contextlib.asynccontextmanager
async def open_notifier(settings: Settings) -> AsyncIterator[Notifier | None]:
    """A way to send, that lasts as long as the context; None where no secret is set."""
    if not settings.screen_webhook_secret.get_secret_value():
        yield None
        return
    texts = settings.screen_webhook_hosts.split(",")
    hosts = [HostRule.read(text) for text in texts if text.strip()]
    rules = Rules(hosts, loopback=settings.image_url_loopback)
    resolver = SystemResolver(threads=1)
    with contextlib.closing(resolver):
        notifier = Notifier(rules, resolver, settings.screen_webhook_secret)
        try:
            yield notifier
        finally:
            await notifier.close()
