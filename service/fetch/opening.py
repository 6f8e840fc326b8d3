"""How the service fetches images, by its settings: not at all unless they allow it."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NoReturn

from service.errors import ImageUrlNotAllowed
from service.fetch.addresses import SystemResolver
from service.fetch.fetcher import MAX_BYTES, Fetcher, Limits
from service.fetch.targets import HostRule, Rules
from service.settings import Settings

Fetch = Callable[[str], Awaitable[bytes]]
"""From a URL to the bytes behind it; see `Fetcher.fetch`."""


@contextlib.asynccontextmanager
async def open_fetch(settings: Settings) -> AsyncIterator[Fetch]:
    """A way to fetch that lasts as long as the context."""
    if settings.image_urls == "off":
        yield refuse_urls
        return
    limits = Limits(
        max_bytes=min(MAX_BYTES, settings.max_image_bytes), together=settings.image_url_fetches
    )
    hosts = [HostRule.read(text) for text in settings.image_url_hosts.split(",") if text.strip()]
    rules = Rules(hosts, loopback=settings.image_url_loopback)
    resolver = SystemResolver(threads=limits.together)
    with contextlib.closing(resolver):
        async with Fetcher(rules, resolver, limits) as fetcher:
            yield fetcher.fetch


async def refuse_urls(url: str) -> NoReturn:
    """What fetches where URLs are off.

    Raises:
        ImageUrlNotAllowed: always.
    """
    raise ImageUrlNotAllowed(
        "this service fetches no images by URL; send the bytes, or have LAPEL_IMAGE_URLS set to on"
    )
