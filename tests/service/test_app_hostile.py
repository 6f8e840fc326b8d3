"""No request, however malformed, gets a 500."""

import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from api_schemas.problems import Problem
from service.app import create_app
from service.settings import Settings
from tests.conftest import client_of

JSON_ROUTES = (
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/compare"),
    ("POST", "/v1/compare/batch"),
    ("POST", "/v1/search"),
    ("POST", "/v1/rerank"),
    ("PUT", "/v1/garments/x"),
)
FORM_ROUTES = (
    ("POST", "/v1/compare"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/search"),
    ("PUT", "/v1/garments/x"),
)
DEEP = b'{"where": ' + b'{"all": [' * 5000 + b"]}" * 5000 + b"}"
BODIES = {
    "empty": b"",
    "not JSON": b"hello",
    "cut off": b'{"query": {"garment_id": "x"',
    "null": b"null",
    "list": b"[]",
    "number": b"1",
    "invalid UTF-8": b'{"query": {"garment_id": "\xff\xfe"}}',
    "UTF-8 surrogate": b'{"query": {"garment_id": "\xed\xa0\x80"}}',
    "lone surrogate": b'{"query": {"garment_id": "\\ud800"}, "a": "\\udfff"}',
    "lone surrogate as a name": b'{"\\ud800": 1}',
    "NaN": b'{"query": {"garment_id": "x"}, "attributes": {"collar": NaN}, "keep": NaN}',
    "infinity": b'{"query": {"garment_id": "x"}, "attributes": {"collar": -Infinity}}',
    "huge float": b'{"query": {"garment_id": "x"}, "attributes": {"collar": 1e999}}',
    "huge integer": b'{"query": {"garment_id": "x"}, "limit": ' + b"9" * 5000 + b"}",
    "large integer": b'{"query": {"garment_id": "x"}, "limit": ' + b"9" * 30 + b"}",
    "nested too deep": DEEP,
    "nested lists": b"[" * 100_000,
    "byte order mark": b'\xef\xbb\xbf{"query": {"garment_id": "x"}}',
    "UTF-16": '{"query": {"garment_id": "x"}}'.encode("utf-16"),
    "NUL": b'{"query": {"garment_id": "\\u0000"}}',
    "unknown field": b'{"query": {"garment_id": "x"}, "colour": "red"}',
    "everything wrong": b'{"query": [], "a": 1, "b": {}, "pairs": {}, "items": 7, "image": 0}',
    "bad base64": b'{"a": {"base64": "!"}, "b": {"base64": "data:image/png;base64,aaaa"}}',
    "base64 outside ASCII": '{"image": {"base64": "\u00e9\u00e9\u00e9\u00e9"}}'.encode(),
}


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings)) as client:
        yield client


def assert_refused(answer: httpx.Response) -> Problem:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    assert problem.request_id == answer.headers["x-request-id"]
    return problem


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_malformed_json_is_refused_on_every_route(client: httpx.AsyncClient, body: bytes):
    for method, path in JSON_ROUTES:
        headers = {"content-type": "application/json"}
        assert_refused(await client.request(method, path, content=body, headers=headers))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_malformed_forms_are_refused_on_every_route(client: httpx.AsyncClient, body: bytes):
    headers = {"content-type": "multipart/form-data; boundary=frontier"}
    framed = b'--frontier\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + body
    for method, path in FORM_ROUTES:
        for content in (body, framed, framed + b"\r\n--frontier--\r\n"):
            assert_refused(await client.request(method, path, content=content, headers=headers))


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json; charset=\x81\xfe",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\u00e9".encode().decode("latin-1"),
        'multipart/form-data; boundary="',
        "multipart/mixed; boundary=a",
        ";;;===",
        "application/json" * 500,
    ],
)
async def test_other_content_types_are_refused(client: httpx.AsyncClient, content_type: str):
    for method, path in (*JSON_ROUTES, *FORM_ROUTES, ("POST", "/v1/garments/bulk")):
        answer = await client.request(
            method, path, content=b"{}", headers={"content-type": content_type.encode("latin-1")}
        )
        assert_refused(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/garments/a/b", 404),
        ("GET", "/v1/garments/a%2Fb", 404),
        ("PATCH", "/v1/garments/a", 405),
        ("GET", "/v1/search", 405),
        ("DELETE", "/v1/model", 405),
        ("BREW", "/v1/model", 405),
        ("GET", "/v1/garments/%00", 422),
        ("GET", "/v1/garments/%0a", 422),
        ("GET", "/v1/garments/%2e%2e", 422),
        ("GET", "/v1/garments/%ff%fe", 422),
        ("GET", "/v1/garments/caf%e9", 422),
        ("GET", "/v1/garments?catlog=x", 422),
        ("DELETE", "/v1/garments/x?catlog=x", 422),
        ("POST", "/v1/search?limit=5", 422),
        ("GET", "/v1/garments/" + "x" * 257, 422),
        ("GET", "/v1/garments/x?catalog=NO", 422),
        ("GET", "/v1/garments/x?catalog=%ff", 422),
        ("GET", "/v1/garments/x?catalog=", 422),
        ("GET", "/v1/garments?limit=0", 422),
        ("GET", "/v1/garments?limit=" + "9" * 5000, 422),
        ("GET", "/v1/garments?limit=nan", 422),
        ("GET", "/v1/garments?cursor=%21", 422),
        ("GET", "/v1/garments?cursor=_w", 422),
        ("GET", "/v1/garments?cursor=a", 422),
        ("GET", "/v1/garments?cursor=%C3%A9", 422),
        ("GET", "/v1/model?include=weights", 422),
        ("GET", "/v1/garments/x/image?catalog=../..", 422),
    ],
)
async def test_addresses_that_lead_nowhere_say_so(
    client: httpx.AsyncClient, method: str, path: str, status: int
):
    answer = await client.request(method, path)
    assert_refused(answer)
    assert answer.status_code == status


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ("query", "attributes", "where", "limit", "offset", "include_self", "a", "b", "pairs")
) | st.sampled_from(("items", "keep", "image", "metadata"))


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=st.dictionaries(FIELDS, JSON_VALUES, max_size=5), junk=st.binary(max_size=60))
async def test_no_json_document_breaks_the_service(
    client: httpx.AsyncClient, document: dict[str, object], junk: bytes
):
    if "query" in document or "where" in document:
        document["query"] = {"values": {"collar": "shirt"}}
    for method, path in JSON_ROUTES:
        for body in (json.dumps(document).encode(), junk):
            headers = {"content-type": "application/json"}
            answer = await client.request(method, path, content=body, headers=headers)
            assert answer.status_code < 500, (path, body)


async def test_a_body_that_is_announced_too_large_is_refused_before_it_is_read(settings: Settings):
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with client_of(create_app(settings)) as client:
        answer = await client.post(
            "/v1/search",
            content=body(),
            headers={"content-type": "application/json", "content-length": "99999999999"},
        )
    assert assert_refused(answer).status == 413


async def test_a_body_without_announced_length_is_refused_once_it_is_too_large(settings: Settings):
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 16
            yield bytes(1 << 16)

    small = settings.model_copy(update={"max_request_mib": 1})
    async with client_of(create_app(small)) as client:
        answer = await client.post(
            "/v1/search", content=body(), headers={"content-type": "application/json"}
        )
    assert assert_refused(answer).status == 413
    assert sent <= 2 << 20


async def test_an_image_over_the_limit_is_refused(settings: Settings):
    small = settings.model_copy(update={"max_image_mib": 1})
    async with client_of(create_app(small)) as client:
        answer = await client.post("/v1/embeddings", files={"image": bytes((1 << 20) + 1)})
    problem = assert_refused(answer)
    assert (problem.code, problem.status) == ("image_too_large", 413)


async def test_unknown_fields_are_refused_with_those_allowed(client: httpx.AsyncClient):
    top = assert_refused(await client.post("/v1/search", json={"querry": {}}))
    assert "querry: unknown field; allowed: query, attributes, where" in top.detail
    inner = assert_refused(
        await client.post("/v1/compare/batch", json={"pairs": [{"a": {"link": "x"}, "b": {}}]})
    )
    assert inner.errors is not None
    messages = {tuple(error.loc): error.msg for error in inner.errors}
    assert messages["pairs", 0, "a", "link"] == (
        "unknown field; allowed: base64, url, garment_id, catalog"
    )
    form = assert_refused(await client.post("/v1/embeddings", files={"file": b"x"}))
    assert form.detail == "unknown form field 'file'; allowed: image, attributes, include"


async def test_an_uploads_content_is_not_echoed(client: httpx.AsyncClient):
    answer = await client.post("/v1/search", json={"limit": "SECRET", "query": {"base64": 5}})
    assert_refused(answer)
    assert "SECRET" not in answer.text


async def test_a_value_that_may_be_of_two_kinds_is_told_of_by_its_own_name_and_kind(
    client: httpx.AsyncClient,
):
    query = {"values": {"collar": "shirt"}}
    weight = await client.post("/v1/search", json={"query": query, "attributes": {"collar": 0}})
    assert assert_refused(weight).detail == "attributes.collar: Input should be greater than 0"
    items = [{"id": "x", "image": {}}, 7]
    item = assert_refused(await client.post("/v1/rerank", json={"query": query, "items": items}))
    assert item.errors is not None
    assert [tuple(error.loc) for error in item.errors] == [
        ("items", 0, "image"),
        ("items", 1),
        ("items", 1),
    ]


async def test_a_missing_field_is_named_with_its_place(client: httpx.AsyncClient):
    answer = await client.post("/v1/compare/batch", json={"pairs": [{"a": {"garment_id": "x"}}]})
    assert assert_refused(answer).detail == "pairs.0.b: Field required"


@pytest.mark.parametrize("name", ["x" * 257, "a%0Ab", "a/b", "%2e%2e"])
async def test_an_id_that_no_garment_can_have_is_refused_in_words(
    client: httpx.AsyncClient, name: str
):
    detail = assert_refused(await client.get(f"/v1/garments/{name}")).detail
    assert "garment" in detail
    assert "pattern" not in detail
    assert "Value error" not in detail


async def test_a_compressed_body_is_refused_as_what_it_is(client: httpx.AsyncClient):
    for path, kind in (("/v1/search", "json"), ("/v1/garments/bulk", "x-ndjson")):
        headers = {"content-type": f"application/{kind}", "content-encoding": "gzip"}
        answer = await client.post(path, content=gzip.compress(b"{}"), headers=headers)
        problem = assert_refused(answer)
        assert (problem.status, problem.code) == (415, "unsupported_media_type")
        assert "gzip" in problem.detail


async def test_a_refused_method_is_answered_with_all_that_the_path_takes(
    client: httpx.AsyncClient,
):
    answer = await client.patch("/v1/garments/x")
    assert answer.headers["allow"] == "DELETE, GET, PUT"
    assert "allowed: DELETE, GET, PUT" in assert_refused(answer).detail


async def test_a_query_parameter_that_is_not_known_is_named_with_those_allowed(
    client: httpx.AsyncClient,
):
    listed = assert_refused(await client.get("/v1/garments?catlog=x"))
    assert listed.detail == ("unknown query parameter 'catlog'; allowed: catalog, cursor, limit")
    shown = await client.post("/v1/embeddings?include=attention&catalog=x", json={"images": []})
    assert "images" in assert_refused(shown).detail
