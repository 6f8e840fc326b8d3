import asyncio
import dataclasses

import numpy as np
import pytest

from service.catalog.embedded import EmbeddedCatalog
from service.catalog.store import Picture
from service.cli.opening import open_workplace, settings_with

KEPT, FORGOTTEN = ("a", "b", "c"), "d"


@pytest.fixture
def stale(store, encoder, tmp_path):
    """A store of another model's garments, in two catalogs; one without its picture."""

    async def fill(target):
        settings = settings_with(store=store)
        with_images = await opened(settings.store, encoder, encoder.fingerprint)
        records = await with_images.list("default", None, 4)
        images = [await with_images.image("default", record.id) for record in records]
        await with_images.close()
        other = await opened(target, encoder, "another model")
        for name, record, image in zip((*KEPT, FORGOTTEN), records, images, strict=True):
            old = dataclasses.replace(
                record,
                id=name,
                vectors=np.roll(record.vectors, 1, axis=1),
                image=None if name == FORGOTTEN else image,
                metadata={"name": name},
                updated_at="2020-01-01T00:00:00.000+00:00",
            )
            await other.put("first" if name == "a" else "second", [old])
        await other.close()

    asyncio.run(fill(tmp_path / "stale"))
    return tmp_path / "stale"


async def opened(folder, encoder, fingerprint):
    return await EmbeddedCatalog.open(
        folder,
        attributes=encoder.card.spaces_count,
        dimension=encoder.card.embedding_dimension,
        fingerprint=fingerprint,
    )


def records(store):
    with open_workplace(settings_with(store=store)) as workplace:
        catalog = workplace.services.catalog
        found = {}
        for name in ("first", "second"):
            for record in workplace.run(catalog.list(name, None, 10)):
                image = workplace.run(catalog.image(name, record.id))
                found[record.id] = (record, image)
        return found


def test_garments_of_another_model_are_embedded_anew_from_their_pictures(run, stale, encoder):
    assert all(record.stale for record, _ in records(stale).values())
    done = run("reindex", "--store", stale)
    assert (done.code, done.out) == (1, "3 embedded anew, 1 left\n")
    assert "left second/d: its picture was not kept" in done.err
    after = records(stale)
    assert {id for id, (record, _) in after.items() if not record.stale} == set(KEPT)
    for id in KEPT:
        record, image = after[id]
        assert record.metadata == {"name": id}
        assert record.updated_at == "2020-01-01T00:00:00.000+00:00"
        assert image is not None
        fresh = embed(encoder, image)
        np.testing.assert_allclose(record.vectors, fresh.vectors, atol=1e-3)


def test_reindexing_again_finds_only_what_is_left(run, stale):
    run("reindex", "--store", stale)
    done = run("reindex", "--store", stale)
    assert (done.code, done.out) == (1, "0 embedded anew, 1 left\n")


def test_a_store_of_the_present_model_needs_nothing(run, store):
    done = run("reindex", "--store", store)
    assert (done.code, done.out) == (0, "every garment is of the present model\n")


def test_all_images_of_a_garment_are_embedded_anew_or_none(run, store, encoder, tmp_path):
    async def fill():
        catalog = await opened(settings_with(store=store).store, encoder, encoder.fingerprint)
        one, two = await catalog.list("default", None, 2)
        images = [await catalog.image("default", record.id) for record in (one, two)]
        await catalog.close()
        other = await opened(tmp_path / "old", encoder, "another model")
        further = Picture(two.vectors, two.norms, two.visible, two.image_sha256, images[1])
        both = dataclasses.replace(one, id="both", image=images[0], further=(further,))
        lacking = dataclasses.replace(further, image=None)
        half = dataclasses.replace(both, id="half", further=(lacking,))
        await other.put("first", [both, half])
        await other.close()
        return images

    images = asyncio.run(fill())
    done = run("reindex", "--store", tmp_path / "old")
    assert (done.code, done.out) == (1, "1 embedded anew, 1 left\n")
    assert "left first/half: its picture was not kept" in done.err
    after = records(tmp_path / "old")
    assert (after["both"][0].stale, after["half"][0].stale) == (False, True)
    (further,) = after["both"][0].further
    for own, image in zip((after["both"][0], further), images, strict=True):
        np.testing.assert_allclose(own.vectors, embed(encoder, image).vectors, atol=1e-3)


def embed(encoder, image):
    from model import pixels

    return encoder.encode(pixels.decode(image, encoder.card.preprocessing)[None])[0]


def test_a_search_that_finds_none_tells_of_those_of_another_model(run, stale, shown):
    done = run("search", shown.file, "--store", stale)
    assert "0 of 0 garments" in done.out
    assert "4 stored garments have vectors of another model" in done.err
