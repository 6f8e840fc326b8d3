import base64
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from api_schemas.rerank import MAX_IMAGE_ITEMS, MAX_ITEMS, RerankAnswer
from service.app import create_app
from service.settings import Settings
from tests.conftest import client_of

Photo = Callable[[int], bytes]
IDS = [f"g{number}" for number in range(6)]


@pytest.fixture
async def client(settings: Settings, photo: Photo) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings)) as client:
        for number, garment_id in enumerate(IDS):
            await client.put(f"/v1/garments/{garment_id}", files={"image": photo(number)})
        yield client


async def rerank(client: httpx.AsyncClient, **body: object) -> RerankAnswer:
    response = await client.post("/v1/rerank", json=body)
    assert response.status_code == 200, response.text
    return RerankAnswer.model_validate_json(response.content)


def in_base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


async def test_a_list_gets_the_order_that_a_search_gives(client: httpx.AsyncClient):
    body = {"query": {"garment_id": "g2"}}
    found = await client.post("/v1/search", json=body | {"include_self": True})
    answer = await rerank(client, **body, items=IDS[::-1])
    hits = found.json()["hits"]
    assert [item.id for item in answer.items] == [hit["id"] for hit in hits]
    for item, hit in zip(answer.items, hits, strict=True):
        assert item.score == pytest.approx(hit["score"], abs=1e-4)
        assert item.position == IDS[::-1].index(item.id)
        assert item.attributes == pytest.approx(hit["attributes"], abs=1e-4)


async def test_ids_and_images_may_be_mixed(client: httpx.AsyncClient, photo: Photo):
    answer = await rerank(
        client,
        query=in_base64(photo(3)),
        items=["g1", {"id": "g2"}, {"image": in_base64(photo(3)), "key": "same"}],
    )
    assert answer.items[0].id == "same"
    assert answer.items[0].score == pytest.approx(1, abs=1e-4)
    assert {item.id for item in answer.items} == {"g1", "g2", "same"}


async def test_unknown_ids_and_bad_images_are_listed_apart(client: httpx.AsyncClient, photo: Photo):
    answer = await rerank(
        client,
        query={"garment_id": "g2"},
        items=[
            "gone",
            "g1",
            {"image": {"base64": "AAAA"}, "key": "broken"},
            {"id": "lost"},
            {"image": {"garment_id": "vanished"}, "key": "by reference"},
        ],
    )
    assert [item.id for item in answer.items] == ["g1"]
    assert answer.missing == ["gone", "lost"]
    assert [(f.id, f.position, f.problem.code) for f in answer.failed] == [
        ("broken", 2, "invalid_image"),
        ("by reference", 4, "garment_not_found"),
    ]


async def test_equal_scores_keep_their_order(client: httpx.AsyncClient, photo: Photo):
    items = [{"image": in_base64(photo(9)), "key": key} for key in "cab"]
    answer = await rerank(client, query={"garment_id": "g0"}, items=items)
    assert [item.id for item in answer.items] == ["c", "a", "b"]


async def test_keep_blends_with_the_present_order(client: httpx.AsyncClient):
    by_attributes = await rerank(client, query={"garment_id": "g2"}, items=IDS)
    kept = await rerank(client, query={"garment_id": "g2"}, items=IDS, keep=1)
    assert [item.id for item in kept.items] == IDS
    assert [item.score for item in kept.items] == pytest.approx([1, 0.6, 0.2, -0.2, -0.6, -1])
    half = await rerank(client, query={"garment_id": "g2"}, items=IDS, keep=0.5)
    scores = {item.id: item.score for item in by_attributes.items}
    standing = {item.id: item.score for item in kept.items}
    assert {item.id: item.score for item in half.items} == pytest.approx(
        {name: (scores[name] + standing[name]) / 2 for name in IDS}
    )


async def test_the_query_may_be_values_alone(client: httpx.AsyncClient):
    answer = await rerank(client, query={"values": {"collar": "shirt"}}, items=IDS)
    assert all(set(item.attributes) == {"collar"} for item in answer.items)


@pytest.mark.parametrize(
    "items",
    [
        [],
        ["g1"] * (MAX_ITEMS + 1),
        [{"image": {"garment_id": "g1"}, "key": "k"}] * (MAX_IMAGE_ITEMS + 1),
        [{"key": "k"}],
        [{"image": {"garment_id": "g1"}}],
        [{"id": "g1", "image": {"garment_id": "g1"}, "key": "k"}],
        [{"id": "g1", "key": "k"}],
        ["a/b"],
        [1],
        "g1",
    ],
)
async def test_a_list_that_means_nothing_is_refused(client: httpx.AsyncClient, items: object):
    answer = await client.post("/v1/rerank", json={"query": {"garment_id": "g1"}, "items": items})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
