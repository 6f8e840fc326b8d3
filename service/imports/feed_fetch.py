"""A feed by its URL: under the same rules as images, with room and time for a feed."""

import contextlib

from service.errors import FeedTooLarge, ImageTooLarge, ImageUrlNotAllowed
from service.fetch.addresses import SystemResolver
from service.fetch.fetcher import Fetcher, Limits
from service.fetch.targets import HostRule, Rules
from service.settings import Settings

TOTAL_S = 60.0


def require_urls(settings: Settings) -> None:
    """Refuse what cannot be stored: every image of a feed is a URL.

    Raises:
        ImageUrlNotAllowed: the settings allow none.
    """
    if settings.image_urls == "off":
        raise ImageUrlNotAllowed(
            "a feed names its images by URL, and this service fetches none; have LAPEL_IMAGE_URLS "
            "set to on"
        )


async def fetch_feed(url: str, settings: Settings) -> bytes:
    """The bytes of a feed, at most those of a request body.

    Raises:
        ImageUrlNotAllowed, ImageUrlUnreachable, ImageUrlTimeout: it cannot be had.
        FeedTooLarge: it should be uploaded as a file.
    """
    require_urls(settings)
    limits = Limits(max_bytes=settings.max_request_bytes, total_s=TOTAL_S)
    hosts = [HostRule.read(text) for text in settings.image_url_hosts.split(",") if text.strip()]
    rules = Rules(hosts, loopback=settings.image_url_loopback)
    resolver = SystemResolver(threads=1)
    with contextlib.closing(resolver):
        async with Fetcher(rules, resolver, limits) as fetcher:
            try:
                return await fetcher.fetch(url)
            except ImageTooLarge as exc:
                raise FeedTooLarge(
                    f"the feed at the URL has more than {limits.max_bytes} bytes; upload it as a "
                    "file, gzip or not"
                ) from exc
