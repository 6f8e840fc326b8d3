import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.catalog.sqlite import DATABASE
from service.catalog.store import GarmentRecord, StoreError
from service.errors import StoreUnavailable
from service.feeds.opening import open_feed
from service.feeds.records import FeedError, Product
from service.imports import running
from service.imports.records import EmptyFeedError, Fault, ImportOptions
from service.imports.running import run_import
from service.imports.storing import Storing
from service.new_garment import NewGarment
from service.services import Services, open_services
from service.settings import Settings
from tests.service.imports.picture_server import Pictures

FIXTURES = (
    "shopify.csv",
    "shopify_legacy.csv",
    "google.tsv",
    "google_rss.xml",
    "google_atom.xml",
    "woocommerce.csv",
    "schema_org.json",
    "schema_org.ndjson",
)
OPTIONS = ImportOptions("shop", currency="EUR")


async def imported(
    services: Services,
    feed: Path,
    options: ImportOptions = OPTIONS,
    into: list[Fault] | None = None,
    **more: object,
) -> tuple[Counter[str], list[Fault]]:
    """What an import did; its faults also go `into` a list, for imports that fail."""
    counts: Counter[str] = Counter()
    faults: list[Fault] = [] if into is None else into
    with open_feed(feed, currency=options.currency) as opened:
        steps = run_import(opened, options, services.ingest, services.catalog, **more)  # type: ignore[arg-type]
        async for step in steps:
            counts += step.counts
            faults += step.faults
    return counts, faults


async def stored(services: Services, catalog: str = "shop") -> dict[str, GarmentRecord]:
    return {one.id: one for one in await services.catalog.list(catalog, None, 1000)}


def products_of(feed: Path) -> dict[str, Product]:
    with open_feed(feed, currency="EUR") as opened:
        return {entry.id: entry for entry in opened if isinstance(entry, Product)}


def table(pictures: Pictures, folder: Path, *rows: Sequence[object]) -> Path:
    """A Google text feed: id, title, image path, price, further image paths."""
    lines = ["id\ttitle\timage_link\tprice\tadditional_image_link"]
    for id, title, image, price, *others in rows:
        urls = ",".join(pictures.url(str(path)) for path in others)
        lines.append(f"{id}\t{title}\t{pictures.url(str(image))}\t{price}\t{urls}")
    file = folder / "feed.tsv"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize("fixture", FIXTURES)
async def test_every_format_is_stored_and_a_second_import_fetches_and_changes_nothing(
    services: Services, pictures: Pictures, tmp_path: Path, fixture: str
):
    feed = pictures.localised(fixture, tmp_path)
    products = products_of(feed)
    counts, _ = await imported(services, feed)
    assert counts["created"] == len(products) > 0
    first = await stored(services)
    assert first.keys() == products.keys()
    for id, product in products.items():
        metadata = first[id].metadata
        own = {"title": product.title, "images": list(product.images), "image": product.images[0]}
        own |= {"group": product.group} if product.group else {}
        assert metadata == {**product.metadata, **own}
        path = product.images[0].removeprefix(pictures.url(""))
        assert await services.catalog.image("shop", id) == pictures.body(path)

    pictures.asked.clear()
    again, _ = await imported(services, feed)
    assert pictures.asked == []
    assert again["unchanged"] == len(products)
    assert again["created"] == again["updated"] == again["replaced"] == again["fetched"] == 0
    assert {id: r.updated_at for id, r in (await stored(services)).items()} == {
        id: r.updated_at for id, r in first.items()
    }


async def test_new_metadata_are_written_without_fetching_and_keep_image_and_vectors(
    services: Services, pictures: Pictures, tmp_path: Path
):
    await imported(services, table(pictures, tmp_path, ("a", "Shirt", "/1", "10 EUR")))
    before = (await stored(services))["a"]
    pictures.asked.clear()
    counts, _ = await imported(services, table(pictures, tmp_path, ("a", "Shirt", "/1", "8 EUR")))
    after = (await stored(services))["a"]
    assert (counts["updated"], pictures.asked) == (1, [])
    assert (before.metadata["price"], after.metadata["price"]) == (10.0, 8.0)
    assert (after.vectors == before.vectors).all()
    assert await services.catalog.image("shop", "a") == pictures.body("/1")


async def test_a_new_address_is_fetched_and_refetch_fetches_all(
    services: Services, pictures: Pictures, tmp_path: Path
):
    await imported(services, table(pictures, tmp_path, ("a", "A", "/1", 1), ("b", "B", "/2", 1)))
    pictures.asked.clear()
    feed = table(pictures, tmp_path, ("a", "A", "/3", 1), ("b", "B", "/2", 1))
    counts, _ = await imported(services, feed)
    assert (counts["replaced"], counts["unchanged"], pictures.asked) == (1, 1, ["/3"])
    assert await services.catalog.image("shop", "a") == pictures.body("/3")
    pictures.asked.clear()
    await imported(services, feed, replace(OPTIONS, refetch=True))
    assert sorted(pictures.asked) == ["/2", "/3"]


async def test_the_next_image_stands_in_for_a_main_image_that_fails_until_it_is_back(
    services: Services, pictures: Pictures, tmp_path: Path
):
    pictures.gone.add("/main")
    pictures.bodies["/text"] = b"no image"
    feed = table(pictures, tmp_path, ("a", "A", "/main", 1, "/text", "/third", "/fourth"))
    counts, faults = await imported(services, feed)
    assert counts == {"created": 1, "fetched": 3}
    assert [(f.number, f.id, f.column, f.code) for f in faults] == [
        (2, "a", "images", "image_url_unreachable"),
        (2, "a", "images", "invalid_image"),
    ]
    assert pictures.url("/main") in faults[0].message
    assert (await stored(services))["a"].metadata["image"] == pictures.url("/third")

    pictures.asked.clear()
    counts, _ = await imported(services, feed)
    assert (counts["unchanged"], pictures.asked) == (1, ["/main", "/text"])
    pictures.gone.clear()
    counts, faults = await imported(services, feed)
    assert (counts["replaced"], faults) == (1, [])
    assert (await stored(services))["a"].metadata["image"] == pictures.url("/main")


async def test_a_product_without_any_usable_image_fails_alone(
    services: Services, pictures: Pictures, tmp_path: Path
):
    pictures.gone |= {"/1", "/2", "/3"}
    feed = table(
        pictures, tmp_path, ("a", "A", "/1", 1, "/2", "/3", "/4"), ("b", "B", "/5", "cheap")
    )
    counts, faults = await imported(services, feed)
    assert counts == {"created": 1, "failed": 1, "fetched": 4}
    assert (await stored(services)).keys() == {"b"}
    assert [(f.id, f.column, f.code) for f in faults] == [
        (None, "price", "value_unreadable"),
        *[("a", "images", "image_url_unreachable")] * 3,
    ]


async def test_the_second_product_of_an_id_is_refused(
    services: Services, pictures: Pictures, tmp_path: Path
):
    rows = [("a", "A", "/1", 1), ("b", "B", "/2", 1), ("a", "Other", "/3", 2)]
    feed = table(pictures, tmp_path, *rows)
    for _ in range(2):
        counts, faults = await imported(services, feed)
        assert counts["failed"] == 1
        assert [(f.number, f.id, f.code) for f in faults] == [(4, "a", "duplicate_id")]
        assert (await stored(services))["a"].metadata["title"] == "A"


@pytest.mark.parametrize("together", [1, 2])
async def test_an_import_that_was_stopped_goes_on_without_fetching_again(
    services: Services,
    pictures: Pictures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    together: int,
):
    monkeypatch.setattr(running, "TOGETHER", together)
    feed = table(pictures, tmp_path, *[(f"g{n}", "T", f"/{n}", 1) for n in range(7)])
    entries = 0
    with open_feed(feed, currency="EUR") as opened:
        steps = run_import(opened, OPTIONS, services.ingest, services.catalog)
        while len(await stored(services)) < 4:
            entries = (await anext(steps)).entries
        await steps.aclose()
    done = await stored(services)
    assert 4 <= len(done) < 7
    counts, _ = await imported(services, feed, skip=entries)
    assert (counts["created"], counts["unchanged"]) == (7 - len(done), len(done) - entries)
    counts, _ = await imported(services, feed)
    assert counts["unchanged"] == 7
    for id in done:
        assert pictures.asked.count(id.replace("g", "/")) == 1


async def test_a_step_is_on_disk_when_it_is_told(
    services: Services, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(running, "TOGETHER", 2)
    feed = table(pictures, tmp_path, *[(f"g{n}", "T", f"/{n}", 1) for n in range(5)])
    with open_feed(feed) as opened:
        steps = run_import(opened, OPTIONS, services.ingest, services.catalog)
        seen = [len(await stored(services)) async for _ in steps]
    assert all(count >= told for count, told in zip(seen, (2, 4, 5), strict=True))


async def test_what_the_feed_does_not_have_is_deleted_if_an_import_stored_it(
    services: Services, pictures: Pictures, tmp_path: Path
):
    await imported(services, table(pictures, tmp_path, ("a", "A", "/1", 1), ("b", "B", "/2", 1)))
    own = NewGarment("own", pictures.body("/1"), {"title": "by hand"})
    await services.ingest.put("shop", [own])
    await asyncio.sleep(0.01)  # garments are older by a millisecond at least
    feed = table(pictures, tmp_path, ("b", "B", "/2", 1))
    counts, _ = await imported(services, feed)
    assert (counts["deleted"], (await stored(services)).keys()) == (0, {"a", "b", "own"})
    options = replace(OPTIONS, delete_missing=True)
    early, _ = await imported(services, feed, options, since="2000-01-01T00:00:00.000+00:00")
    assert early["deleted"] == 0
    planned, _ = await imported(services, feed, options, dry_run=True)
    assert (planned["deleted"], (await stored(services)).keys()) == (1, {"a", "b", "own"})
    counts, _ = await imported(services, feed, options)
    assert (counts["deleted"], (await stored(services)).keys()) == (1, {"b", "own"})
    skipped, _ = await imported(services, feed, options, skip=1)
    assert (skipped["deleted"], (await stored(services)).keys()) == (0, {"b", "own"})


async def test_nothing_is_deleted_when_a_row_was_lost_or_the_feed_broke_off(
    services: Services, pictures: Pictures, tmp_path: Path
):
    await imported(services, table(pictures, tmp_path, ("a", "A", "/1", 1)))
    await asyncio.sleep(0.01)
    options = replace(OPTIONS, delete_missing=True)
    feed = table(pictures, tmp_path, ("b", "B", "/2", 1))
    feed.write_text(feed.read_text() + "\nc\tno image\n")
    for skip in (0, 2):
        counts, faults = await imported(services, feed, options, skip=skip)
        assert counts["deleted"] == 0
        assert faults[-1].code == "nothing_deleted"
    broken = tmp_path / "broken.xml"
    item = f"<item><id>c</id><title>C</title><image_link>{pictures.url('/3')}</image_link></item>"
    broken.write_text(f"<rss><channel>{item}{item.replace('>c<', '>d<')}<item><id>e</id>")
    with pytest.raises(FeedError):
        await imported(services, broken, options)
    assert (await stored(services)).keys() >= {"a", "b", "c"}


@pytest.mark.parametrize(
    "content",
    [
        '{"error": "rate limited"}',
        "[]",
        "id\ttitle\timage_link\tprice\n",
        "Handle,Title,Image Src\n",
        "ID,Name,Images\n",
        "<rss><channel></channel></rss>",
        "id\ttitle\timage_link\nc\tno image\n",
    ],
)
async def test_a_feed_without_a_product_deletes_nothing_and_says_so(
    services: Services, pictures: Pictures, tmp_path: Path, content: str
):
    rows = [("a", "A", "/1", 1), ("b", "B", "/2", 1)]
    await imported(services, table(pictures, tmp_path, *rows))
    await asyncio.sleep(0.01)
    empty = tmp_path / "empty"
    empty.write_text(content)
    options = replace(OPTIONS, delete_missing=True)
    for dry_run in (True, False):
        faults: list[Fault] = []
        with pytest.raises(EmptyFeedError, match="nothing was deleted"):
            await imported(services, empty, options, into=faults, dry_run=dry_run)
        assert faults[-1].code == "nothing_deleted"
        assert (await stored(services)).keys() == {"a", "b"}
    counts, _ = await imported(services, empty)
    assert +counts == {"failed": 1} if "no image" in content else not +counts
    # Products that an earlier run has dealt with are products too.
    counts, faults = await imported(services, table(pictures, tmp_path, rows[0]), options, skip=1)
    assert (counts, faults) == ({"deleted": 1}, [])


async def test_a_dry_run_counts_what_the_import_then_does(
    services: Services, pictures: Pictures, tmp_path: Path
):
    await imported(services, table(pictures, tmp_path, ("a", "A", "/1", 1), ("b", "B", "/2", 1)))
    pictures.asked.clear()
    rows = [("a", "A", "/9", 1), ("b", "B", "/2", 2), ("c", "C", "/3", 1), ("c", "C", "/3", 1)]
    feed = table(pictures, tmp_path, *rows)
    before = await stored(services)
    planned, _ = await imported(services, feed, dry_run=True)
    assert pictures.asked == []
    assert {id: r.metadata for id, r in (await stored(services)).items()} == {
        id: r.metadata for id, r in before.items()
    }
    done, _ = await imported(services, feed)
    assert planned == done
    assert done == {"created": 1, "replaced": 1, "updated": 1, "failed": 1, "fetched": 2}


async def test_a_store_that_is_away_stops_the_import_and_blames_no_product(
    services: Services, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(catalog: str, garments: Sequence[GarmentRecord]) -> list[bool]:
        raise StoreError("gone")

    feed = table(pictures, tmp_path, ("a", "A", "/1", 1))
    with monkeypatch.context() as away:
        away.setattr(services.catalog, "put", refuse)
        with pytest.raises(StoreUnavailable):
            await imported(services, feed)
    counts, faults = await imported(services, feed)
    assert (counts["created"], faults) == (1, [])


async def test_a_stored_image_that_another_model_cannot_use_is_followed_by_the_next(
    allowing: Settings, pictures: Pictures, tmp_path: Path
):
    feed = table(pictures, tmp_path, ("a", "A", "/1", 1, "/2"))
    async with open_services(allowing) as services:
        await imported(services, feed)
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / DATABASE)) as database, database:
        database.execute("UPDATE vectors SET fingerprint = 'another'")
        database.execute("UPDATE images SET bytes = x'00'")
    async with open_services(allowing) as services:
        counts, faults = await imported(services, feed)
        after = await stored(services)
    assert counts == {"replaced": 1, "fetched": 1}
    assert [fault.code for fault in faults] == ["invalid_image"]
    assert after["a"].metadata["image"] == pictures.url("/2")


async def test_garments_of_another_model_are_embedded_anew_from_their_stored_images(
    allowing: Settings, pictures: Pictures, tmp_path: Path
):
    feed = table(pictures, tmp_path, ("a", "A", "/1", 1), ("b", "B", "/2", 1))
    async with open_services(allowing) as services:
        await imported(services, feed)
        before = await stored(services)
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / DATABASE)) as database, database:
        database.execute("UPDATE vectors SET fingerprint = 'another'")
        database.execute("DELETE FROM images WHERE number = 2")
    pictures.asked.clear()
    async with open_services(allowing) as services:
        counts, _ = await imported(services, feed)
        after = await stored(services)
    assert (counts["replaced"], counts["fetched"], pictures.asked) == (2, 1, ["/2"])
    for id in ("a", "b"):
        assert not after[id].stale
        # How many images go through the network together may change the last digit.
        assert np.abs(after[id].vectors - before[id].vectors).max() < 2e-3


async def test_several_images_are_stored_in_order_and_a_second_import_fetches_none(
    services: Services, pictures: Pictures, tmp_path: Path
):
    feed = table(pictures, tmp_path, ("a", "A", "/1", 1, "/2", "/3", "/4"), ("b", "B", "/5", 1))
    options = replace(OPTIONS, images_per_product=3)
    planned, _ = await imported(services, feed, options, dry_run=True)
    counts, faults = await imported(services, feed, options)
    assert counts == planned == {"created": 2, "fetched": 4}
    assert faults == []
    garments = await stored(services)
    addresses = [pictures.url(path) for path in ("/1", "/2", "/3")]
    assert garments["a"].metadata["stored_images"] == addresses
    assert garments["a"].metadata["image"] == addresses[0]
    assert garments["a"].metadata["images"] == [*addresses, pictures.url("/4")]
    assert "stored_images" not in garments["b"].metadata
    for index, path in enumerate(("/1", "/2", "/3")):
        assert await services.catalog.image("shop", "a", index) == pictures.body(path)
    pictures.asked.clear()
    again, _ = await imported(services, feed, options)
    assert (again, pictures.asked) == ({"unchanged": 2}, [])
    dearer = table(pictures, tmp_path, ("a", "A", "/1", 2, "/2", "/3", "/4"), ("b", "B", "/5", 1))
    again, _ = await imported(services, dearer, options)
    assert (again, pictures.asked) == ({"updated": 1, "unchanged": 1}, [])
    after = (await stored(services))["a"]
    assert after.sha256s == garments["a"].sha256s
    assert (after.further[1].vectors == garments["a"].further[1].vectors).all()


async def test_images_that_come_go_and_move_are_followed_and_only_new_ones_are_fetched(
    services: Services, pictures: Pictures, tmp_path: Path
):
    three = replace(OPTIONS, images_per_product=3)
    await imported(services, table(pictures, tmp_path, ("a", "A", "/1", 1, "/2", "/3")), three)

    async def then(*paths: str, options: ImportOptions = three) -> tuple[Counter[str], list[str]]:
        pictures.asked.clear()
        main, *others = paths
        feed = table(pictures, tmp_path, ("a", "A", main, 1, *others))
        planned, _ = await imported(services, feed, options, dry_run=True)
        counts, _ = await imported(services, feed, options)
        assert counts == planned
        here = paths[: options.images_per_product]
        for index, path in enumerate(here):
            assert await services.catalog.image("shop", "a", index) == pictures.body(path)
        assert len((await stored(services))["a"].sha256s) == len(here)
        return counts, pictures.asked

    assert await then("/3", "/1", "/2") == ({"replaced": 1}, [])
    assert await then("/3", "/4", "/2") == ({"replaced": 1, "fetched": 1}, ["/4"])
    assert await then("/4", "/2") == ({"replaced": 1}, [])
    assert await then("/4", "/2", options=OPTIONS) == ({"replaced": 1}, [])
    assert await then("/4", "/2") == ({"replaced": 1, "fetched": 1}, ["/2"])


async def test_a_further_image_that_fails_is_left_out_and_asked_for_again(
    services: Services, pictures: Pictures, tmp_path: Path
):
    options = replace(OPTIONS, images_per_product=4)
    pictures.gone.add("/2")
    pictures.bodies["/4"] = b"no image"
    feed = table(pictures, tmp_path, ("a", "A", "/1", 1, "/2", "/3", "/4"))
    counts, faults = await imported(services, feed, options)
    assert counts == {"created": 1, "fetched": 4}
    assert [(f.id, f.column, f.code) for f in faults] == [
        ("a", "images", "image_url_unreachable"),
        ("a", "images", "invalid_image"),
    ]
    assert faults[0].message.startswith(pictures.url("/2") + ": ")
    first = (await stored(services))["a"]
    assert first.metadata["stored_images"] == [pictures.url("/1"), pictures.url("/3")]
    assert [await services.catalog.image("shop", "a", n) for n in (0, 1)] == [
        pictures.body("/1"),
        pictures.body("/3"),
    ]
    pictures.asked.clear()
    again, faults = await imported(services, feed, options)
    assert (again, sorted(pictures.asked)) == ({"unchanged": 1, "fetched": 2}, ["/2", "/4"])
    assert len(faults) == 2
    pictures.gone.clear()
    pictures.asked.clear()
    again, faults = await imported(services, feed, options)
    assert (again, len(faults)) == ({"replaced": 1, "fetched": 2}, 1)
    last = (await stored(services))["a"]
    assert last.metadata["stored_images"] == [pictures.url(path) for path in ("/1", "/2", "/3")]
    assert (last.further[1].vectors == first.further[0].vectors).all()


async def test_the_next_image_stands_in_for_the_main_one_among_several_too(
    services: Services, pictures: Pictures, tmp_path: Path
):
    pictures.gone.add("/1")
    feed = table(pictures, tmp_path, ("a", "A", "/1", 1, "/2", "/3", "/4"))
    options = replace(OPTIONS, images_per_product=2)
    counts, faults = await imported(services, feed, options)
    assert (counts["created"], len(faults)) == (1, 1)
    paths = ("/2", "/3")
    assert (await stored(services))["a"].metadata["stored_images"] == [
        pictures.url(path) for path in paths
    ]
    pictures.gone.clear()
    pictures.asked.clear()
    await imported(services, feed, options)
    assert pictures.asked == ["/1"]
    assert await services.catalog.image("shop", "a") == pictures.body("/1")
    assert await services.catalog.image("shop", "a", 1) == pictures.body("/2")


async def test_a_webhook_keeps_the_number_of_images_that_an_import_has_stored(
    services: Services, pictures: Pictures, tmp_path: Path
):
    feed = table(pictures, tmp_path, ("a", "A", "/1", 1, "/2", "/3"), ("b", "B", "/4", 1))
    await imported(services, feed, replace(OPTIONS, images_per_product=2))
    changed = table(pictures, tmp_path, ("a", "A", "/3", 1, "/2", "/1"), ("b", "B", "/4", 1, "/5"))
    pictures.asked.clear()
    storing = Storing(services.ingest, services.catalog)
    counts = (await storing.store("shop", list(products_of(changed).values()))).counts
    assert +counts == {"replaced": 1, "updated": 1, "fetched": 1}
    assert pictures.asked == ["/3"]
    garments = await stored(services)
    assert garments["a"].metadata["stored_images"] == [pictures.url("/3"), pictures.url("/2")]
    assert len(garments["b"].sha256s) == 1


async def test_garments_of_another_model_get_all_their_images_embedded_anew(
    allowing: Settings, pictures: Pictures, tmp_path: Path
):
    feed = table(pictures, tmp_path, ("a", "A", "/1", 1, "/2", "/3"))
    options = replace(OPTIONS, images_per_product=3)
    async with open_services(allowing) as services:
        await imported(services, feed, options)
        before = (await stored(services))["a"]
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / DATABASE)) as database, database:
        database.execute("UPDATE vectors SET fingerprint = 'another'")
        database.execute("UPDATE further SET bytes = NULL WHERE place = 2")
    pictures.asked.clear()
    async with open_services(allowing) as services:
        counts, _ = await imported(services, feed, options)
        after = (await stored(services))["a"]
        assert await services.catalog.image("shop", "a", 2) == pictures.body("/3")
    assert (counts, pictures.asked) == ({"replaced": 1, "fetched": 1}, ["/3"])
    assert (after.stale, after.sha256s) == (False, before.sha256s)
    for own, was in zip(after.further, before.further, strict=True):
        assert np.abs(own.vectors - was.vectors).max() < 2e-3
