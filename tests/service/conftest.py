"""One Redis for all tests that need one, emptied for each."""

from collections.abc import Iterator

import pytest
from redis_process import RedisProcess


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path_factory.mktemp("redis"))
    yield process
    process.kill()


@pytest.fixture
def redis_process(_shared_redis: RedisProcess) -> RedisProcess:
    with _shared_redis.client() as client:
        client.flushall()
    return _shared_redis


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """One that the test may kill; it writes every commit to its append-only file at once."""
    folder = tmp_path_factory.mktemp("own-redis")
    process = RedisProcess(folder, "--appendonly", "yes", "--appendfsync", "always")
    yield process
    process.thaw()
    process.kill()
