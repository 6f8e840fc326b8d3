"""Each catalog in turn, behind one way of opening it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from catalog_samples import opened, opened_redis
from redis_process import RedisProcess
from three_masters import ThreeMasters

from service.catalog.redis import indexing, search
from service.catalog.store import Catalog

NOT_IN_A_CLUSTER = {"test_searches_during_writes_see_whole_batches_and_their_own_past"}
"""What is promised part by part there; test_redis_on_a_cluster.py holds what is."""


class Store:
    """A place for a catalog, which may be opened again and again."""

    def __init__(
        self,
        opens: Callable[..., AbstractAsyncContextManager[Catalog]],
        holds: Callable[[bytes], bool],
    ) -> None:
        self._opens = opens
        self.holds = holds
        """Whether these bytes lie anywhere in it."""

    def __call__(self, *given: Any, **more: Any) -> AbstractAsyncContextManager[Catalog]:
        return self._opens(*given, **more)


@pytest.fixture(
    params=["embedded", "redis", "redis in three parts", "redis through vector sets", "cluster"]
)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "embedded":
        folder = tmp_path / "new" / "folder"
        return Store(
            lambda *given, **more: opened(folder, *given, **more),
            lambda part: any(part in file.read_bytes() for file in folder.iterdir()),
        )
    if request.param == "cluster":
        if request.function.__name__ in NOT_IN_A_CLUSTER:
            pytest.skip("no step spans two nodes")
        cluster: ThreeMasters = request.getfixturevalue("three_masters")
        return Store(
            lambda *given, **more: opened_redis(cluster.url, *given, partitions=3, **more),
            cluster.holds,
        )
    process: RedisProcess = request.getfixturevalue("redis_process")
    if request.param == "redis through vector sets":
        monkeypatch.setattr(search, "FEW", 0)
        monkeypatch.setattr(indexing, "FEW", 0)
    partitions = 3 if request.param == "redis in three parts" else 1
    return Store(
        lambda *given, **more: opened_redis(process.url, *given, partitions=partitions, **more),
        process.holds,
    )


@pytest.fixture
def few(monkeypatch):
    """Parts of more than forty garments are searched through their vector sets."""
    monkeypatch.setattr(search, "FEW", 40)
    monkeypatch.setattr(indexing, "FEW", 40)
