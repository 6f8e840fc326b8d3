"""Feeds handed in over HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api_schemas.imports import ImportAnswer, ImportFault, ImportList
from service.app import create_app
from service.catalog.store import GarmentRecord, StoreError
from service.imports import desk, running
from service.jobs import work_loop
from service.settings import Settings
from tests.conftest import Server, client_of
from tests.service.imports.picture_server import Pictures, serving_pictures

Photo = Callable[[int], bytes]
PATIENCE_S = 60
ENDED = ("done", "failed", "cancelled")


@pytest.fixture
def pictures(photo: Photo) -> Iterator[Pictures]:
    with serving_pictures(photo) as pictures:
        yield pictures


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    return settings.model_copy(update={"image_urls": "on", "image_url_loopback": True})


@pytest.fixture
def app(allowing: Settings) -> FastAPI:
    return create_app(allowing)


@pytest.fixture
async def importing(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


def table(pictures: Pictures, *numbers: int) -> bytes:
    lines = ["id,title,image_link,price"]
    lines += [f"g{n},Shirt {n},{pictures.url(f'/{n}')},{n} EUR" for n in numbers]
    return "\n".join(lines).encode()


async def ended(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await client.get(location)
            job = ImportAnswer.model_validate_json(answer.content)
            if job.state in ENDED:
                return dict(answer.json())
            await asyncio.sleep(0.02)


async def garments(client: httpx.AsyncClient, catalog: str = "default") -> set[str]:
    page = await client.get("/v1/garments", params={"limit": 500, "catalog": catalog})
    return {garment["id"] for garment in page.json()["garments"]}


async def test_an_uploaded_feed_is_imported_and_a_second_one_fetches_nothing(
    importing: httpx.AsyncClient, pictures: Pictures, settings: Settings
):
    pictures.gone.add("/2")
    first = ""
    for turn in range(2):
        taken = await importing.post(
            "/v1/imports",
            params={"catalog": "shop"},
            files={"feed": table(pictures, 1, 2, 3)},
            data={"currency": "EUR", "refetch": "false"},
        )
        assert taken.status_code == 202, taken.text
        accepted = ImportAnswer.model_validate_json(taken.content)
        assert taken.headers["location"] == f"/v1/imports/{accepted.id}"
        first = first or accepted.id
        job = await ended(importing, taken.headers["location"])
        assert (job["state"], job["format"], job["progress"]) == ("done", "google-text", 1.0)
        assert job["options"] == {
            "currency": "EUR",
            "refetch": False,
            "delete_missing": False,
            "images_per_product": 1,
        }
        assert job["counts"]["created" if turn == 0 else "unchanged"] == 2
        assert (job["counts"]["failed"], job["errors"]) == (1, 1)
        errors = await importing.get(f"/v1/imports/{job['id']}/errors")
        assert errors.headers["content-type"] == "application/x-ndjson"
        assert "attachment" in errors.headers["content-disposition"]
        (line,) = [ImportFault.model_validate_json(line) for line in errors.text.splitlines()]
        assert (line.number, line.id, line.code) == (3, "g2", "image_url_unreachable")
    assert await garments(importing, "shop") == {"g1", "g3"}
    assert sorted(pictures.asked) == ["/1", "/2", "/2", "/3"]
    listed = ImportList.model_validate_json((await importing.get("/v1/imports")).content)
    assert [one.id for one in listed.imports] == [job["id"], first]
    assert [file.suffix for file in settings.imports.iterdir() if "feed" in file.suffix] == []


async def test_several_images_of_a_product_are_stored_when_asked_for(
    importing: httpx.AsyncClient, pictures: Pictures
):
    urls = [pictures.url(f"/{number}") for number in range(4)]
    feed = f"id\ttitle\timage_link\tadditional_image_link\na\tA\t{urls[0]}\t{','.join(urls[1:])}"
    pictures.bodies["/feed"] = feed.encode()
    for asked in (
        {"files": {"feed": feed.encode()}, "data": {"images_per_product": "3"}},
        {"json": {"url": pictures.url("/feed"), "images_per_product": 3}},
    ):
        taken = await importing.post("/v1/imports", **asked)
        job = await ended(importing, taken.headers["location"])
        assert (job["state"], job["options"]["images_per_product"]) == ("done", 3)
    assert job["counts"]["unchanged"] == 1
    garment = (await importing.get("/v1/garments/a")).json()
    assert garment["metadata"]["stored_images"] == urls[:3]
    assert len(garment["images"]) == 3


async def test_a_feed_is_fetched_by_its_url(importing: httpx.AsyncClient, pictures: Pictures):
    pictures.bodies["/feed.csv"] = table(pictures, 1)
    body = {"url": pictures.url("/feed.csv"), "delete_missing": True}
    taken = await importing.post("/v1/imports", json=body)
    assert (await ended(importing, taken.headers["location"]))["counts"]["created"] == 1
    pictures.bodies["/feed.csv"] = table(pictures, 2)
    taken = await importing.post("/v1/imports", json=body)
    assert (await ended(importing, taken.headers["location"]))["counts"]["deleted"] == 1
    assert await garments(importing) == {"g2"}
    gone = await importing.post("/v1/imports", json={"url": pictures.url("/gone")})
    assert (gone.status_code, gone.json()["code"]) == (422, "invalid_feed")
    inside = await importing.post("/v1/imports", json={"url": "http://10.0.0.1/feed.csv"})
    assert (inside.status_code, inside.json()["code"]) == (422, "image_url_not_allowed")


@pytest.mark.parametrize(
    ("files", "data", "code"),
    [
        ({"feed": b"hello\nworld"}, {}, "invalid_feed"),
        ({"feed": b""}, {}, "invalid_feed"),
        ({"other": b"x"}, {}, "invalid_request"),
        ([("feed", b"x"), ("feed", b"y")], {}, "invalid_request"),
        ({"feed": b"id,title,image_link\n"}, {"currency": "euro"}, "invalid_request"),
        ({"feed": b"id,title,image_link\n"}, {"refetch": "yes"}, "invalid_request"),
        ({"feed": b"id,title,image_link\n"}, {"currency": "E" * 200}, "invalid_request"),
        ({"feed": b"x" * (1 << 20) + b"yz"}, {}, "feed_too_large"),
    ],
)
async def test_what_is_no_feed_is_refused_and_leaves_nothing(
    allowing: Settings, files: Any, data: dict[str, str], code: str
):
    small = allowing.model_copy(update={"max_feed_mib": 1})
    async with client_of(create_app(small)) as client:
        answer = await client.post("/v1/imports", files=files, data=data)
        assert answer.json()["code"] == code
        assert (await client.get("/v1/imports")).json() == {"imports": []}
    assert {file.suffix for file in small.imports.iterdir()} <= {"", ".db"}


async def test_a_form_that_is_cut_off_is_refused(importing: httpx.AsyncClient):
    part = b'--x\r\nContent-Disposition: form-data; name="feed"; filename="f"\r\n\r\nid,title'
    header = {"content-type": "multipart/form-data; boundary=x"}
    answer = await importing.post("/v1/imports", content=part, headers=header)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_no_feed_is_taken_where_images_by_url_are_off(
    client: httpx.AsyncClient, pictures: Pictures
):
    answer = await client.post("/v1/imports", files={"feed": table(pictures, 1)})
    assert (answer.status_code, answer.json()["code"]) == (422, "image_url_not_allowed")
    assert "LAPEL_IMAGE_URLS" in answer.json()["detail"]


async def test_unknown_imports_are_not_found(importing: httpx.AsyncClient):
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/errors")):
        answer = await importing.request(method, f"/v1/imports/none{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")


async def test_a_cancelled_import_stops_and_keeps_what_it_stored(
    importing: httpx.AsyncClient, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(running, "TOGETHER", 1)
    reached, cancelled = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(path: str) -> None:
        if path == "/3":
            loop.call_soon_threadsafe(reached.set)
            asyncio.run_coroutine_threadsafe(cancelled.wait(), loop).result(PATIENCE_S)

    pictures.on_request = hold
    first = await importing.post("/v1/imports", files={"feed": table(pictures, *range(1, 9))})
    waiting = await importing.post("/v1/imports", files={"feed": table(pictures, 20)})
    await reached.wait()
    for taken in (waiting, first):
        gone = await importing.delete(taken.headers["location"])
        assert gone.json()["state"] == "cancelled"
    cancelled.set()
    third = await importing.post("/v1/imports", files={"feed": table(pictures, 30)})
    await ended(importing, third.headers["location"])
    kept = await garments(importing)
    assert {"g1", "g30"} <= kept <= {"g1", "g2", "g3", "g4", "g30"}
    again = await importing.delete(third.headers["location"])
    assert again.json()["state"] == "done"


async def test_an_import_waits_for_a_store_that_is_away(
    app: FastAPI,
    importing: httpx.AsyncClient,
    pictures: Pictures,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(work_loop, "FIRST_PAUSE_S", 0.01)
    put = app.state.services.catalog.put
    refused = asyncio.Event()

    async def refuse(catalog: str, records: Sequence[GarmentRecord]) -> list[bool]:
        refused.set()
        raise StoreError("gone")

    monkeypatch.setattr(app.state.services.catalog, "put", refuse)
    taken = await importing.post("/v1/imports", files={"feed": table(pictures, 1, 2)})
    await refused.wait()
    monkeypatch.setattr(app.state.services.catalog, "put", put)
    job = await ended(importing, taken.headers["location"])
    assert (job["state"], job["counts"]["created"], job["errors"]) == ("done", 2, 0)


@pytest.mark.parametrize(
    ("feed", "state"),
    [
        (b'{"error": "rate limited"}', "failed"),
        (b"id,title,image_link,price\n", "failed"),
        (b"id,title,image_link,price\ng9,Shirt,no address,1\ng1,Shirt,{url},1\n", "done"),
    ],
)
async def test_an_import_that_deletes_nothing_although_it_was_to_says_why(
    importing: httpx.AsyncClient, pictures: Pictures, feed: bytes, state: str
):
    whole = await importing.post("/v1/imports", files={"feed": table(pictures, 1, 2)})
    await ended(importing, whole.headers["location"])
    await asyncio.sleep(0.01)  # garments are older by a millisecond at least
    taken = await importing.post(
        "/v1/imports",
        files={"feed": feed.replace(b"{url}", pictures.url("/1").encode())},
        data={"delete_missing": "true"},
    )
    job = await ended(importing, taken.headers["location"])
    assert (job["state"], job["counts"]["deleted"]) == (state, 0)
    assert "nothing was deleted" in job["detail"]
    errors = (await importing.get(f"{taken.headers['location']}/errors")).text.splitlines()
    assert json.loads(errors[-1])["code"] == "nothing_deleted"
    assert await garments(importing) == {"g1", "g2"}


async def test_a_feed_that_breaks_off_fails_and_tells_why(
    importing: httpx.AsyncClient, pictures: Pictures
):
    items = [
        f"<item><id>{id}</id><title>C</title><image_link>{pictures.url('/3')}</image_link></item>"
        for id in ("c", "d")
    ]
    feed = f"<rss><channel>{''.join(items)}<item><id>e</id>".encode()
    taken = await importing.post(
        "/v1/imports", files={"feed": feed}, data={"delete_missing": "true"}
    )
    job = await ended(importing, taken.headers["location"])
    assert job["state"] == "failed"
    assert "ends too early" in job["detail"]
    errors = (await importing.get(f"{taken.headers['location']}/errors")).text.splitlines()
    assert json.loads(errors[-1])["code"] == "feed_unreadable"
    assert "c" in await garments(importing)


async def test_too_many_waiting_imports_are_refused(
    importing: httpx.AsyncClient, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(desk, "MAX_WAITING", 0)
    answer = await importing.post("/v1/imports", files={"feed": table(pictures, 1)})
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")


async def test_a_folder_that_cannot_be_used_stops_imports_and_nothing_else(
    allowing: Settings, pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("")
    settings = allowing.model_copy(update={"imports_folder": str(tmp_path / "file" / "imports")})
    async with client_of(create_app(settings)) as client:
        assert (await client.get("/readyz")).status_code == 200
        answer = await client.post("/v1/imports", files={"feed": table(pictures, 1)})
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert "no imports and no webhooks" in caplog.text


async def test_an_import_goes_on_after_a_restart(
    allowing: Settings, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(running, "TOGETHER", 2)
    hold = asyncio.Event()
    loop = asyncio.get_running_loop()
    stored = asyncio.Event()

    def on_request(path: str) -> None:
        if path == "/5":
            loop.call_soon_threadsafe(stored.set)
            asyncio.run_coroutine_threadsafe(hold.wait(), loop).result(PATIENCE_S)

    pictures.on_request = on_request
    async with client_of(create_app(allowing)) as client:
        taken = await client.post("/v1/imports", files={"feed": table(pictures, *range(1, 9))})
        await stored.wait()
        kept = await garments(client)
        assert {"g1", "g2"} <= kept <= {"g1", "g2", "g3", "g4"}
    hold.set()
    pictures.asked.clear()
    async with client_of(create_app(allowing)) as client:
        job = await ended(client, taken.headers["location"])
        assert job["state"] == "done"
        assert job["counts"]["created"] + job["counts"]["unchanged"] == 8
        assert await garments(client) == {f"g{n}" for n in range(1, 9)}
    assert {id.replace("g", "/") for id in kept}.isdisjoint(pictures.asked)


@pytest.mark.slow
def test_an_import_goes_on_after_the_service_was_killed(
    start_server: Callable[..., Server], pictures: Pictures
):
    count = 400
    settings = {"image_urls": "on", "image_url_loopback": True}
    first = start_server(**settings)
    with httpx.Client(base_url=first.url, timeout=60) as client:
        feed = table(pictures, *range(count))
        taken = client.post("/v1/imports", files={"feed": feed})
        location = taken.headers["location"]
        deadline = time.monotonic() + PATIENCE_S
        while (seen := client.get(location).json())["counts"]["created"] == 0:
            assert time.monotonic() < deadline
    first.kill()
    assert 0 < seen["counts"]["created"] < count

    second = start_server(**settings)
    with httpx.Client(base_url=second.url, timeout=60) as client:
        while (job := client.get(location).json())["state"] not in ENDED:
            assert time.monotonic() < deadline
        assert (job["state"], job["counts"]["failed"]) == ("done", 0)
        assert job["counts"]["created"] + job["counts"]["unchanged"] == count
        page = client.get("/v1/garments", params={"limit": 500}).json()["garments"]
        assert {one["id"] for one in page} == {f"g{n}" for n in range(count)}
    # Only what was under way when the service was killed may have been asked for twice.
    again = len(pictures.asked) - len(set(pictures.asked))
    assert again <= running.AT_A_TIME * running.TOGETHER
