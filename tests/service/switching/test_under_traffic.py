"""Models are changed under constant traffic over HTTP, and a service is killed while it builds."""

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import Server

Photo = Callable[[int], bytes]
TOKEN = "a token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CHANGE = "/v1/model/change"
FIRST = 24
PATIENCE_S = 120


def pictures(photo: Photo, number: int) -> list[tuple[str, bytes]]:
    """Of every third of the first garments there are two, of others one."""
    numbers = [number, 200 + number] if number % 3 == 0 else [number]
    return [("image", photo(one)) for one in numbers]


class Traffic:
    """Searchers and a writer per server, from construction until `stop`."""

    def __init__(self, servers: list[Server], photo: Photo) -> None:
        self.failures: list[str] = []
        self.answered: dict[str, int] = {}
        self.stored = {f"first-{n}": n for n in range(FIRST)}
        self.deleted: set[str] = set()
        self._photo = photo
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(work, server, place))
            for place, server in enumerate(servers)
            for work in (self._search, self._write)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: Callable[[httpx.Client, int], None], server: Server, place: int):
        with httpx.Client(base_url=server.url, timeout=60) as client:
            turn = 0
            while not self._stopping.is_set():
                try:
                    work(client, turn * 7 + place)
                except Exception as exc:
                    self.failures.append(repr(exc))
                turn += 1

    def _search(self, client: httpx.Client, turn: int) -> None:
        """Question and answer are of one model exactly if the garment finds itself whole."""
        number = turn % FIRST
        wanted = f"first-{number}"
        by_pictures = [
            {"base64": base64.b64encode(data).decode()} for _, data in pictures(self._photo, number)
        ]
        by_picture = by_pictures[0]
        for query in (*by_pictures, {"garment_id": wanted}):
            body = {"query": query, "limit": 1000, "include_self": True}
            answer = client.post("/v1/search", json=body)
            assert answer.status_code == 200, answer.text
            document = answer.json()
            hits = {hit["id"]: (hit["score"], hit["image_index"]) for hit in document["hits"]}
            score, index = hits.get(wanted, (-2.0, 0))
            assert score > 0.998, (wanted, score, query.keys())
            assert index == (query in by_pictures[1:]), (wanted, index)
            fingerprint = document["model"]["fingerprint"]
            self.answered[fingerprint] = self.answered.get(fingerprint, 0) + 1
        body = {"a": by_picture, "b": {"garment_id": wanted}}
        answer = client.post("/v1/compare", json=body)
        assert answer.status_code == 200, answer.text
        compared = [one["similarity"] for one in answer.json()["attributes"].values()]
        assert min(one for one in compared if one is not None) > 0.998
        time.sleep(0.05)

    def _write(self, client: httpx.Client, turn: int) -> None:
        id = f"new-{turn}"
        files = [("image", self._photo(FIRST + turn % 60 + 100 * n)) for n in range(1 + turn % 3)]
        answer = client.put(f"/v1/garments/{id}", files=files)
        assert answer.status_code == 201, answer.text
        self.stored[id] = FIRST + turn % 60
        if turn % 3 == 0:
            assert client.delete(f"/v1/garments/{id}").status_code == 204
            del self.stored[id]
            self.deleted.add(id)
        else:
            again = client.put(f"/v1/garments/{id}", files={"image": self._photo(turn % 90)})
            assert again.status_code == 200, again.text
            self.stored[id] = turn % 90
        time.sleep(0.05)


def fill(server: Server, photo: Photo, count: int) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for number in range(count):
            files = pictures(photo, number)
            answer = client.put(f"/v1/garments/first-{number}", files=files)
            assert answer.status_code == 201, answer.text


def wait(server: Server, done: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        state = httpx.get(server.url + CHANGE, headers=HEADERS, timeout=30).json()
        if done(state):
            return state
        time.sleep(0.02)
    raise AssertionError(f"not yet: {state}")


def found(server: Server) -> set[str]:
    body = {"query": {"values": {"collar": "shirt"}}, "limit": 1000}
    document = httpx.post(server.url + "/v1/search", json=body, timeout=60).json()
    assert document["total"] == len(document["hits"])
    return {hit["id"] for hit in document["hits"]}


@pytest.mark.slow
def test_no_request_fails_and_no_answer_mixes_models_while_the_model_changes(
    place: object,
    start_server: Callable[..., Server],
    photo: Photo,
    other_model: bytes,
    fingerprints: tuple[str, str],
):
    old, new = fingerprints
    options = {"store": place, "admin_token": TOKEN, "onnx_threads": 1}
    servers = [start_server(**options) for _ in range(1 if isinstance(place, Path) else 2)]
    fill(servers[0], photo, FIRST)
    traffic = Traffic(servers, photo)
    try:
        time.sleep(1)
        started = httpx.post(
            servers[-1].url + CHANGE, content=other_model, headers=HEADERS, timeout=60
        )
        assert started.status_code == 202, started.text
        wait(servers[0], lambda state: state["state"] == "idle" and state["active"] == new)
        time.sleep(1)
    finally:
        traffic.stop()
    assert traffic.failures == []
    assert min(traffic.answered[old], traffic.answered[new]) > 0
    for server in servers:
        ready = httpx.get(server.url + "/readyz").json()
        assert (ready["model"], ready["stale_garments"], ready["fault"]) == (new, 0, None)
        assert found(server) == set(traffic.stored)
        for id, number in list(traffic.stored.items())[:: max(1, len(traffic.stored) // 30)]:
            query = {"base64": base64.b64encode(photo(number)).decode()}
            body = {"query": query, "limit": 1000}
            hits = httpx.post(server.url + "/v1/search", json=body, timeout=60).json()["hits"]
            assert {hit["id"]: hit["score"] for hit in hits}[id] > 0.998


@pytest.mark.slow
def test_a_service_killed_while_it_builds_serves_the_old_model_and_goes_on_building(
    place: object,
    start_server: Callable[..., Server],
    photo: Photo,
    other_model: bytes,
    fingerprints: tuple[str, str],
):
    old, new = fingerprints
    count = 60
    options = {"store": place, "admin_token": TOKEN, "onnx_threads": 1}
    first = start_server(**options)
    fill(first, photo, count)
    httpx.post(first.url + CHANGE, content=other_model, headers=HEADERS, timeout=60)
    wait(first, lambda state: 0 < state["built"] < count and state["next"] == new)
    late = httpx.put(f"{first.url}/v1/garments/late", files={"image": photo(count)}, timeout=60)
    assert late.status_code == 201
    first.kill()

    second = start_server(**options)
    body = {"query": {"base64": base64.b64encode(photo(7)).decode()}, "limit": 1000}
    answer = httpx.post(second.url + "/v1/search", json=body, timeout=60).json()
    assert answer["model"]["fingerprint"] == old
    assert {hit["id"]: hit["score"] for hit in answer["hits"]}["first-7"] > 0.998
    everything = {f"first-{n}" for n in range(count)} | {"late"}
    assert found(second) == everything
    wait(second, lambda state: state["active"] == new)
    assert found(second) == everything
    assert httpx.get(second.url + "/readyz").json()["stale_garments"] == 0
