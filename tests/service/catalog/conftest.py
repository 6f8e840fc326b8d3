"""Each catalog in turn, behind one way of opening it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from catalog_samples import opened, opened_redis
from redis_process import RedisProcess

from service.catalog.redis import indexing, search
from service.catalog.store import Catalog


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


@pytest.fixture(params=["embedded", "redis", "redis in three parts", "redis through vector sets"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "embedded":
        folder = tmp_path / "new" / "folder"
        return Store(
            lambda *given, **more: opened(folder, *given, **more),
            lambda part: any(part in file.read_bytes() for file in folder.iterdir()),
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
