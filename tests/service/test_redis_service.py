"""The service over HTTP and on the command line, with Redis behind it."""

import asyncio
import base64
from collections.abc import Callable

import httpx
import pytest
from redis_process import RedisProcess

from service.app import create_app
from service.cli.failures import CommandError
from service.cli.opening import open_workplace, settings_with
from service.embedder import Embedder
from service.settings import Settings
from tests.conftest import client_of

Photo = Callable[[int], bytes]


def on(process: RedisProcess) -> Settings:
    return Settings(store=process.url, cache_url=process.url, batch_wait_ms=0, bulk_commit_lines=4)


def image(photo: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(photo).decode()}


async def searched(client: httpx.AsyncClient) -> httpx.Response:
    body = {"query": {"garment_id": "g1"}, "attributes": {"color": 1}, "where": {"n": {"gte": 0}}}
    return await client.post("/v1/search", json=body)


async def test_without_redis_embedding_and_comparing_go_on_and_the_rest_says_when_to_return(
    own_redis: RedisProcess, photo: Photo
):
    async with client_of(create_app(on(own_redis))) as client:
        for number in range(3):
            files, data = {"image": photo(number)}, {"metadata": f'{{"n": {number}}}'}
            put = await client.put(f"/v1/garments/g{number}", files=files, data=data)
            assert put.status_code == 201, put.text
        before = await searched(client)
        assert before.status_code == 200, before.text
        own_redis.kill()
        pictures = {"a": image(photo(8)), "b": image(photo(9))}
        assert (await client.post("/v1/compare", json=pictures)).status_code == 200
        for answer in (
            await searched(client),
            await client.get("/v1/garments/g1"),
            await client.put("/v1/garments/g9", files={"image": photo(9)}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert "redis.sock" not in answer.text
        own_redis.start()
        async with asyncio.timeout(30):
            while (after := await searched(client)).status_code == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert after.json()["hits"] == before.json()["hits"]


async def test_two_processes_compute_a_picture_once(
    redis_process: RedisProcess, photo: Photo, monkeypatch: pytest.MonkeyPatch
):
    computed = []
    compute = Embedder._compute

    async def counted(self, key, data):
        computed.append(key)
        return await compute(self, key, data)

    monkeypatch.setattr(Embedder, "_compute", counted)
    request = {"a": image(photo(1)), "b": image(photo(2))}
    answers = []
    for _ in range(2):
        async with client_of(create_app(on(redis_process))) as client:
            answers.append((await client.post("/v1/compare", json=request)).json()["attributes"])
    assert len(computed) == 2
    assert answers[0] == answers[1]


def test_command_that_needs_garments_refuses_an_empty_redis(redis_process: RedisProcess):
    settings = settings_with(store=redis_process.url)
    with (
        pytest.raises(CommandError, match="there are no garments in unix:///"),
        open_workplace(settings, must_exist=True),
    ):
        pass
    with open_workplace(settings) as workplace:
        assert workplace.run(workplace.services.catalog.stale()) == 0
