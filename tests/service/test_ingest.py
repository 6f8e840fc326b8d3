import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import pytest
from pydantic import JsonValue

from api_schemas.images import ImageReference
from service.catalog.store import GarmentRecord, InvalidGarment, StoreError
from service.errors import AttributeNotVisible, ServiceError
from service.images import Images
from service.ingest import Ingest
from service.new_garment import KeptImage, NewGarment
from service.services import Services, open_services
from service.settings import Settings

Photo = Callable[[int], bytes]


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as services:
        yield services


def codes(outcomes: Sequence[object]) -> list[object]:
    return [o.code if isinstance(o, ServiceError) else o for o in outcomes]


async def test_every_garment_has_its_own_outcome(services: Services, photo: Photo):
    reference = ImageReference(base64=base64.b64encode(photo(2)).decode())
    outcomes = await services.ingest.put(
        "default",
        [
            NewGarment("a", photo(1), {}),
            NewGarment("b", b"not an image", {}),
            NewGarment("c", reference, {"x": 1}),
            NewGarment("a", photo(1), {"x": 2}),
        ],
    )
    assert codes(outcomes) == ["created", "invalid_image", "created", "replaced"]
    kept = await services.catalog.get_many("default", ["a", "b", "c"])
    assert {name: record.metadata for name, record in kept.items()} == {
        "a": {"x": 2},
        "c": {"x": 1},
    }


async def test_when_the_disk_refuses_no_garment_is_said_to_be_stored(
    services: Services, photo: Photo, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(catalog: str, garments: Sequence[GarmentRecord]) -> list[bool]:
        raise StoreError("disk full: /secret/path")

    monkeypatch.setattr(services.catalog, "put", refuse)
    outcomes = await services.ingest.put(
        "default", [NewGarment("a", photo(1), {}), NewGarment("b", b"?", {})]
    )
    assert codes(outcomes) == ["store_unavailable", "invalid_image"]
    assert "secret" not in str(outcomes[0])


async def test_a_garment_that_cannot_be_stored_fails_alone(
    services: Services, photo: Photo, monkeypatch: pytest.MonkeyPatch
):
    put = services.catalog.put

    async def refuse_one(catalog: str, garments: Sequence[GarmentRecord]) -> list[bool]:
        if any(garment.id == "b" for garment in garments):
            raise InvalidGarment("b cannot be stored")
        return await put(catalog, garments)

    monkeypatch.setattr(services.catalog, "put", refuse_one)
    outcomes = await services.ingest.put(
        "default", [NewGarment(name, photo(1), {}) for name in "abc"]
    )
    assert codes(outcomes) == ["created", "invalid_request", "created"]


async def test_one_bad_image_among_several_fails_its_garment_unless_it_may_be_left_out(
    services: Services, photo: Photo
):
    left: list[list[int]] = []

    def without(errors: Mapping[int, ServiceError]) -> dict[str, JsonValue]:
        left.append(list(errors))
        return {"left": len(errors)}

    images = (photo(2), b"no image", photo(3), ImageReference(garment_id="nobody"))
    outcomes = await services.ingest.put(
        "default",
        [
            NewGarment("strict", photo(1), {}, images),
            NewGarment("lenient", photo(1), {"left": 0}, images, without),
            NewGarment("main", b"no image", {}, images[:1], without),
            NewGarment("good", photo(1), {"left": 0}, images[:1], without),
        ],
    )
    assert codes(outcomes) == ["garment_not_found", "created", "invalid_image", "created"]
    assert left == [[2, 4]]
    lenient = await services.catalog.get("default", "lenient")
    assert lenient is not None
    assert lenient.metadata == {"left": 2}
    digests = [hashlib.sha256(photo(number)).hexdigest() for number in (1, 2, 3)]
    assert list(lenient.sha256s) == digests


async def test_images_that_a_garment_has_already_may_be_named_instead_of_sent(
    services: Services, photo: Photo
):
    await services.ingest.put("default", [NewGarment("a", photo(1), {}, [photo(2)])])
    before = await services.catalog.get("default", "a")
    assert before is not None
    first, second = map(KeptImage, before.sha256s)
    gone = NewGarment("b", first, {})
    moved = NewGarment("a", second, {}, [photo(3), first])
    assert codes(await services.ingest.put("default", [gone, moved])) == [
        "image_not_stored",
        "replaced",
    ]
    after = await services.catalog.get("default", "a")
    assert after is not None
    assert (after.vectors == before.further[0].vectors).all()
    assert (after.further[1].vectors == before.vectors).all()
    for index, number in enumerate((2, 3, 1)):
        assert await services.catalog.image("default", "a", index) == photo(number)


class StaleCatalog:
    """One garment that another model embedded."""

    def __init__(self, record: GarmentRecord, image: bytes | None) -> None:
        self._record = record
        self._image = image

    version = 0

    async def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        return {self._record.id: self._record}

    async def image(self, catalog: str, id: str) -> bytes | None:
        return self._image


async def test_a_garment_of_another_model_is_embedded_anew_from_its_image(
    services: Services, photo: Photo
):
    await services.ingest.put("default", [NewGarment("a", photo(1), {})])
    record = await services.catalog.get("default", "a")
    assert record is not None
    stale = GarmentRecord(
        id="a",
        metadata={},
        vectors=0 * record.vectors,
        norms=record.norms,
        visible=0 * record.visible,
        image_sha256=record.image_sha256,
        stale=True,
    )
    reference = ImageReference(garment_id="a")

    def images(image: bytes | None) -> Images:
        catalog = StaleCatalog(stale, image)
        return Images(services.embedder, catalog, max_image_bytes=1 << 20, max_together=1)  # type: ignore[arg-type]

    fresh = await images(photo(1)).embed(reference, "default")
    assert (fresh.vectors == (await services.embedder.embed(photo(1))).vectors).all()
    with pytest.raises(AttributeNotVisible, match="another model"):
        await images(None).embed(reference, "default")


async def test_an_unchanged_image_keeps_its_vectors_without_the_network(
    services: Services, photo: Photo, monkeypatch: pytest.MonkeyPatch
):
    await services.ingest.put("default", [NewGarment("a", photo(1), {"x": 1})])
    before = await services.catalog.get("default", "a")
    assert before is not None

    async def fail(data: bytes) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(services.embedder, "embed", fail)
    ingest = Ingest(services.images, services.catalog)
    assert await ingest.put("default", [NewGarment("a", photo(1), {"x": 2})]) == ["replaced"]
    after = await services.catalog.get("default", "a")
    assert after is not None
    assert after.metadata == {"x": 2}
    assert (after.vectors == before.vectors).all()


async def test_images_by_url_that_are_large_together_take_several_commits(
    services: Services, photo: Photo, monkeypatch: pytest.MonkeyPatch
):
    async def fetch(url: str) -> bytes:
        return photo(int(url))

    images = Images(
        services.embedder,
        services.catalog,
        max_image_bytes=1 << 20,
        max_together=4,
        fetch=fetch,
        max_fetched=2,
    )
    monkeypatch.setattr("service.ingest.MAX_FETCHED_BYTES", 1)
    garments = [NewGarment(f"g{n}", ImageReference(url=str(n)), {}) for n in range(1, 6)]
    begun = services.catalog.version
    outcomes = await Ingest(images, services.catalog).put("default", garments)
    assert outcomes == ["created"] * 5
    assert services.catalog.version == begun + 3
    for n in range(1, 6):
        assert await services.catalog.image("default", f"g{n}") == photo(n)
    urls = [[ImageReference(url=str(n + k)) for k in range(3)] for n in (1, 4, 7)]
    garments = [NewGarment(f"h{n}", main, {}, further) for n, (main, *further) in enumerate(urls)]
    garments.insert(1, NewGarment("g1", KeptImage(hashlib.sha256(photo(1)).hexdigest()), {"k": 1}))
    outcomes = await Ingest(images, services.catalog).put("default", garments)
    assert outcomes == ["created", "replaced", "created", "created"]
    for n, first in enumerate((1, 4, 7)):
        for k in range(3):
            assert await services.catalog.image("default", f"h{n}", k) == photo(first + k)
