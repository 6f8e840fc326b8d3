"""A running service for all tests of the client, and both clients behind one face."""

import contextlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from lapel_client import AsyncLapelClient, LapelClient

from api_schemas.card import CARD_KEY
from model.encoder import SHIPPED_MODEL, Encoder
from tests.conftest import REPOSITORY, _address
from tests.service.evidence.evidence_records import with_evidence

ADMIN_TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="session")
def service_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Feeds are taken only where URLs are on; what tests name lies on the loopback, which stays off.
    own = {
        "LAPEL_STORE": str(tmp_path_factory.mktemp("store")),
        "LAPEL_PORT": "0",
        "LAPEL_IMAGE_URLS": "on",
    }
    with served(own) as url:
        yield url


@pytest.fixture(scope="session")
def examiner_url(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose model has evidence figures, and whose model can be changed."""
    folder = tmp_path_factory.mktemp("examiner")
    own = {
        "LAPEL_STORE": str(folder / "store"),
        "LAPEL_PORT": "0",
        "LAPEL_ADMIN_TOKEN": ADMIN_TOKEN,
        "LAPEL_MODEL_PATH": str(_with_figures(encoder, folder / "model.onnx")),
    }
    with served(own) as url:
        yield url


def _with_figures(encoder: Encoder, path: Path) -> Path:
    if encoder.card.evidence is not None:
        return SHIPPED_MODEL
    onnx = pytest.importorskip("onnx")
    model = onnx.load(SHIPPED_MODEL)
    (entry,) = [entry for entry in model.metadata_props if entry.key == CARD_KEY]
    entry.value = with_evidence(encoder.card).model_dump_json()
    onnx.save(model, path)
    return path


@contextlib.contextmanager
def served(own: dict[str, str]) -> Iterator[str]:
    """The address of a service with these settings."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "serve"],
        cwd=REPOSITORY,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield _address(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class Blocking:
    """An asynchronous client with the methods of the other one."""

    def __init__(self, client: AsyncLapelClient, portal: BlockingPortal) -> None:
        self._client = client
        self._portal = portal

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if inspect.isasyncgenfunction(method):
                return [answer async for answer in method(*args, **kwargs)]
            return await method(*args, **kwargs)

        def blocking(*args: Any, **kwargs: Any) -> Any:
            return self._portal.call(lambda: call(*args, **kwargs))

        return blocking


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes clients of either kind, which have the same methods here, and closes them."""
    closing = []
    if request.param == "sync":

        def make_sync(url: str, **options: Any) -> LapelClient:
            client = LapelClient(url, **options)
            closing.append(client.close)
            return client

        yield make_sync
        for close in closing:
            close()
        return
    with start_blocking_portal() as portal:

        def make_async(url: str, **options: Any) -> Blocking:
            client = AsyncLapelClient(url, **options)
            closing.append(client.aclose)
            return Blocking(client, portal)

        yield make_async
        for close in closing:
            portal.call(close)


@pytest.fixture
def lapel(connect: Callable[..., Any], service_url: str) -> Any:
    return connect(service_url)


@pytest.fixture
def examiner(connect: Callable[..., Any], examiner_url: str) -> Any:
    return connect(examiner_url)
