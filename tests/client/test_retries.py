"""What is tried again, after how long, and what is not."""

import json
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import httpx
import pytest
from lapel_client import (
    LapelClient,
    NewGarment,
    NotFound,
    ProblemError,
    Retries,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    synchronous,
)
from lapel_client.answers import Problem
from lapel_client.errors import problem_error
from lapel_client.retries import retry_after_s

BUSY = {"type": "t", "title": "busy", "status": 503, "detail": "later", "code": "overloaded"}
ALIVE = httpx.Response(200, json={"status": "ok"})


class Scripted(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Gives one outcome after another; an exception is raised."""

    def __init__(self, *outcomes: httpx.Response | Exception) -> None:
        self._outcomes = iter(outcomes)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self.handle_request(request)


def busy(**headers: str) -> httpx.Response:
    return httpx.Response(503, json=BUSY, headers={"Retry-After": "2"} | headers)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that a client made, none of which takes time."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(synchronous.time, "sleep", pauses.append)
    monkeypatch.setattr(anyio, "sleep", sleep)
    return pauses


def test_a_busy_service_is_asked_again_after_the_time_that_it_names(
    connect: Callable[..., Any], slept: list[float]
):
    transport = Scripted(busy(), busy(), httpx.Response(200, json={"status": "ok"}))
    lapel = connect("http://lapel", transport=transport, retries=Retries(spread=lambda: 0.0))
    assert lapel.healthz().status == "ok"
    assert slept == [2.0, 2.0]


def test_a_service_that_asks_for_longer_than_the_cap_is_not_waited_for(
    connect: Callable[..., Any], slept: list[float]
):
    transport = Scripted(busy(**{"Retry-After": "31"}))
    with pytest.raises(Unavailable) as caught:
        connect("http://lapel", transport=transport).healthz()
    assert caught.value.retry_after_s == 31.0
    assert slept == []


def test_attempts_end(connect: Callable[..., Any], slept: list[float]):
    transport = Scripted(*(busy() for _ in range(9)))
    with pytest.raises(Unavailable):
        connect("http://lapel", transport=transport, retries=Retries(attempts=3)).healthz()
    assert (len(transport.requests), len(slept)) == (3, 2)


def test_a_lost_connection_is_tried_again_with_growing_pauses(
    connect: Callable[..., Any], slept: list[float]
):
    lost = httpx.RemoteProtocolError("lost"), httpx.ConnectError("refused"), httpx.ReadError("")
    transport = Scripted(*lost, httpx.Response(200, json={"status": "ok"}))
    retries = Retries(first_wait_s=1.0, spread=lambda: 0.0)
    connect("http://lapel", transport=transport, retries=retries).healthz()
    assert slept == [1.0, 2.0, 4.0]


def test_a_slow_service_is_not_asked_a_second_time(connect: Callable[..., Any], slept: list[float]):
    transport = Scripted(httpx.ReadTimeout("slow"))
    with pytest.raises(TimedOut, match="ReadTimeout"):
        connect("http://lapel", transport=transport).healthz()
    assert slept == []


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500])
def test_what_would_fail_again_is_not_tried_again(
    connect: Callable[..., Any], slept: list[float], status: int
):
    problem = {**BUSY, "status": status, "code": "no"}
    transport = Scripted(httpx.Response(status, json=problem))
    with pytest.raises(ProblemError) as caught:
        connect("http://lapel", transport=transport).get_garment("one")
    assert isinstance(caught.value, NotFound) == (status == 404)
    assert slept == []


IMPORT = {
    "id": "one",
    "state": "waiting",
    "catalog": "default",
    "options": {
        "currency": None,
        "delete_missing": False,
        "images_per_product": 1,
        "refetch": False,
    },
    "format": "google-text",
    "progress": 0,
    "counts": dict.fromkeys(
        ("created", "deleted", "failed", "fetched", "replaced", "unchanged", "updated"), 0
    ),
    "errors": 0,
    "detail": None,
    "created_at": "",
    "updated_at": "",
}


@pytest.mark.parametrize("form", [{"feed": b"id,title"}, {"url": "https://example.com/feed.xml"}])
def test_a_feed_that_surely_did_not_arrive_is_sent_again_whole(
    connect: Callable[..., Any], slept: list[float], form: dict[str, Any]
):
    never = httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), busy()
    transport = Scripted(*never, httpx.Response(202, json=IMPORT))
    assert connect("http://lapel", transport=transport).post_import(**form).id == "one"
    bodies = [
        body.content.replace(body.headers["content-type"].partition("boundary=")[2].encode(), b"")
        for body in transport.requests
    ]
    assert len(bodies) == 4
    assert len(set(bodies)) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        httpx.RemoteProtocolError("lost"),
        httpx.ReadError("lost"),
        httpx.WriteError("lost"),
        httpx.ReadTimeout("slow"),
        (502, "<html>Bad gateway</html>"),
        (503, "<html>upstream was reset</html>"),
        (503, json.dumps({**BUSY, "code": "store_unavailable"})),
    ],
    ids=repr,
)
def test_a_feed_that_may_have_arrived_is_not_sent_again(
    connect: Callable[..., Any], slept: list[float], outcome: tuple[int, str] | Exception
):
    answers = isinstance(outcome, tuple)
    transport = Scripted(httpx.Response(outcome[0], text=outcome[1]) if answers else outcome)
    with pytest.raises((Unreachable, Unavailable)):
        connect("http://lapel", transport=transport).post_import(b"id,title")
    assert (len(transport.requests), slept) == (1, [])


def test_an_answer_of_a_balancer_is_an_error_with_its_status(connect: Callable[..., Any]):
    answer = httpx.Response(502, text="<html>Bad gateway</html>")
    lapel = connect("http://lapel", transport=Scripted(answer), retries=Retries(attempts=1))
    with pytest.raises(Unavailable) as caught:
        lapel.healthz()
    assert (caught.value.code, caught.value.status) == ("http_502", 502)


def test_a_success_of_another_shape_is_said_to_be_one(connect: Callable[..., Any]):
    lapel = connect("http://lapel", transport=Scripted(httpx.Response(200, text="welcome")))
    with pytest.raises(UnexpectedAnswer, match="no Health"):
        lapel.healthz()


class CutOff(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in odd pieces and then breaks off."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        raise httpx.RemoteProtocolError("peer closed the connection")

    async def __aiter__(self) -> Any:
        for piece in self:
            yield piece


def test_only_lines_without_an_answer_are_sent_again(
    connect: Callable[..., Any], slept: list[float]
):
    cut = CutOff(b'{"line":1,"id":"0","status":"created"}\n{"line":2,"id":', b'"1","status":"crea')
    rest = b'{"line":1,"id":"1","status":"replaced"}\n{"line":2,"id":"2","status":"created"}\n'
    transport = Scripted(httpx.Response(200, stream=cut), httpx.Response(200, content=rest))
    lapel = connect("http://lapel", transport=transport)
    answers = list(lapel.bulk(NewGarment(str(n), b"") for n in range(3)))
    assert [(a.line, a.id, a.status) for a in answers] == [
        (1, "0", "created"),
        (2, "1", "replaced"),
        (3, "2", "created"),
    ]
    first, second = (request.content.splitlines() for request in transport.requests)
    assert second == first[1:]


def test_an_upload_whose_answer_ends_early_without_an_error_goes_on(
    connect: Callable[..., Any], slept: list[float]
):
    transport = Scripted(
        httpx.Response(200, content=b'{"line":1,"id":"0","status":"created"}\n'),
        httpx.Response(200, content=b'{"line":1,"id":"1","status":"created"}\n'),
    )
    lapel = connect("http://lapel", transport=transport)
    assert len(list(lapel.bulk([NewGarment("0", b""), NewGarment("1", b"")]))) == 2


def test_an_answer_to_another_line_is_refused(connect: Callable[..., Any]):
    answer = httpx.Response(200, content=b'{"line":2,"id":"0","status":"created"}\n')
    lapel = connect("http://lapel", transport=Scripted(answer))
    with pytest.raises(UnexpectedAnswer, match="line 2 where 1 was next"):
        list(lapel.bulk([NewGarment("0", b"")]))


def test_an_upload_gives_up_where_nothing_gets_through(
    connect: Callable[..., Any], slept: list[float]
):
    transport = Scripted(*(httpx.ConnectError("refused") for _ in range(9)))
    lapel = connect("http://lapel", transport=transport, retries=Retries(attempts=3))
    with pytest.raises(Unreachable):
        list(lapel.bulk([NewGarment("0", b"")]))
    assert len(transport.requests) == 3


def test_waits_are_drawn_out_but_never_beyond_the_cap():
    retries = Retries(attempts=9, first_wait_s=1.0, longest_wait_s=10.0, spread=lambda: 1.0)
    assert [retries.wait_s(n, None) for n in (1, 2, 3, 4)] == [1.5, 3.0, 6.0, 10.0]
    assert retries.wait_s(1, 8.0) == 10.0
    assert retries.wait_s(9, None) is None


def test_retry_after_is_a_number_or_a_date():
    later = datetime.now(UTC) + timedelta(seconds=100)
    assert retry_after_s("7") == 7.0
    assert 90 < (retry_after_s(format_datetime(later, usegmt=True)) or 0) <= 100
    assert retry_after_s(format_datetime(later - timedelta(days=1), usegmt=True)) == 0.0
    assert [retry_after_s(header) for header in (None, "", "soon", "-1")] == [None] * 4


def test_an_error_survives_the_way_between_processes():
    error = problem_error(Problem.model_validate(BUSY), 2.0)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.problem, again.retry_after_s) == (Unavailable, error.problem, 2.0)


def test_a_client_sends_the_headers_it_was_given():
    transport = Scripted(ALIVE)
    headers = {"Authorization": "Bearer key"}
    with LapelClient("http://lapel/shop", transport=transport, headers=headers) as lapel:
        lapel.healthz()
    (request,) = transport.requests
    assert request.headers["authorization"] == "Bearer key"
    assert str(request.url) == "http://lapel/shop/healthz"
