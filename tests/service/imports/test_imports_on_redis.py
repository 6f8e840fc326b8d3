"""The same on a real Redis: import, import again, a webhook's deletion."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from service.feeds.deliveries import Change
from service.feeds.opening import open_feed
from service.imports.changes import apply_change
from service.imports.records import ImportOptions
from service.imports.running import run_import
from service.imports.storing import Storing
from service.services import Services, open_services
from service.settings import Settings
from tests.service.imports.picture_server import Pictures

OPTIONS = ImportOptions("shop", "EUR")


async def imported(services: Services, feed: Path, options: ImportOptions) -> Counter[str]:
    counts: Counter[str] = Counter()
    with open_feed(feed, currency="EUR") as opened:
        async for step in run_import(opened, options, services.ingest, services.catalog):
            counts += step.counts
    return counts


async def test_imports_and_deletions_are_the_same_on_redis(
    redis_process, allowing: Settings, pictures: Pictures, tmp_path: Path
):
    feed = pictures.localised("woocommerce.csv", tmp_path)
    settings = allowing.model_copy(update={"store": redis_process.url})
    async with open_services(settings) as services:
        catalog = services.catalog
        first = await imported(services, feed, OPTIONS)
        assert first["created"] == await count(services) > 3
        pictures.asked.clear()
        again = await imported(services, feed, replace(OPTIONS, delete_missing=True))
        assert (again["unchanged"], again["deleted"], pictures.asked) == (first["created"], 0, [])
        lined = [one.id for one in await catalog.list("shop", None, 100)]
        of_product = [
            one.id
            for one in await catalog.list("shop", None, 100)
            if one.metadata.get("group") == "44"
        ]
        assert len(of_product) > 1
        gone = Change("44", "44", deleted=True)
        storing = Storing(services.ingest, catalog)
        dimension = services.card.embedding_dimension
        for _ in range(2):
            assert await apply_change(gone, "shop", storing, catalog, dimension) == []
        left = [one.id for one in await catalog.list("shop", None, 100)]
        assert left == [id for id in lined if id not in of_product]


async def count(services: Services) -> int:
    return (await services.catalog.catalogs())["shop"]
