import base64
import json
from collections.abc import AsyncIterator, Callable

import httpx
import numpy as np
import pytest

from api_schemas.search import SearchAnswer
from model.encoder import Encoder
from model.similarity import VISIBLE_THRESHOLD
from service.app import create_app
from service.settings import Settings
from tests.conftest import client_of

Photo = Callable[[int], bytes]
COUNT = 12


@pytest.fixture
async def client(settings: Settings, photo: Photo) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings)) as client:
        for number in range(COUNT):
            metadata = f'{{"price": {10 * number}, "brand": "{"ab"[number % 2]}"}}'
            await client.put(
                f"/v1/garments/g{number:02}",
                files={"image": photo(number)},
                data={"metadata": metadata},
            )
        yield client


def in_json(**fields: object) -> str:
    return json.dumps(fields)


async def search(client: httpx.AsyncClient, **body: object) -> SearchAnswer:
    response = await client.post("/v1/search", json=body)
    assert response.status_code == 200, response.text
    return SearchAnswer.model_validate_json(response.content)


async def vectors(
    client: httpx.AsyncClient, photo: Photo, numbers: list[int]
) -> list[dict[str, tuple[np.ndarray, float]]]:
    answer = await client.post("/v1/embeddings", files=[("image", photo(n)) for n in numbers])
    return [
        {
            name: (np.array(each["vector"]), each["visible"])
            for name, each in result["attributes"].items()
        }
        for result in answer.json()["results"]
    ]


async def visible_names(client: httpx.AsyncClient, photo: Photo, number: int) -> list[str]:
    (read,) = await vectors(client, photo, [number])
    return [name for name, (_, visible) in read.items() if visible >= VISIBLE_THRESHOLD]


async def test_hits_are_ranked_by_the_weighted_mean_of_similarities(
    client: httpx.AsyncClient, photo: Photo
):
    names = await visible_names(client, photo, 50)
    weights = {name: float(place) for place, name in enumerate(names, start=1)}
    response = await client.post(
        "/v1/search",
        files={"image": photo(50)},
        data={"request": in_json(attributes=weights, limit=COUNT)},
    )
    answer = SearchAnswer.model_validate_json(response.content)
    (query,) = await vectors(client, photo, [50])
    expected = {}
    for number, garment in enumerate(await vectors(client, photo, list(range(COUNT)))):
        total = 0.0
        for name, weight in weights.items():
            vector, visible = garment[name]
            similarity = vector @ query[name][0] if visible >= VISIBLE_THRESHOLD else -1.0
            total += weight * similarity
        expected[f"g{number:02}"] = total / sum(weights.values())
    assert {hit.id: hit.score for hit in answer.hits} == pytest.approx(expected, abs=2e-3)
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert answer.total == COUNT


async def test_the_ways_to_ask_agree(client: httpx.AsyncClient, photo: Photo):
    form = await client.post("/v1/search", files={"image": photo(3)})
    encoded = base64.b64encode(photo(3)).decode()
    by_bytes = await search(client, query={"base64": encoded})
    by_garment = await search(client, query={"garment_id": "g03"}, include_self=True)
    from_form = SearchAnswer.model_validate_json(form.content)
    assert from_form.hits == by_bytes.hits
    assert by_bytes.hits[0].id == by_garment.hits[0].id == "g03"
    assert by_garment.hits[0].score == pytest.approx(1, abs=2e-3)


async def test_a_garment_is_not_among_its_own_hits_unless_asked_for(client: httpx.AsyncClient):
    without = await search(client, query={"garment_id": "g03"}, limit=COUNT)
    with_itself = await search(client, query={"garment_id": "g03"}, limit=COUNT, include_self=True)
    assert "g03" not in [hit.id for hit in without.hits]
    assert (without.total, with_itself.total) == (COUNT - 1, COUNT)
    swapped = await search(
        client,
        query={"garment_id": "g03", "replace": {"collar": "shirt"}},
        attributes=["collar"],
        limit=COUNT,
    )
    assert "g03" not in [hit.id for hit in swapped.hits]


async def test_a_garment_of_another_catalog_is_no_hit_of_its_own(
    client: httpx.AsyncClient, photo: Photo
):
    await client.put("/v1/garments/g03", files={"image": photo(77)}, params={"catalog": "other"})
    answer = await search(client, query={"garment_id": "g03", "catalog": "other"}, limit=COUNT)
    assert answer.total == COUNT
    assert "g03" in [hit.id for hit in answer.hits]


async def test_filters_apply_before_ranking(client: httpx.AsyncClient):
    answer = await search(
        client,
        query={"garment_id": "g03"},
        where={"brand": "a", "price": {"gt": 20, "lte": 80}},
        limit=2,
    )
    everything = await search(
        client, query={"garment_id": "g03"}, where={"brand": "a", "price": {"gt": 20, "lte": 80}}
    )
    assert answer.total == everything.total == 3
    assert {hit.id for hit in everything.hits} == {"g04", "g06", "g08"}
    assert answer.hits == everything.hits[:2]
    assert everything.hits[0].metadata["brand"] == "a"


async def test_pages_continue_each_other(client: httpx.AsyncClient):
    whole = await search(client, query={"garment_id": "g00"}, limit=COUNT)
    pages = [
        await search(client, query={"garment_id": "g00"}, limit=4, offset=offset)
        for offset in (0, 4, 8, 12)
    ]
    assert [hit for page in pages for hit in page.hits] == whole.hits


async def test_a_search_by_value_needs_no_image(client: httpx.AsyncClient, encoder: Encoder):
    collar = next(a for a in encoder.card.attributes if a.name == "collar")
    answer = await search(client, query={"values": {"collar": collar.values[1]}}, limit=COUNT)
    assert answer.query["collar"].value == collar.values[1]
    assert [n for n, read in answer.query.items() if read.value is not None] == ["collar"]
    assert all(set(hit.attributes) == {"collar"} for hit in answer.hits)
    prototype = np.array(collar.prototypes[1])
    stored = (await client.get(f"/v1/garments/{answer.hits[0].id}/image")).content
    read = (await client.post("/v1/embeddings", files={"image": stored})).json()
    vector = np.array(read["results"][0]["attributes"]["collar"]["vector"])
    if answer.hits[0].attributes["collar"] is not None:
        assert answer.hits[0].score == pytest.approx(vector @ prototype, abs=2e-3)


async def test_a_swapped_value_is_what_the_query_then_reads_as(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    for attribute in encoder.card.attributes[:4]:
        for value in attribute.values[:3]:
            answer = await client.post(
                "/v1/search",
                files={"image": photo(1)},
                data={
                    "request": in_json(
                        query={"replace": {attribute.name: value}}, attributes=[attribute.name]
                    )
                },
            )
            read = SearchAnswer.model_validate_json(answer.content).query[attribute.name]
            assert (read.value, read.visible) == (value, pytest.approx(1, abs=0.5))


async def test_swapping_one_attribute_leaves_the_others(client: httpx.AsyncClient):
    plain = await search(client, query={"garment_id": "g03"})
    swapped = await search(client, query={"garment_id": "g03", "replace": {"collar": "hood"}})
    changed = {n for n in plain.query if plain.query[n] != swapped.query[n]}
    assert changed <= {"collar"}


async def test_attributes_the_query_does_not_show_are_skipped_and_named(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    names = list(encoder.card.attribute_names)
    tried = 0
    for number in range(COUNT):
        visible = await visible_names(client, photo, number)
        if not 0 < len(visible) < len(names):
            continue
        tried += 1
        query = {"garment_id": f"g{number:02}"}
        answer = await search(client, query=query, attributes=names)
        assert answer.skipped_attributes == [name for name in names if name not in visible]
        assert list(answer.hits[0].attributes) == visible
        assert (await search(client, query=query)).skipped_attributes == []
        hidden = answer.skipped_attributes[0]
        refused = await client.post("/v1/search", json={"query": query, "attributes": [hidden]})
        assert (refused.status_code, refused.json()["code"]) == (422, "attribute_not_visible")
    assert tried > 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"query": {}}, 422, "invalid_request"),
        ({"query": {"replace": {"collar": "shirt"}}}, 422, "invalid_request"),
        ({"query": {"garment_id": "gone"}}, 404, "garment_not_found"),
        ({"query": {"garment_id": "g00"}, "attributes": {"colar": 1}}, 422, "unknown_attribute"),
        ({"query": {"garment_id": "g00"}, "attributes": []}, 422, "invalid_request"),
        ({"query": {"garment_id": "g00"}, "attributes": {"collar": 0}}, 422, "invalid_request"),
        ({"query": {"garment_id": "g00"}, "attributes": {"collar": -1}}, 422, "invalid_request"),
        ({"query": {"garment_id": "g00"}, "attributes": {"collar": "1"}}, 422, "invalid_request"),
        ({"query": {"values": {"collar": "nope"}}}, 422, "unknown_value"),
        ({"query": {"values": {"colar": "shirt"}}}, 422, "unknown_attribute"),
        ({"query": {"garment_id": "g00", "replace": {"x": "y"}}}, 422, "unknown_attribute"),
        ({"query": {"garment_id": "g00"}, "where": {"a": {"near": 1}}}, 422, "invalid_filter"),
        ({"query": {"garment_id": "g00"}, "limit": 0}, 422, "invalid_request"),
        ({"query": {"garment_id": "g00"}, "limit": 1001}, 422, "invalid_request"),
        ({"query": {"garment_id": "g00"}, "limit": 1.5}, 422, "invalid_request"),
        ({"query": {"garment_id": "g00"}, "offset": -1}, 422, "invalid_request"),
    ],
)
async def test_a_search_that_means_nothing_is_refused(
    client: httpx.AsyncClient, body: dict[str, object], status: int, code: str
):
    answer = await client.post("/v1/search", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_filter_with_a_number_that_is_none_is_refused_by_its_place(
    client: httpx.AsyncClient, number: str
):
    where = f'{{"price": {{"gt": {number}}}}}'
    body = f'{{"query": {{"values": {{"collar": "shirt"}}}}, "where": {where}}}'
    answer = await client.post(
        "/v1/search", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_filter")
    assert answer.json()["detail"].startswith("price.gt: a number is finite, got ")


async def test_one_query_at_a_time(client: httpx.AsyncClient, photo: Photo):
    answer = await client.post(
        "/v1/search",
        files={"image": photo(1)},
        data={"request": '{"query": {"garment_id": "g00"}}'},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_setting_bounds_the_limit(settings: Settings):
    small = settings.model_copy(update={"search_limit_max": 5})
    async with client_of(create_app(small)) as client:
        answer = await client.post(
            "/v1/search", json={"query": {"values": {"collar": "shirt"}}, "limit": 6}
        )
    assert answer.status_code == 422
    assert "5 are allowed" in answer.json()["detail"]


async def test_a_catalog_that_holds_nothing_has_no_hits(client: httpx.AsyncClient):
    response = await client.post(
        "/v1/search", json={"query": {"values": {"collar": "shirt"}}}, params={"catalog": "none"}
    )
    answer = SearchAnswer.model_validate_json(response.content)
    assert (answer.hits, answer.total) == ([], 0)
