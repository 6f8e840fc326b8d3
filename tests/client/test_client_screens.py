"""Screens asked for by both clients: at once, line by line, and in the background."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lapel_client import (
    AsyncLapelClient,
    CatalogPart,
    LapelClient,
    NewGarment,
    NotFound,
    NotSigned,
    Policy,
    ProblemError,
    Retries,
    StoredGarment,
    UnexpectedAnswer,
    Unreachable,
    read_notification,
)
from lapel_client.answers import ScreenAnswer, ScreenFinding, ScreenResult, ScreenSummary

from api_schemas.screen_example import FINDINGS, SCREEN, SUMMARY

Photo = Callable[[int], bytes]

PATIENCE_S = 60
EASY = {"policy": Policy(min_points=1, min_probability=0.0), "max_false_accusation_rate": 1.0}
"""A threshold that garments which are the same pass, whatever the model's figures are."""


@pytest.fixture
def market(examiner: Any, photo: Photo) -> Any:
    """Three designs, and suspects that are two of them and one more."""
    ours = [NewGarment(f"d{n}", photo(n)) for n in range(3)]
    suspects = [NewGarment(f"s{n}", photo(n), {"even": n % 2 == 0}) for n in (0, 1, 7)]
    assert len(list(examiner.bulk(ours, catalog="designs"))) == 3
    assert len(list(examiner.bulk(suspects, catalog="market"))) == 3
    return examiner


def pairs(findings: Any) -> set[tuple[str, str]]:
    return {(found.design.id, found.suspect.id) for found in findings}


def test_a_stream_has_the_findings_and_then_the_summary_of_the_answer_at_once(
    market: Any, examiner_url: str
):
    at_once = market.post_screen("designs", "market", **EASY)
    assert isinstance(at_once, ScreenResult)
    assert {("d0", "s0"), ("d1", "s1")} <= pairs(at_once.findings)
    *findings, summary = market.screen("designs", "market", **EASY)
    assert all(isinstance(found, ScreenFinding) for found in findings)
    assert isinstance(summary, ScreenSummary)
    assert summary == at_once.summary
    assert sorted(map(repr, findings)) == sorted(map(repr, at_once.findings))
    body = {
        "designs": {"catalog": "designs"},
        "suspects": {"catalog": "market"},
        "policy": {"min_points": 1, "min_probability": 0.0},
        "max_false_accusation_rate": 1.0,
    }
    said = httpx.post(f"{examiner_url}/v1/screen", json=body).json()
    assert at_once.model_dump(mode="json", by_alias=True) == said


def test_a_side_is_a_catalog_a_part_of_it_or_images(market: Any, photo: Photo, tmp_path: Path):
    part = CatalogPart("market", {"even": True})
    found = market.post_screen("designs", part, **EASY)
    assert {suspect for _, suspect in pairs(found.findings)} == {"s0"}
    (tmp_path / "one.png").write_bytes(photo(1))
    images = [tmp_path / "one.png", StoredGarment("s0", "market")]
    found = market.post_screen("designs", images, **EASY)
    places = {(each.design.id, each.suspect.image) for each in found.findings}
    assert {("d1", 0), ("d0", 1)} <= places
    *findings, _ = market.screen(photo(1), "market", **EASY)
    assert {each.design.image for each in findings} == {0}
    assert "s1" in {each.suspect.id for each in findings}


def test_a_screen_in_the_background_ends_with_the_same_findings(market: Any):
    at_once = market.post_screen("designs", "market", **EASY)
    begun = market.post_screen("designs", "market", background=True, **EASY)
    assert isinstance(begun, ScreenAnswer)
    giving_up = time.monotonic() + PATIENCE_S
    while (screen := market.get_screen(begun.id)).state in ("waiting", "running"):
        assert time.monotonic() < giving_up
        time.sleep(0.05)
    assert (screen.state, screen.summary) == ("done", at_once.summary)
    page = market.get_findings(begun.id, limit=1, offset=1)
    assert (page.findings, page.total) == (at_once.findings[1:2], len(at_once.findings))
    assert list(market.findings(begun.id)) == at_once.findings
    assert market.list_screens(limit=1).screens[0].id == begun.id
    assert market.delete_screen(begun.id).state == "done"
    with pytest.raises(NotFound, match="screen_not_found"):
        list(market.findings("none"))


def test_a_standing_screen_waits_until_it_is_cancelled(market: Any):
    standing = market.post_screen("designs", "market", watch=True, **EASY)
    assert isinstance(standing, ScreenAnswer)
    assert market.delete_screen(standing.id).state == "cancelled"
    with pytest.raises(ProblemError, match="notify_not_allowed"):
        market.post_screen("designs", "market", notify="https://example.com/", **EASY)


class Streamed(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Lines one after another; an exception is raised in its turn."""

    def __init__(self, lines: list[bytes | Exception]) -> None:
        self._lines = lines
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            if isinstance(line, Exception):
                raise line
            yield line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for line in self:
            yield line

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.close()


class Answering(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Gives one stream after another."""

    def __init__(self, *answered: list[bytes | Exception]) -> None:
        self.streams = [Streamed(lines) for lines in answered]
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, stream=self.streams[len(self.requests) - 1])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


FOUND = json.dumps({"finding": FINDINGS[0]}).encode() + b"\n"
ENDED = json.dumps({"summary": SUMMARY}).encode() + b"\n"
BUSY = {"type": "t", "title": "busy", "status": 503, "detail": "later", "code": "store_unavailable"}
BROKEN = json.dumps({"problem": BUSY}).encode() + b"\n"
AT_ONCE = Retries(attempts=2, first_wait_s=0.0)


def test_lines_are_read_however_they_are_cut(connect: Callable[..., Any]):
    whole = FOUND + FOUND + ENDED
    cut: list[bytes | Exception] = [whole[at : at + 100] for at in range(0, len(whole), 100)]
    transport = Answering(cut)
    items = list(connect("http://lapel", transport=transport).screen("designs", "market"))
    expected = [ScreenFinding.model_validate(FINDINGS[0])] * 2
    assert items == [*expected, ScreenSummary.model_validate(SUMMARY)]
    assert transport.requests[0].headers["accept"] == "application/x-ndjson"


def test_a_stream_is_asked_for_again_only_before_its_first_finding(connect: Callable[..., Any]):
    lost = httpx.ReadError("lost")
    transport = Answering([lost], [ENDED])
    lapel = connect("http://lapel", transport=transport, retries=AT_ONCE)
    assert len(list(lapel.screen("designs", "market"))) == 1
    transport = Answering([FOUND, lost], [ENDED])
    lapel = connect("http://lapel", transport=transport, retries=AT_ONCE)
    with pytest.raises(Unreachable, match="ReadError"):
        list(lapel.screen("designs", "market"))
    assert len(transport.requests) == 1


def test_a_stream_that_breaks_off_says_why_where_the_service_did(connect: Callable[..., Any]):
    lapel = connect("http://lapel", transport=Answering([FOUND, BROKEN]), retries=AT_ONCE)
    with pytest.raises(ProblemError, match="store_unavailable: later"):
        list(lapel.screen("designs", "market"))
    lapel = connect("http://lapel", transport=Answering([FOUND]), retries=AT_ONCE)
    with pytest.raises(Unreachable, match="before its last line"):
        list(lapel.screen("designs", "market"))
    lapel = connect("http://lapel", transport=Answering([b"{}\n"]), retries=AT_ONCE)
    with pytest.raises(UnexpectedAnswer, match="neither"):
        list(lapel.screen("designs", "market"))


def test_who_leaves_early_closes_the_connection():
    transport = Answering([FOUND, FOUND, ENDED])
    with LapelClient("http://lapel", transport=transport) as lapel:
        items = lapel.screen("designs", "market")
        next(items)
        assert not transport.streams[0].is_closed
        items.close()  # type: ignore[attr-defined]  # a generator
        assert transport.streams[0].is_closed


async def test_who_leaves_early_closes_the_connection_of_an_asynchronous_client():
    transport = Answering([FOUND, FOUND, ENDED])
    async with AsyncLapelClient("http://lapel", transport=transport) as lapel:
        items = lapel.screen("designs", "market")
        await anext(items)
        assert not transport.streams[0].is_closed
        await items.aclose()  # type: ignore[attr-defined]  # a generator
        assert transport.streams[0].is_closed


NOTIFICATION = {
    "event": "screen.findings",
    "screen": SCREEN["id"],
    "findings": FINDINGS,
    "summary": SUMMARY,
}
BODY = json.dumps(NOTIFICATION).encode()
SIGNATURE = base64.b64encode(hmac.new(b"secret", BODY, hashlib.sha256).digest()).decode()


def test_a_notification_that_the_service_signed_is_read():
    read = read_notification(BODY, SIGNATURE, "secret")
    assert read.model_dump(mode="json", by_alias=True) == NOTIFICATION


@pytest.mark.parametrize(
    ("body", "signature", "secret"),
    [
        (BODY + b" ", SIGNATURE, "secret"),
        (BODY, SIGNATURE, "another"),
        (BODY, SIGNATURE.swapcase(), "secret"),
        (BODY, "", "secret"),
        (BODY, "ü", "secret"),
    ],
    ids=["changed body", "other secret", "changed signature", "no signature", "no base64"],
)
def test_a_notification_that_is_not_signed_as_it_is_is_refused(
    body: bytes, signature: str, secret: str
):
    with pytest.raises(NotSigned, match="X-Lapel-Hmac-Sha256"):
        read_notification(body, signature, secret)
