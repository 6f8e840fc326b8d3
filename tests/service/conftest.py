"""One Redis, and one Cluster, for all tests that need one, emptied for each."""

from collections.abc import Iterator

import pytest
from redis_process import RedisProcess
from three_masters import ThreeMasters


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


@pytest.fixture(scope="session")
def _shared_masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeMasters]:
    cluster = ThreeMasters(tmp_path_factory.mktemp("three-masters"))
    yield cluster
    cluster.kill()


@pytest.fixture
def three_masters(_shared_masters: ThreeMasters) -> ThreeMasters:
    """A test may kill its nodes if it starts them again."""
    _shared_masters.wait_until_whole()
    _shared_masters.flush()
    return _shared_masters
