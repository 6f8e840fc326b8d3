import inspect
import json
import logging

import httpx
import pytest
from fastapi import FastAPI, Query, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from model import similarity
from model.pixels import UndecodableImage
from service import errors
from service.catalog.store import InvalidGarment, StoreError
from service.catalog.where import InvalidFilter
from service.errors import (
    InvalidRequest,
    Overloaded,
    ServiceError,
    as_service_error,
    install_error_handlers,
    problem,
)


class Body(BaseModel):
    price: float


TREE = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, ServiceError)
]


def app_raising(error=None):
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/fails")
    def fails():
        raise error

    @app.post("/reads")
    def reads(body: Body, limit: int = Query(default=1, ge=1)):
        return body

    @app.get("/named")
    def named(request: Request):
        request.state.request_id = "r-7"
        raise InvalidRequest("no")

    return app


async def ask(app, method, path, **request):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **request)


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
async def test_every_error_answers_with_its_own_problem(error):
    response = await ask(app_raising(error("the sentence")), "GET", "/fails")
    document = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == document["status"] == error.status
    assert document["code"] == error.code
    assert document["type"] == f"urn:lapel:problem:{error.code}"
    assert document["title"] == error.title
    assert document["detail"] == "the sentence"
    assert document["instance"] == "/fails"
    assert document["request_id"]
    assert "errors" not in document
    assert ("retry-after" in response.headers) is error.retry


def test_codes_are_stable_words_and_only_our_side_asks_to_retry():
    assert {error.code: error.status for error in TREE} == {
        "internal_error": 500,
        "invalid_request": 422,
        "invalid_filter": 422,
        "invalid_image": 422,
        "unknown_attribute": 422,
        "unknown_value": 422,
        "attribute_not_visible": 422,
        "garment_not_found": 404,
        "import_not_found": 404,
        "invalid_feed": 422,
        "feed_too_large": 413,
        "webhook_not_configured": 404,
        "administration_off": 404,
        "not_authorized": 401,
        "invalid_model": 422,
        "model_too_large": 413,
        "model_change_running": 409,
        "model_unavailable": 503,
        "invalid_signature": 401,
        "image_not_stored": 404,
        "image_too_large": 413,
        "image_url_not_allowed": 422,
        "image_url_unreachable": 422,
        "image_url_timeout": 422,
        "unsupported_media_type": 415,
        "overloaded": 503,
        "shutting_down": 503,
        "store_unavailable": 503,
    }
    assert all(error.retry is (error.status == 503) for error in TREE)


async def test_retry_after_may_be_given_by_the_one_who_knows():
    response = await ask(app_raising(Overloaded("full", retry_after_s=7)), "GET", "/fails")
    assert response.headers["retry-after"] == "7"


async def test_a_request_named_by_a_middleware_keeps_its_name():
    response = await ask(app_raising(), "GET", "/named")
    assert response.json()["request_id"] == "r-7"


async def test_validation_names_each_field_and_repeats_no_input():
    response = await ask(
        app_raising(), "POST", "/reads?limit=0", json={"price": "a secret that is no price"}
    )
    document = response.json()
    assert response.status_code == 422
    assert document["code"] == "invalid_request"
    assert {tuple(error["loc"]) for error in document["errors"]} == {
        ("query", "limit"),
        ("body", "price"),
    }
    assert all(set(error) == {"loc", "msg", "type"} for error in document["errors"])
    assert "(and 1 more)" in document["detail"]
    assert "secret" not in response.text


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'"\\ud800"', b"[" * 10_000, b"NaN", b""])
async def test_a_body_that_cannot_be_read_is_a_problem(body):
    response = await ask(
        app_raising(), "POST", "/reads", content=body, headers={"content-type": "application/json"}
    )
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


async def test_what_the_framework_refuses_is_a_problem_and_keeps_its_headers():
    unknown = await ask(app_raising(), "GET", "/nowhere")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert "/nowhere" in unknown.json()["detail"]
    method = await ask(app_raising(), "DELETE", "/fails")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "GET"
    assert "DELETE; allowed: GET" in method.json()["detail"]
    odd = await ask(app_raising(HTTPException(499, "gone")), "GET", "/fails")
    assert odd.status_code == odd.json()["status"] == 499


RAISED_BELOW = {
    errors.InvalidImage: UndecodableImage("why"),
    errors.UnknownAttribute: similarity.UnknownAttribute("why"),
    errors.UnknownValue: similarity.UnknownValue("why"),
    errors.InvalidFilter: InvalidFilter("price.lte", "why"),
    errors.InvalidRequest: InvalidGarment("why"),
    errors.StoreUnavailable: StoreError("why"),
}


@pytest.mark.parametrize(
    ("ours", "raised"), RAISED_BELOW.items(), ids=lambda item: getattr(item, "__name__", "")
)
def test_what_the_rooms_below_raise_becomes_ours(ours, raised):
    translated = as_service_error(raised)
    assert type(translated) is ours
    assert ("why" in translated.detail) is (ours.status < 500)


async def test_domain_errors_reach_the_caller_through_the_handler(caplog):
    image = await ask(app_raising(UndecodableImage("the file is empty")), "GET", "/fails")
    assert (image.status_code, image.json()["detail"]) == (422, "the file is empty")
    store = await ask(app_raising(StoreError("/secret/catalog.db is locked")), "GET", "/fails")
    assert (store.status_code, store.json()["code"]) == (503, "store_unavailable")
    assert "secret" not in store.text
    assert "/secret/catalog.db" in caplog.text


async def test_the_unforeseen_tells_the_log_everything_and_the_caller_nothing(caplog):
    with caplog.at_level(logging.ERROR):
        response = await ask(app_raising(KeyError("a password")), "GET", "/fails")
    document = response.json()
    assert (response.status_code, document["code"]) == (500, "internal_error")
    assert "password" not in response.text
    assert document["request_id"]
    assert "a password" in caplog.text


async def test_a_detail_that_utf8_cannot_carry_is_answered_all_the_same():
    response = await ask(app_raising(InvalidRequest("field '\ud800'")), "GET", "/fails")
    assert response.status_code == 422
    assert json.loads(response.content)["detail"] == "field '\ud800'"


def test_a_problem_alone_carries_no_empty_members():
    assert set(problem(Overloaded("full"))) == {"type", "title", "status", "detail", "code"}
    located = InvalidRequest("bad", errors=[{"loc": ["a"], "msg": "m", "type": "t"}])
    document = problem(located, instance="/v1/x", request_id="r")
    assert document["errors"] == [{"loc": ["a"], "msg": "m", "type": "t"}]
    assert (document["instance"], document["request_id"]) == ("/v1/x", "r")
