"""Every baseline does what it is named for, and the service answers the same bodies."""

from collections.abc import AsyncIterator

import httpx
import pytest

from bench.cached import comparison_bodies
from bench.empty import create_empty_app

BODIES = comparison_bodies()


@pytest.fixture
async def empty() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_empty_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://empty") as client:
        yield client


async def send(client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
    head, _, body = raw.partition(b"\r\n\r\n")
    request_line, *lines = head.decode().split("\r\n")
    method, path, _ = request_line.split()
    headers = dict(line.split(": ", 1) for line in lines)
    return await client.request(method, path, content=body, headers=headers)


@pytest.mark.parametrize("name", BODIES)
async def test_every_empty_route_takes_the_body_of_a_comparison(
    empty: httpx.AsyncClient, name: str
):
    body = BODIES[name]
    for path in ("/", body.declared):
        answer = await send(empty, body.request(path))
        assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("path", "content_type", "content"),
    [
        ("/form", "multipart/form-data; boundary=b", b"--b--\r\n"),
        ("/json", "application/json", b'{"a": {"garment_id": "x"}}'),
        ("/json", "application/json", b'{"a": {}, "b": {}}'),
    ],
)
async def test_a_route_that_declares_the_body_checks_it(
    empty: httpx.AsyncClient, path: str, content_type: str, content: bytes
):
    headers = {"content-type": content_type}
    assert (await empty.post(path, content=content, headers=headers)).status_code == 422
    assert (await empty.post("/", content=content, headers=headers)).status_code == 200
