"""Images named by URL, wherever a request names an image."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from api_schemas.images import ImageReference
from service.app import create_app
from service.catalog.store import Catalog
from service.embedder import Embedder
from service.errors import ImageUrlUnreachable, Overloaded, ServiceError
from service.fetch.opening import Fetch
from service.images import Images
from service.services import Services, open_services
from service.settings import Settings
from tests.conftest import Server, client_of
from tests.service.fetch.loopback import Loopback, ok, serving

Photo = Callable[[int], bytes]


@pytest.fixture
async def server(photo: Photo) -> AsyncIterator[Loopback]:
    """Has /1, /2, ... /9, a photo each."""
    async with serving({f"/{n}": ok(photo(n)) for n in range(1, 10)}) as server:
        yield server


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    return settings.model_copy(update={"image_urls": "on", "image_url_loopback": True})


@pytest.fixture
async def fetching(allowing: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(allowing)) as client:
        yield client


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as services:
        yield services


def images_with(services: Services, fetch: Fetch, max_fetched: int = 2) -> Images:
    embedder: Embedder = services.embedder
    catalog: Catalog = services.catalog
    return Images(
        embedder,
        catalog,
        max_image_bytes=1 << 20,
        max_together=8,
        fetch=fetch,
        max_fetched=max_fetched,
    )


def refer(*urls: str) -> list[ImageReference]:
    return [ImageReference(url=url) for url in urls]


async def test_a_service_fetches_nothing_unless_it_is_set_to(
    client: httpx.AsyncClient, server: Loopback
):
    answer = await client.put("/v1/garments/a", json={"image": {"url": server.url("/1")}})
    assert (answer.status_code, answer.json()["code"]) == (422, "image_url_not_allowed")
    assert "LAPEL_IMAGE_URLS" in answer.json()["detail"]
    assert server.connections == 0


async def test_a_url_is_an_image_wherever_one_is_named(
    fetching: httpx.AsyncClient, server: Loopback, photo: Photo
):
    def by_url(number: int) -> dict[str, str]:
        return {"url": server.url(f"/{number}")}

    put = await fetching.put("/v1/garments/a", json={"image": by_url(1), "metadata": {"n": 1}})
    assert put.status_code == 201
    image = await fetching.get("/v1/garments/a/image")
    assert image.content == photo(1)
    compared = await fetching.post("/v1/compare", json={"a": by_url(1), "b": by_url(2)})
    uploaded = await fetching.post("/v1/compare", files={"image_a": photo(1), "image_b": photo(2)})
    assert compared.json() == uploaded.json()
    pairs = {"pairs": [{"a": by_url(1), "b": by_url(2)}, {"a": by_url(1), "b": by_url(77)}]}
    batch = (await fetching.post("/v1/compare/batch", json=pairs)).json()["pairs"]
    assert batch[0]["attributes"] == compared.json()["attributes"]
    assert batch[1]["problem"]["code"] == "image_url_unreachable"
    embedded = await fetching.post("/v1/embeddings", json={"images": [by_url(1), by_url(2)]})
    files = [("image", photo(1)), ("image", photo(2))]
    assert embedded.json() == (await fetching.post("/v1/embeddings", files=files)).json()
    found = await fetching.post("/v1/search", json={"query": by_url(1)})
    assert found.json()["hits"][0]["id"] == "a"
    items = ["a", {"image": by_url(2), "key": "k"}, {"image": by_url(77), "key": "gone"}]
    ranked = (await fetching.post("/v1/rerank", json={"query": by_url(1), "items": items})).json()
    assert [item["id"] for item in ranked["items"]] == ["a", "k"]
    assert ranked["failed"][0]["problem"]["code"] == "image_url_unreachable"


async def test_a_bulk_line_that_cannot_be_fetched_fails_alone(
    fetching: httpx.AsyncClient, server: Loopback
):
    numbers = (1, 77, 2)
    lines = [{"id": f"g{n}", "image": {"url": server.url(f"/{n}")}} for n in numbers]
    answer = await fetching.post(
        "/v1/garments/bulk",
        content="\n".join(map(json.dumps, lines)),
        headers={"content-type": "application/x-ndjson"},
    )
    answers = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["status"] for line in answers] == ["created", "failed", "created"]
    assert answers[1]["problem"]["code"] == "image_url_unreachable"


async def test_bytes_seen_before_are_not_computed_again(
    fetching: httpx.AsyncClient, server: Loopback, photo: Photo
):
    async def misses() -> float:
        text = (await fetching.get("/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith("lapel_cache_misses")]
        return float(lines[0].split()[-1])

    await fetching.post("/v1/compare", files={"image_a": photo(1), "image_b": photo(2)})
    before = await misses()
    body = {"a": {"url": server.url("/1")}, "b": {"url": server.url("/2")}}
    assert (await fetching.post("/v1/compare", json=body)).status_code == 200
    assert await misses() == before


async def test_one_url_in_a_request_is_fetched_once(services: Services, photo: Photo):
    fetched: list[str] = []

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        return photo(int(url))

    images = images_with(services, fetch)
    first, other, again = await images.embed_all(refer("1", "2", "1"), "default")
    assert sorted(fetched) == ["1", "2"]
    assert (first.vectors == again.vectors).all()
    assert not (first.vectors == other.vectors).all()


async def test_sources_of_all_kinds_keep_their_order(services: Services, photo: Photo):
    async def fetch(url: str) -> bytes:
        return photo(int(url))

    images = images_with(services, fetch)
    expected = [
        e.vectors for e in await services.embedder.embed_many([photo(n) for n in (3, 1, 2)])
    ]
    mixed = [photo(3), *refer("1"), photo(2)]
    for got in (await images.embed_all(mixed, "d"), await images.embed_each(mixed, "d")):
        for embedding, vectors in zip(got, expected, strict=True):
            assert not isinstance(embedding, ServiceError)
            assert (embedding.vectors == vectors).all()


async def test_the_first_failure_ends_the_other_fetches(services: Services):
    ended: list[str] = []

    async def fetch(url: str) -> bytes:
        if url == "bad":
            raise ImageUrlUnreachable("gone")
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(url)
        return b""

    with pytest.raises(ImageUrlUnreachable):
        await images_with(services, fetch).embed_all(refer("slow", "bad"), "default")
    assert ended == ["slow"]


async def test_long_requests_together_hold_few_fetched_images(services: Services, photo: Photo):
    under_way = most = 0

    async def fetch(url: str) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return photo(int(url))

    images = images_with(services, fetch, max_fetched=2)
    requests = [refer("1", "2", "3", "4"), refer("5", "6", "7", "8")]
    answers = await asyncio.gather(*(images.embed_each(r, "default") for r in requests))
    assert not any(isinstance(outcome, ServiceError) for a in answers for outcome in a)
    assert most == 2


async def test_originals_come_as_far_as_there_is_room(services: Services, photo: Photo):
    async def fetch(url: str) -> bytes:
        if url == "bad":
            raise ImageUrlUnreachable("gone")
        return photo(int(url))

    images = images_with(services, fetch, max_fetched=2)
    sources = [*refer("1", "bad", "2"), photo(3), *refer("4")]
    room = len(photo(1)) + 1

    async def found(sources: list[ImageReference | bytes], room_bytes: int) -> list[object]:
        outcomes = await images.originals(sources, "default", room_bytes=room_bytes)
        return [outcome if isinstance(outcome, bytes) else outcome.code for outcome in outcomes]

    everything = [photo(1), "image_url_unreachable", photo(2), photo(3), photo(4)]
    assert await found(sources, 1) == everything[:2]
    assert await found(sources, room) == everything[:4]
    assert await found(sources, 1 << 30) == everything
    assert await found([photo(3)] * 9, 1) == [photo(3)] * 9
    assert await found([], 1) == []


async def test_a_long_request_waits_where_fetches_are_busy(services: Services, photo: Photo):
    refusals = 2

    async def fetch(url: str) -> bytes:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise Overloaded("busy")
        return photo(int(url))

    images = images_with(services, fetch)
    (embedded,) = await images.embed_each(refer("1"), "default")
    assert not isinstance(embedded, ServiceError)
    refusals = 1
    with pytest.raises(Overloaded):
        await images.embed(refer("1")[0], "default")


async def test_only_hosts_on_the_list_are_asked(allowing: Settings, server: Loopback):
    listed = allowing.model_copy(update={"image_url_hosts": "cdn.example, *.shop.example"})
    async with client_of(create_app(listed)) as client:
        answer = await client.post("/v1/search", json={"query": {"url": server.url("/1")}})
    assert answer.json()["code"] == "image_url_not_allowed"
    assert "'127.0.0.1' is not one of those" in answer.json()["detail"]
    assert server.connections == 0


@pytest.mark.parametrize("hosts", ["https://example.com", "*", "a,,b", "a b", "a:port", "[::1]"])
def test_a_list_of_hosts_that_cannot_be_read_stops_the_start(hosts: str):
    with pytest.raises(ValueError, match="image_url_hosts"):
        Settings(image_url_hosts=hosts)


async def test_the_real_service_looks_names_up_itself(
    start_server: Callable[..., Server], server: Loopback
):
    running = start_server(image_urls="on", image_url_loopback="true", image_url_hosts="localhost")
    async with httpx.AsyncClient(base_url=running.url, timeout=60) as client:
        url = server.url("/1", "localhost")
        found = await client.post("/v1/compare", json={"a": {"url": url}, "b": {"url": url}})
        unlisted = await client.post("/v1/search", json={"query": {"url": server.url("/1")}})
    assert found.status_code == 200, found.text
    assert server.requests[0].split("\r\n")[1] == f"Host: localhost:{server.port}"
    assert unlisted.json()["code"] == "image_url_not_allowed"
    assert len(server.requests) == 1
