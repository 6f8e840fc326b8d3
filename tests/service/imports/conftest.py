"""Open services that may fetch from this machine, and a server with pictures."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from service.services import Services, open_services
from service.settings import Settings
from tests.service.imports.picture_server import Pictures, serving_pictures


@pytest.fixture
def pictures(photo: Callable[[int], bytes]) -> Iterator[Pictures]:
    with serving_pictures(photo) as pictures:
        yield pictures


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    return settings.model_copy(update={"image_urls": "on", "image_url_loopback": True})


@pytest.fixture
async def services(allowing: Settings) -> AsyncIterator[Services]:
    async with open_services(allowing) as services:
        yield services
