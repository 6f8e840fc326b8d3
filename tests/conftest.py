"""What several test files share: the shipped model, pictures, and the service in two forms.

`client` talks to the application in this process; `start_server` runs the real one.
"""

import contextlib
import functools
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from model.drawings import draw, random_design
from model.encoder import SHIPPED_MODEL, Encoder
from service.app import create_app
from service.settings import Settings

REPOSITORY = Path(__file__).parent.parent
START_TIMEOUT_S = 60


def pytest_configure() -> None:
    """Give each worker a core of its own, and with it all that it starts.

    Two workers that each compute with all cores get in each other's way at every layer.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LAPEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder.load(SHIPPED_MODEL)


@pytest.fixture(scope="session")
def photo() -> Callable[[int], bytes]:
    """A drawn garment for each number, as a small PNG, always the same one."""

    @functools.cache
    def make(number: int) -> bytes:
        rng = np.random.default_rng(number)
        file = io.BytesIO()
        draw(random_design(rng), size=96, rng=rng).save(file, "PNG")
        return file.getvalue()

    return make


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", batch_wait_ms=0, bulk_commit_lines=4)


@contextlib.asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://lapel") as client,
    ):
        yield client


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings)) as client:
        yield client


@dataclass
class Server:
    """The service in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers on `tmp_path / "store"`, and ends them with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(**settings: object) -> Server:
        values = {"store": tmp_path / "store", "port": 0, **settings}
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", "serve"],
            cwd=REPOSITORY,
            env=os.environ | {f"LAPEL_{k.upper()}": str(v) for k, v in values.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        return Server(process, _address(process))

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _address(process: subprocess.Popen[str]) -> str:
    """The address that the server says it listens on; its further output is read and dropped."""
    assert process.stdout is not None
    giving_up = threading.Timer(START_TIMEOUT_S, process.kill)
    giving_up.start()
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"answers at (http://\S+)", line):
                threading.Thread(target=_drain, args=(process,), daemon=True).start()
                return found[1]
    finally:
        giving_up.cancel()
    raise AssertionError("the server did not start:\n" + "".join(said))


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    with contextlib.suppress(ValueError):  # closed by the fixture
        for _ in process.stdout:
            pass
