import asyncio
import base64
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from urllib.parse import quote

import httpx
import pytest
from redis_process import RedisProcess

from api_schemas.garments import CatalogList, GarmentAnswer, GarmentList
from service.app import create_app
from service.catalog.store import GarmentRecord
from service.settings import Settings
from tests.conftest import client_of

Photo = Callable[[int], bytes]
METADATA = {"brand": "Brönte", "price": 59.5, "sizes": ["S", None, {"eu": 38}], "new": True}


async def test_a_garment_comes_back_as_it_was_put(client: httpx.AsyncClient, photo: Photo):
    body = {"image": {"base64": base64.b64encode(photo(1)).decode()}, "metadata": METADATA}
    put = await client.put("/v1/garments/a", json=body)
    assert put.status_code == 201
    answer = GarmentAnswer.model_validate_json(put.content)
    assert answer.metadata == METADATA
    assert answer.image_sha256 == hashlib.sha256(photo(1)).hexdigest()
    assert answer.updated_at.startswith("20")
    got = await client.get("/v1/garments/a")
    assert got.json() == put.json()


async def test_a_form_says_the_same_as_json(client: httpx.AsyncClient, photo: Photo):
    form = await client.put(
        "/v1/garments/a", files={"image": photo(1)}, data={"metadata": '{"brand": "x"}'}
    )
    body = {"image": {"base64": base64.b64encode(photo(1)).decode()}, "metadata": {"brand": "x"}}
    json = await client.put("/v1/garments/a", json=body)
    assert (form.status_code, json.status_code) == (201, 200)
    assert form.json() | {"updated_at": ""} == json.json() | {"updated_at": ""}


async def test_putting_again_replaces_image_and_metadata(client: httpx.AsyncClient, photo: Photo):
    await client.put("/v1/garments/a", files={"image": photo(1)}, data={"metadata": '{"x": 1}'})
    again = await client.put("/v1/garments/a", files={"image": photo(2)})
    assert again.status_code == 200
    assert again.json()["metadata"] == {}
    assert (await client.get("/v1/garments/a/image")).content == photo(2)
    assert (await client.get("/v1/catalogs")).json() == {
        "catalogs": [{"name": "default", "garments": 1}]
    }


async def test_the_same_image_again_is_not_computed_again_even_after_a_restart(
    settings: Settings, photo: Photo
):
    async with client_of(create_app(settings)) as client:
        await client.put("/v1/garments/a", files={"image": photo(1)})
    async with client_of(create_app(settings)) as client:
        again = await client.put(
            "/v1/garments/a", files={"image": photo(1)}, data={"metadata": '{"x": 1}'}
        )
        figures = (await client.get("/metrics")).text
    assert again.json()["metadata"] == {"x": 1}
    assert "lapel_batch_images_count 0.0" in figures


async def test_a_garment_may_be_made_from_another_ones_image(
    client: httpx.AsyncClient, photo: Photo
):
    await client.put("/v1/garments/a", files={"image": photo(1)}, params={"catalog": "old"})
    body = {"image": {"garment_id": "a", "catalog": "old"}}
    copy = await client.put("/v1/garments/b", json=body)
    assert copy.status_code == 201
    assert (await client.get("/v1/garments/b/image")).content == photo(1)


async def test_an_image_has_its_media_type_and_is_not_sent_twice(
    client: httpx.AsyncClient, photo: Photo
):
    await client.put("/v1/garments/a", files={"image": photo(1)})
    answer = await client.get("/v1/garments/a/image")
    assert (answer.content, answer.headers["content-type"]) == (photo(1), "image/png")
    etag = answer.headers["etag"]
    for known in (etag, f'"x", W/{etag}', "*"):
        again = await client.get("/v1/garments/a/image", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    changed = await client.get("/v1/garments/a/image", headers={"If-None-Match": '"x"'})
    assert changed.status_code == 200


async def test_an_image_that_was_not_kept_is_told_from_a_garment_that_is_not_there(
    settings: Settings, photo: Photo
):
    forgetful = settings.model_copy(update={"store_images": False})
    async with client_of(create_app(forgetful)) as client:
        await client.put("/v1/garments/a", files={"image": photo(1)})
        known = await client.get("/v1/garments/a/image")
        unknown = await client.get("/v1/garments/b/image")
        compared = await client.post(
            "/v1/compare", json={"a": {"garment_id": "a"}, "b": {"garment_id": "a"}}
        )
    assert (known.status_code, known.json()["code"]) == (404, "image_not_stored")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "garment_not_found")
    assert compared.status_code == 200


async def test_a_removed_garment_is_gone(client: httpx.AsyncClient, photo: Photo):
    await client.put("/v1/garments/a", files={"image": photo(1)})
    first = await client.delete("/v1/garments/a")
    second = await client.delete("/v1/garments/a")
    assert (first.status_code, first.content) == (204, b"")
    assert (second.status_code, second.json()["code"]) == (404, "garment_not_found")
    assert (await client.get("/v1/garments/a")).status_code == 404


@pytest.fixture(params=["embedded", "redis"])
def in_either_store(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    if request.param == "embedded":
        return settings
    process: RedisProcess = request.getfixturevalue("redis_process")
    return settings.model_copy(update={"store": process.url})


@pytest.mark.parametrize("happening", ["replaced", "deleted"])
async def test_a_put_is_answered_with_what_it_wrote_whatever_others_do_meanwhile(
    in_either_store: Settings, photo: Photo, monkeypatch: pytest.MonkeyPatch, happening: str
):
    app = create_app(in_either_store)
    async with client_of(app) as client:
        await client.put("/v1/garments/other", files={"image": photo(2)})
        catalog = app.state.services.catalog
        other, write = await catalog.get("default", "other"), catalog.put

        async def meddled(name: str, records: Sequence[GarmentRecord]) -> list[bool]:
            outcome: list[bool] = await write(name, records)
            if happening == "deleted":
                await catalog.delete(name, "a")
            else:
                await write(name, [dataclasses.replace(other, id="a", metadata={"x": "other"})])
            return outcome

        with monkeypatch.context() as meddling:
            meddling.setattr(catalog, "put", meddled)
            put = await client.put(
                "/v1/garments/a", files={"image": photo(1)}, data={"metadata": '{"x": "own"}'}
            )
        alone = await client.put(
            "/v1/garments/b", files={"image": photo(1)}, data={"metadata": '{"x": "own"}'}
        )
        assert (put.status_code, alone.status_code) == (201, 201), put.text
        assert (await client.get("/v1/garments/b")).json() == alone.json()
        changes = {"id": "", "updated_at": ""}
        assert put.json() | changes == alone.json() | changes


async def test_many_puts_and_deletes_at_once_are_each_answered_with_their_own(
    in_either_store: Settings, photo: Photo
):
    async with client_of(create_app(in_either_store)) as client:
        puts = [
            client.put(
                "/v1/garments/a", files={"image": photo(1)}, data={"metadata": f'{{"n": {n}}}'}
            )
            for n in range(8)
        ]
        deletes = [client.delete("/v1/garments/a") for _ in range(3)]
        answers = (await asyncio.gather(*puts, *deletes))[: len(puts)]
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert [answer.json()["metadata"] for answer in answers] == [{"n": n} for n in range(8)]


async def test_catalogs_are_worlds_of_their_own(client: httpx.AsyncClient, photo: Photo):
    for catalog in ("summer", "winter"):
        answer = await client.put(
            "/v1/garments/a", files={"image": photo(1)}, params={"catalog": catalog}
        )
        assert (answer.status_code, answer.json()["catalog"]) == (201, catalog)
    assert (await client.get("/v1/garments/a")).status_code == 404
    await client.delete("/v1/garments/a", params={"catalog": "summer"})
    left = CatalogList.model_validate_json((await client.get("/v1/catalogs")).content)
    assert [(c.name, c.garments) for c in left.catalogs if c.garments] == [("winter", 1)]


async def test_paging_visits_every_garment_once_in_the_order_of_ids(
    client: httpx.AsyncClient, photo: Photo
):
    ids = ["b", "ä", "a/".replace("/", " "), "B", "0", "aa", "😀"]
    for garment_id in ids:
        path = f"/v1/garments/{quote(garment_id, safe='')}"
        assert (await client.put(path, files={"image": photo(1)})).status_code == 201
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = GarmentList.model_validate_json(
            (await client.get("/v1/garments", params=params)).content
        )
        seen += [garment.id for garment in page.garments]
        cursor, pages = page.next_cursor, pages + 1
    assert seen == sorted(ids)
    assert pages == 3


async def test_a_page_that_ends_exactly_at_the_end_is_the_last(
    client: httpx.AsyncClient, photo: Photo
):
    for garment_id in "ab":
        await client.put(f"/v1/garments/{garment_id}", files={"image": photo(1)})
    page = (await client.get("/v1/garments", params={"limit": 2})).json()
    assert (len(page["garments"]), page["next_cursor"]) == (2, None)
    empty = (await client.get("/v1/garments", params={"catalog": "none"})).json()
    assert empty == {"garments": [], "next_cursor": None}


@pytest.mark.parametrize("garment_id", ["a b", "hémd", "a%b", "?#", "x" * 256, "bulk", "a..b"])
async def test_any_allowed_id_works_in_a_path(
    client: httpx.AsyncClient, photo: Photo, garment_id: str
):
    path = f"/v1/garments/{quote(garment_id, safe='')}"
    assert (await client.put(path, files={"image": photo(1)})).status_code == 201
    assert (await client.get(path)).json()["id"] == garment_id
    assert (await client.delete(path)).status_code == 204


@pytest.mark.parametrize("metadata", ["[]", "null", "{", '{"a": NaN}', '{"a": 1e999}', "\xff"])
async def test_metadata_that_is_no_json_object_is_refused(
    client: httpx.AsyncClient, photo: Photo, metadata: str
):
    files = {"image": photo(1), "metadata": metadata.encode("latin-1")}
    answer = await client.put("/v1/garments/a", files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "metadata" in answer.json()["detail"]
    assert (await client.get("/v1/garments/a")).status_code == 404


async def test_a_bad_image_stores_nothing(client: httpx.AsyncClient, photo: Photo):
    await client.put("/v1/garments/a", files={"image": photo(1)})
    bad = await client.put("/v1/garments/a", files={"image": b"not an image"})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_image")
    assert (await client.get("/v1/garments/a/image")).content == photo(1)


def several(photo: Photo, *numbers: int) -> list[tuple[str, bytes]]:
    return [("image", photo(number)) for number in numbers]


def encoded(photo: Photo, number: int) -> dict[str, str]:
    return {"base64": base64.b64encode(photo(number)).decode()}


async def test_several_images_come_back_in_order_from_a_form_and_from_json(
    client: httpx.AsyncClient, photo: Photo
):
    form = await client.put("/v1/garments/a", files=several(photo, 1, 2, 3))
    body = {"images": [encoded(photo, number) for number in (1, 2, 3)]}
    json = await client.put("/v1/garments/a", json=body)
    assert (form.status_code, json.status_code) == (201, 200)
    assert form.json() | {"updated_at": ""} == json.json() | {"updated_at": ""}
    answer = GarmentAnswer.model_validate_json(json.content)
    assert answer.images == [hashlib.sha256(photo(n)).hexdigest() for n in (1, 2, 3)]
    assert answer.image_sha256 == answer.images[0]
    for index, number in enumerate((1, 2, 3)):
        image = await client.get("/v1/garments/a/image", params={"index": index})
        assert image.content == photo(number)
        assert image.headers["etag"] == f'"{answer.images[index]}"'
        known = {"If-None-Match": image.headers["etag"]}
        again = await client.get("/v1/garments/a/image", params={"index": index}, headers=known)
        assert again.status_code == 304
    (listed,) = (await client.get("/v1/garments")).json()["garments"]
    assert listed["images"] == answer.images


async def test_an_image_that_a_garment_does_not_have_is_not_found(
    client: httpx.AsyncClient, photo: Photo
):
    await client.put("/v1/garments/a", files=several(photo, 1, 2))
    for headers in ({}, {"If-None-Match": "*"}):
        answer = await client.get("/v1/garments/a/image", params={"index": 2}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "image_not_stored")
        assert "0..1" in answer.json()["detail"]
    refused = await client.get("/v1/garments/a/image", params={"index": 8})
    assert refused.status_code == 422


async def test_search_finds_a_garment_by_any_of_its_images_and_says_which(
    client: httpx.AsyncClient, photo: Photo
):
    await client.put("/v1/garments/a", files=several(photo, 1, 2, 3))
    await client.put("/v1/garments/b", files=several(photo, 4))
    for index, number in enumerate((1, 2, 3)):
        found = (await client.post("/v1/search", json={"query": encoded(photo, number)})).json()
        assert found["total"] == 2
        assert [hit["id"] for hit in found["hits"]] == ["a", "b"]
        assert found["hits"][0]["image_index"] == index
        assert found["hits"][0]["score"] == pytest.approx(1, abs=1e-3)
    itself = (await client.post("/v1/search", json={"query": {"garment_id": "a"}})).json()
    assert [hit["id"] for hit in itself["hits"]] == ["b"]


@pytest.mark.parametrize(
    "body",
    [{"metadata": {}}, {"images": []}, {"image": {"base64": ""}, "images": [{"base64": ""}]}],
)
async def test_neither_no_image_nor_both_ways_of_giving_them_are_taken(
    client: httpx.AsyncClient, body: dict[str, object]
):
    answer = await client.put("/v1/garments/a", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "image" in answer.json()["detail"]


async def test_nine_images_are_refused_and_a_bad_one_among_several_stores_nothing(
    client: httpx.AsyncClient, photo: Photo
):
    nine = await client.put("/v1/garments/a", files=several(photo, *range(9)))
    listed = await client.put("/v1/garments/a", json={"images": [encoded(photo, 1)] * 9})
    assert (nine.status_code, listed.status_code) == (422, 422)
    assert "1 to 8 times; got 9" in nine.json()["detail"]
    files = [*several(photo, 1, 2), ("image", b"no image")]
    bad = await client.put("/v1/garments/a", files=files)
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_image")
    assert bad.json()["detail"].startswith("image 2: ")
    assert (await client.get("/v1/garments/a")).status_code == 404
