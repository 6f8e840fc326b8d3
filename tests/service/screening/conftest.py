"""A service whose model has evidence figures."""

from collections.abc import AsyncIterator

import pytest
from screening_samples import card_with_evidence

from model import encoder
from service.services import Services, open_services
from service.settings import Settings


@pytest.fixture
def _evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    card = card_with_evidence()
    monkeypatch.setattr(encoder, "_read_card", lambda session, path: card)


@pytest.fixture(params=["embedded", "redis"])
def stored_in(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The settings, for each kind of store."""
    if request.param == "embedded":
        return settings
    url = request.getfixturevalue("redis_process").url
    folder = settings.store
    return settings.model_copy(update={"store": url, "screens_folder": f"{folder}-screens"})


@pytest.fixture
async def services(_evidence: None, stored_in: Settings) -> AsyncIterator[Services]:
    async with open_services(stored_in) as services:
        yield services
