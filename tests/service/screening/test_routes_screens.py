"""Screens over HTTP: answered at once, streamed, in the background, watching."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from screening_samples import drawn
from webhook_receiver import Receiver, receiving

from api_schemas.screens import (
    ScreenAnswer,
    ScreenFinding,
    ScreenFindings,
    ScreenList,
    ScreenNotification,
    ScreenResult,
    ScreenSummary,
)
from service.app import create_app
from service.routes import screens
from service.screening import garments, notifying, worker
from service.settings import Settings
from tests.conftest import client_of

PATIENCE_S = 60
SECRET = "größer"
LENIENT = {"max_chance": 1.0, "min_points": 1, "min_probability": 0.0}
REQUEST: dict[str, Any] = {
    "designs": {"catalog": "ours"},
    "suspects": {"catalog": "market"},
    "max_false_accusation_rate": 1.0,
    "policy": LENIENT,
}
NDJSON = {"accept": "application/x-ndjson"}


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"image_url_loopback": True, "screen_webhook_secret": SecretStr(SECRET)}
    )


@pytest.fixture
def app(_evidence: None, allowing: Settings) -> FastAPI:
    return create_app(allowing)


@pytest.fixture
async def screening(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        await put(client, "ours", 0, 1)
        await put(client, "market", 0, 5, changed=True)
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


async def put(
    client: httpx.AsyncClient, catalog: str, *numbers: int, changed: bool = False
) -> None:
    for number in numbers:
        answer = await client.put(
            f"/v1/garments/g{number}",
            params={"catalog": catalog},
            files={"image": drawn(number, changed=changed)},
        )
        assert answer.status_code == 201, answer.text


async def until(
    client: httpx.AsyncClient, location: str, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await client.get(location)
            ScreenAnswer.model_validate_json(answer.content)
            if holds(answer.json()):
                return dict(answer.json())
            await asyncio.sleep(0.02)


def in_state(state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda job: bool(job["state"] == state)


def pairs(findings: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["design"]["id"], one["suspect"]["id"]) for one in findings}


ALL_PAIRS = {(f"g{design}", f"g{suspect}") for design in (0, 1) for suspect in (0, 5)}


async def test_a_small_screen_is_answered_at_once(screening: httpx.AsyncClient):
    answer = await screening.post("/v1/screen", json=REQUEST)
    assert answer.status_code == 200, answer.text
    ScreenResult.model_validate_json(answer.content)
    found = answer.json()
    assert pairs(found["findings"]) == ALL_PAIRS
    assert (found["findings"][0]["design"]["id"], found["findings"][0]["suspect"]["id"]) == (
        ("g0", "g0")
    )
    own = hashlib.sha256(drawn(0, changed=True)).hexdigest()
    assert found["findings"][0]["suspect"]["image_sha256"] == own
    summary = found["summary"]
    assert (summary["designs"], summary["suspects"], summary["pairs"]) == (2, 2, 4)
    assert summary["expected_false_findings"] == pytest.approx(
        4 * summary["threshold"]["max_false_accusation_rate"]
    )


@pytest.mark.parametrize("side", ["designs", "suspects"])
@pytest.mark.parametrize("why", ["misspelt", "filtered"])
async def test_a_screen_that_compared_nothing_says_so(
    screening: httpx.AsyncClient, side: str, why: str
):
    nothing = {"catalog": "martek"} if why == "misspelt" else {**REQUEST[side], "where": {"x": 1}}
    request = REQUEST | {side: nothing}
    answer = await screening.post("/v1/screen", json=request)
    found = ScreenResult.model_validate_json(answer.content)
    assert (found.findings, found.summary.pairs) == ([], 0)
    assert found.summary.note is not None
    assert found.summary.note.startswith(f"nothing was compared: no {side} in the catalog")
    streamed = await screening.post("/v1/screen", json=request, headers=NDJSON)
    assert json.loads(streamed.text)["summary"] == found.summary.model_dump()
    taken = await screening.post("/v1/screen", json=request, headers={"prefer": "respond-async"})
    job = await until(screening, taken.headers["location"], in_state("done"))
    assert job["summary"] == found.summary.model_dump()
    whole = await screening.post("/v1/screen", json=REQUEST)
    assert whole.json()["summary"]["note"] is None


async def test_a_watching_screen_of_an_empty_catalog_says_so_until_it_is_filled(
    screening: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "WATCH_S", 0.05)
    later = REQUEST | {"suspects": {"catalog": "later"}, "watch": True}
    taken = await screening.post("/v1/screen", json=later)
    location = taken.headers["location"]
    job = await until(screening, location, in_state("watching"))
    assert job["summary"]["note"].startswith("nothing was compared: no suspects")
    await put(screening, "later", 5)
    job = await until(screening, location, lambda job: job["summary"]["findings"] == 2)
    assert job["summary"]["note"] is None


async def test_the_threshold_may_be_a_number_of_false_findings(screening: httpx.AsyncClient):
    request = {k: v for k, v in REQUEST.items() if k != "max_false_accusation_rate"}
    for wanted in (1.0, 0.2, None):
        given = {} if wanted is None else {"max_false_findings": wanted}
        answer = await screening.post("/v1/screen", json=request | given)
        summary = answer.json()["summary"]
        assert summary["expected_false_findings"] <= (wanted or 1.0) * (1 + 1e-9)
        rate = summary["threshold"]["max_false_accusation_rate"]
        assert summary["expected_false_findings"] == pytest.approx(4 * rate)


async def test_a_stream_has_every_finding_and_then_the_summary(
    screening: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(garments, "PAGE", 1)
    answer = await screening.post("/v1/screen", json=REQUEST, headers=NDJSON)
    assert answer.headers["content-type"] == "application/x-ndjson"
    *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    assert pairs([line["finding"] for line in lines]) == ALL_PAIRS
    for line in lines:
        ScreenFinding.model_validate(line["finding"])
    assert ScreenSummary.model_validate(last["summary"]).findings == 4


async def test_an_upload_and_references_are_suspects(screening: httpx.AsyncClient):
    request = {k: v for k, v in REQUEST.items() if k != "suspects"}
    answer = await screening.post(
        "/v1/screen",
        files=[("image", drawn(0, changed=True)), ("image", drawn(5, changed=True))],
        data={"request": json.dumps(request)},
    )
    assert answer.status_code == 200, answer.text
    ScreenResult.model_validate_json(answer.content)
    uploaded = answer.json()["findings"]
    assert {(one["design"]["id"], one["suspect"]["image"]) for one in uploaded} == {
        (f"g{design}", place) for design in (0, 1) for place in (0, 1)
    }
    reference = {"garment_id": "g0", "catalog": "market"}
    answer = await screening.post(
        "/v1/screen", json=request | {"suspects": {"images": [reference]}}
    )
    (first, _) = answer.json()["findings"]
    assert first["suspect"] == {
        "catalog": "market",
        "id": "g0",
        "image": 0,
        "image_sha256": None,
    }
    design = {"designs": {"images": [reference]}, "suspects": {"catalog": "ours"}}
    answer = await screening.post("/v1/screen", json=REQUEST | design)
    assert {one["suspect"]["id"] for one in answer.json()["findings"]} == {"g0", "g1"}


@pytest.mark.parametrize("why", ["asked for", "large"])
async def test_a_screen_in_the_background_finds_the_same(
    screening: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, why: str
):
    monkeypatch.setattr(garments, "PAGE", 1)
    if why == "large":
        monkeypatch.setattr(screens, "MAX_PAIRS_AT_ONCE", 3)
    prefer = {"prefer": "respond-async"} if why == "asked for" else {}
    at_once = await screening.post("/v1/screen", json=REQUEST, headers=NDJSON)
    taken = await screening.post("/v1/screen", json=REQUEST, headers=prefer)
    assert taken.status_code == 202, taken.text
    accepted = ScreenAnswer.model_validate_json(taken.content)
    location = taken.headers["location"]
    assert location == f"/v1/screens/{accepted.id}"
    job = await until(screening, location, in_state("done"))
    summary = json.loads(at_once.text.splitlines()[-1])["summary"]
    assert (job["progress"], job["request"], job["summary"]) == (1.0, REQUEST, summary)
    page = await screening.get(f"{location}/findings", params={"limit": 3})
    assert ScreenFindings.model_validate_json(page.content).total == 4
    rest = await screening.get(f"{location}/findings", params={"limit": 3, "offset": 3})
    listed = page.json()["findings"] + rest.json()["findings"]
    assert pairs(listed) == ALL_PAIRS
    streamed = await screening.get(f"{location}/findings", headers=NDJSON)
    assert [json.loads(line) for line in streamed.text.splitlines()] == listed
    all_screens = ScreenList.model_validate_json((await screening.get("/v1/screens")).content)
    assert [one.id for one in all_screens.screens] == [accepted.id]


@pytest.mark.usefixtures("_evidence")
async def test_a_screen_goes_on_behind_its_last_page_after_a_restart(
    allowing: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(garments, "PAGE", 1)
    compared: list[str] = []
    whole_page = garments.CatalogSide.page
    hold = asyncio.Event()

    async def watched(self: garments.CatalogSide, after: str, *, since: str = "") -> Any:
        page = await whole_page(self, after, since=since)
        if self.catalog == "market" and page.last is not None:
            if page.last == "g5" and not hold.is_set():
                await asyncio.sleep(3600)
            compared.append(page.last)
        return page

    monkeypatch.setattr(garments.CatalogSide, "page", watched)
    async with client_of(create_app(allowing)) as client:
        await put(client, "ours", 0, 1)
        await put(client, "market", 0, 5, changed=True)
        taken = await client.post("/v1/screen", json=REQUEST, headers={"prefer": "respond-async"})
        await until(client, taken.headers["location"], lambda job: job["progress"] > 0)
    hold.set()
    async with client_of(create_app(allowing)) as client:
        job = await until(client, taken.headers["location"], in_state("done"))
        assert compared == ["g0", "g5"]
        assert (job["summary"]["pairs"], job["summary"]["findings"]) == (4, 4)


async def test_what_is_stored_later_is_screened_and_told_once(
    screening: httpx.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "WATCH_S", 0.05)
    monkeypatch.setattr(notifying, "FIRST_PAUSE_S", 0.05)
    receiver.answers = [503]
    taken = await screening.post(
        "/v1/screen", json=REQUEST | {"watch": True, "notify": {"url": receiver.url}}
    )
    assert taken.status_code == 202, taken.text
    location = taken.headers["location"]
    await until(screening, location, in_state("watching"))
    await asyncio.to_thread(receiver.wait_for, 2)  # the first was refused
    assert receiver.bodies[0] == receiver.bodies[1]
    assert receiver.headers[0]["x-lapel-delivery"] == receiver.headers[1]["x-lapel-delivery"]
    await put(screening, "market", 7)
    await asyncio.to_thread(receiver.wait_for, 3)
    told = [ScreenNotification.model_validate_json(body) for body in receiver.bodies]
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        signed = hmac.digest(SECRET.encode(), body, "sha256")
        assert headers["x-lapel-hmac-sha256"] == base64.b64encode(signed).decode()
    assert {one.suspect.id for one in told[1].findings} == {"g0", "g5"}
    assert {(one.design.id, one.suspect.id) for one in told[2].findings} == {
        ("g0", "g7"),
        ("g1", "g7"),
    }
    ended = await screening.delete(location)
    assert ended.json()["state"] == "cancelled"
    assert (await screening.get(location)).json()["notifications_waiting"] == 0


async def test_a_new_design_is_compared_with_everything(
    screening: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "WATCH_S", 0.05)
    monkeypatch.setattr(worker, "OVERLAP", worker.OVERLAP * 0)
    taken = await screening.post("/v1/screen", json=REQUEST | {"watch": True})
    location = taken.headers["location"]
    await until(screening, location, in_state("watching"))
    await put(screening, "ours", 3)
    await until(screening, location, lambda job: job["summary"]["findings"] == 6)
    job = await until(screening, location, in_state("watching"))
    assert (job["summary"]["designs"], job["summary"]["pairs"]) == (3, 6)


async def test_a_notification_that_never_arrives_is_given_up_and_noted(
    screening: httpx.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notifying, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(notifying, "MAX_ATTEMPTS", 3)
    receiver.answers = [500, 302, 404, 204]
    taken = await screening.post("/v1/screen", json=REQUEST | {"notify": {"url": receiver.url}})
    location = taken.headers["location"]
    await until(screening, location, in_state("done"))
    await until(screening, location, lambda job: not job["notifications_waiting"])
    assert len(receiver.bodies) == 3
    detail = (await screening.get(location)).json()["detail"]
    assert "given up after 3 attempts: it answers 404" in detail


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"suspects": None}, 422, "invalid_request"),
        ({"suspects": {"catalog": "a", "images": [{"url": "http://x"}]}}, 422, "invalid_request"),
        ({"designs": {"images": [{"base64": "eA=="}]}, "watch": True}, 422, "invalid_request"),
        ({"suspects": {"catalog": "market", "where": {"a": []}}}, 422, "invalid_filter"),
        ({"attributes": ["nose"]}, 422, "unknown_attribute"),
        ({"policy": {"min_points": 99}}, 422, "invalid_request"),
        ({"max_false_findings": 3.0}, 422, "invalid_request"),
        ({"suspects": {"images": [{"base64": "eA=="}]}}, 422, "invalid_image"),
        ({"notify": {"url": "http://10.0.0.1:99999/"}}, 422, "notify_not_allowed"),
        ({"notify": {"url": "ftp://hooks.example/"}}, 422, "notify_not_allowed"),
    ],
)
async def test_a_wrong_request_is_refused_by_name(
    screening: httpx.AsyncClient, changes: dict[str, Any], status: int, code: str
):
    answer = await screening.post("/v1/screen", json=REQUEST | changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_an_address_inside_is_not_connected_to(
    screening: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notifying, "MAX_ATTEMPTS", 1)
    notify = {"notify": {"url": "http://10.0.0.1/hook"}}
    taken = await screening.post("/v1/screen", json=REQUEST | notify)
    location = taken.headers["location"]
    await until(screening, location, in_state("done"))
    await until(screening, location, lambda job: not job["notifications_waiting"])
    assert "not on the public internet" in (await screening.get(location)).json()["detail"]


@pytest.mark.usefixtures("_evidence")
async def test_notifications_are_off_without_a_secret(settings: Settings):
    async with client_of(create_app(settings)) as client:
        answer = await client.post(
            "/v1/screen", json=REQUEST | {"notify": {"url": "https://hooks.example/"}}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "notify_not_allowed")
        assert "LAPEL_SCREEN_WEBHOOK_SECRET" in answer.json()["detail"]


async def test_a_screen_that_is_not_there_is_not_found(screening: httpx.AsyncClient):
    for path in ("/v1/screens/x", "/v1/screens/x/findings"):
        answer = await screening.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "screen_not_found")


async def test_empty_catalogs_have_no_findings(screening: httpx.AsyncClient):
    for side in ("designs", "suspects"):
        answer = await screening.post("/v1/screen", json=REQUEST | {side: {"catalog": "none"}})
        found = answer.json()
        assert (found["findings"], found["summary"]["pairs"]) == ([], 0), answer.text
