import asyncio
import base64
import itertools
import json
import socket
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_schemas.garments import BulkLineAnswer
from service.app import create_app
from service.routes.bulk import Buffer, Line, LineSplitter
from service.settings import Settings
from tests.conftest import Server, client_of

Photo = Callable[[int], bytes]
NDJSON = {"content-type": "application/x-ndjson"}


def line(garment_id: str, image: bytes, **metadata: object) -> bytes:
    encoded = base64.b64encode(image).decode()
    document = {"id": garment_id, "image": {"base64": encoded}, "metadata": metadata}
    return json.dumps(document).encode() + b"\n"


def read(answer: httpx.Response) -> list[BulkLineAnswer]:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [BulkLineAnswer.model_validate_json(each) for each in answer.content.splitlines()]


async def upload(client: httpx.AsyncClient, content: bytes) -> list[BulkLineAnswer]:
    return read(await client.post("/v1/garments/bulk", content=content, headers=NDJSON))


async def stored(client: httpx.AsyncClient) -> list[str]:
    page = (await client.get("/v1/garments", params={"limit": 500})).json()
    return [garment["id"] for garment in page["garments"]]


async def test_each_line_is_answered_in_order(client: httpx.AsyncClient, photo: Photo):
    lines = [line(f"g{n:02}", photo(n % 3), place=n) for n in range(20)]
    answers = await upload(client, b"".join(lines))
    assert [(a.line, a.id, a.status) for a in answers] == [
        (n + 1, f"g{n:02}", "created") for n in range(20)
    ]
    assert await stored(client) == [f"g{n:02}" for n in range(20)]
    assert (await client.get("/v1/garments/g07")).json()["metadata"] == {"place": 7}


async def test_a_bad_line_fails_alone(client: httpx.AsyncClient, photo: Photo):
    content = (
        line("a", photo(1))
        + b"not json\n"
        + b"\n"
        + line("b", b"not an image")
        + b'{"id": "a/b", "image": {"base64": "AAAA"}}\n'
        + b'{"id": "c", "image": {"garment_id": "gone"}}\n'
        + b'{"id": "d", "image": {"base64": "AAAA"}, "colour": 1}\n'
        + b"\xff\xfe\n"
        + b'{"id": "\\ud800", "image": {"base64": "AAAA"}}\n'
        + line("e", photo(2))
    )
    answers = await upload(client, content)
    assert [(a.line, a.id, a.status, a.problem and a.problem.code) for a in answers] == [
        (1, "a", "created", None),
        (2, None, "failed", "invalid_request"),
        (4, "b", "failed", "invalid_image"),
        (5, None, "failed", "invalid_request"),
        (6, "c", "failed", "garment_not_found"),
        (7, None, "failed", "invalid_request"),
        (8, None, "failed", "invalid_request"),
        (9, None, "failed", "invalid_request"),
        (10, "e", "created", None),
    ]
    assert await stored(client) == ["a", "e"]


async def test_a_line_may_hold_several_images(client: httpx.AsyncClient, photo: Photo):
    def images(*data: bytes) -> list[dict[str, str]]:
        return [{"base64": base64.b64encode(one).decode()} for one in data]

    lines = [
        {"id": "a", "images": images(photo(1), photo(2), photo(3))},
        {"id": "b", "images": images(photo(1), b"no image")},
        {"id": "c", "images": images(photo(1)), "image": images(photo(2))[0]},
        {"id": "d", "images": images(photo(4)), "metadata": {"x": 1}},
    ]
    answers = await upload(client, b"".join(json.dumps(one).encode() + b"\n" for one in lines))
    assert [(a.status, a.problem and a.problem.code) for a in answers] == [
        ("created", None),
        ("failed", "invalid_image"),
        ("failed", "invalid_request"),
        ("created", None),
    ]
    for index, number in enumerate((1, 2, 3)):
        got = await client.get("/v1/garments/a/image", params={"index": index})
        assert got.content == photo(number)
    assert await stored(client) == ["a", "d"]


async def test_a_last_line_needs_no_newline_but_must_be_whole(
    client: httpx.AsyncClient, photo: Photo
):
    whole = line("a", photo(1)) + line("b", photo(1)).rstrip(b"\n")
    assert [a.status for a in await upload(client, whole)] == ["created", "created"]
    cut = line("c", photo(1)) + line("d", photo(1))[:-20]
    assert [a.status for a in await upload(client, cut)] == ["created", "failed"]
    assert await stored(client) == ["a", "b", "c"]


async def test_an_id_given_twice_keeps_the_later_line(client: httpx.AsyncClient, photo: Photo):
    content = line("a", photo(1), n=1) + line("a", photo(2), n=2) + line("a", photo(1), n=3)
    assert [a.status for a in await upload(client, content)] == ["created", "replaced", "replaced"]
    assert (await client.get("/v1/garments/a")).json()["metadata"] == {"n": 3}
    assert (await client.get("/v1/garments/a/image")).content == photo(1)


async def test_an_empty_upload_has_an_empty_answer(client: httpx.AsyncClient):
    assert await upload(client, b"") == await upload(client, b"\n\r\n  \n") == []


async def test_a_line_over_the_limit_fails_alone(settings: Settings, photo: Photo):
    small = settings.model_copy(update={"max_image_mib": 1})
    long = b'{"id": "' + b"x" * small.max_line_bytes + b'"}\n'
    async with client_of(create_app(small)) as client:
        answers = await upload(client, line("a", photo(1)) + long + line("b", photo(1)))
    assert [a.status for a in answers] == ["created", "failed", "created"]
    assert answers[1].problem is not None
    assert str(small.max_line_bytes) in answers[1].problem.detail


async def test_the_catalog_is_the_one_asked_for(client: httpx.AsyncClient, photo: Photo):
    await client.post(
        "/v1/garments/bulk", content=line("a", photo(1)), headers=NDJSON, params={"catalog": "x"}
    )
    assert (await client.get("/v1/garments/a", params={"catalog": "x"})).status_code == 200
    assert (await client.get("/v1/garments/a")).status_code == 404


async def test_a_bulk_upload_larger_than_a_request_passes(settings: Settings, photo: Photo):
    small = settings.model_copy(update={"max_request_mib": 1, "bulk_buffer_mib": 1})
    padding = "x" * 60_000
    lines = [line(f"g{n:02}", photo(1), padding=padding) for n in range(40)]
    assert sum(map(len, lines)) > 2 * small.max_request_bytes
    async with client_of(create_app(small)) as client:
        answers = await upload(client, b"".join(lines))
    assert [a.status for a in answers] == ["created"] * 40


def test_a_lines_answer_arrives_before_the_next_line_is_sent(
    start_server: Callable[..., Server], photo: Photo
):
    server = start_server()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(
            b"POST /v1/garments/bulk HTTP/1.1\r\nHost: lapel\r\n"
            b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        received = b""
        for name in ("a", "b", "c"):
            text = line(name, photo(1))
            connection.sendall(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            while f'"id":"{name}","status":"created"'.encode() not in received:
                chunk = connection.recv(65536)
                assert chunk
                received += chunk
        connection.sendall(b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)


async def test_a_client_may_send_everything_before_it_reads(settings: Settings):
    """10,000 lines, each with an answer, though none is taken before the last was sent."""
    app = create_app(settings)
    messages = [
        {"type": "http.request", "body": b"no json\n" * 100, "more_body": number < 99}
        for number in range(100)
    ]
    all_sent, answered = asyncio.Event(), bytearray()

    async def receive() -> dict[str, object]:
        message = messages.pop(0)
        if not messages:
            all_sent.set()
        return message

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            await all_sent.wait()
            answered.extend(message["body"])

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/garments/bulk",
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-ndjson")],
    }
    async with app.router.lifespan_context(app), asyncio.timeout(60):
        await app(scope, receive, send)
    assert [json.loads(text)["line"] for text in answered.splitlines()] == list(range(1, 10_001))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(
    st.lists(st.sampled_from([b"", b" ", b"a", b"bb", b"ccc", b"dddd", b"e" * 9]), max_size=8),
    st.lists(st.integers(0, 200), max_size=6),
    st.booleans(),
)
def test_lines_do_not_depend_on_how_the_bytes_arrive(
    lines: list[bytes], places: list[int], ended: bool
):
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    splitter = LineSplitter(max_line_bytes=3)
    read = [each for chunk in cut(data, places) for each in splitter.feed(chunk)] + splitter.end()
    assert read == [
        Line(number, text if len(text) <= 3 else None)
        for number, text in enumerate(data.split(b"\n"), start=1)
        if text.strip()
    ]


async def test_a_full_buffer_holds_the_reader_back():
    buffer = Buffer(max_items=2, max_bytes=100)
    for number in (1, 2):
        await buffer.put(Line(number, b"x"))
    third = asyncio.create_task(buffer.put(Line(3, b"x")))
    await asyncio.sleep(0)
    assert not third.done()
    assert [each.number for each in await buffer.take()] == [1, 2]
    await third
    assert [each.number for each in await buffer.take()] == [3]


async def test_a_buffer_is_bounded_in_bytes_but_lets_one_large_line_through():
    buffer = Buffer(max_items=10, max_bytes=100)
    await buffer.put(Line(1, b"x" * 500))
    second = asyncio.create_task(buffer.put(Line(2, b"x")))
    await asyncio.sleep(0)
    assert not second.done()
    assert len(await buffer.take()) == 1
    await second
    await buffer.end()
    assert len(await buffer.take()) == 1
    assert await buffer.take() == []


@pytest.mark.parametrize("content_type", ["application/ndjson", "application/jsonl"])
async def test_the_other_names_of_ndjson_are_read(
    client: httpx.AsyncClient, photo: Photo, content_type: str
):
    answer = await client.post(
        "/v1/garments/bulk", content=line("a", photo(1)), headers={"content-type": content_type}
    )
    assert read(answer)[0].status == "created"
