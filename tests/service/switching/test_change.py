"""A change of models in one process, step by step."""

import asyncio
import base64
import dataclasses
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from redis_process import RedisProcess

from api_schemas.health import Readiness
from api_schemas.model_change import ModelChangeAnswer
from model.encoder import ModelFileError
from service import services as opening
from service.app import create_app
from service.new_garment import NewGarment
from service.services import Services, open_services
from service.settings import Settings
from service.switching import building, following
from service.switching.board import Board
from tests.conftest import client_of

Photo = Callable[[int], bytes]
TOKEN = "a token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CHANGE = "/v1/model/change"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.02)
    monkeypatch.setattr(building, "AGAIN_S", 0.3)
    monkeypatch.setattr(opening, "DRAIN_S", 0.1)


def settings_on(place: object, **more: object) -> Settings:
    return Settings(store=place, batch_wait_ms=0, admin_token=TOKEN, **more)  # type: ignore[arg-type]


async def put(client: httpx.AsyncClient, id: str, image: bytes) -> None:
    answer = await client.put(f"/v1/garments/{id}", files={"image": image})
    assert answer.status_code in (200, 201), answer.text


async def best(client: httpx.AsyncClient, image: bytes) -> tuple[str, float, str]:
    """Id and score of the first hit, and the model that answered."""
    body = {"query": {"base64": base64.b64encode(image).decode()}, "limit": 1}
    answer = (await client.post("/v1/search", json=body)).json()
    (hit,) = answer["hits"]
    return hit["id"], hit["score"], answer["model"]["fingerprint"]


async def until(client: httpx.AsyncClient, *states: str) -> ModelChangeAnswer:
    async with asyncio.timeout(60):
        while True:
            answer = await client.get(CHANGE, headers=HEADERS)
            change = ModelChangeAnswer.model_validate_json(answer.content)
            if change.state in states:
                return change
            await asyncio.sleep(0.02)


async def test_the_vectors_of_the_new_model_take_the_place_of_the_old_ones(
    place: object, photo: Photo, other_model: bytes, fingerprints: tuple[str, str]
):
    old, new = fingerprints
    app = create_app(settings_on(place))
    async with client_of(app) as client:
        for number in range(5):
            await put(client, f"g{number}", photo(number))
        id, score, model = await best(client, photo(2))
        assert (id, score, model) == ("g2", pytest.approx(1, abs=1e-3), old)
        started = await client.post(CHANGE, content=other_model, headers=HEADERS)
        assert started.status_code == 202
        assert ModelChangeAnswer.model_validate_json(started.content).next == new
        change = await until(client, "idle")
        assert (change.active, change.previous, change.built) == (new, None, 5)
        assert [process.serving for process in change.processes] == [new]
        for number in range(5):
            id, score, model = await best(client, photo(number))
            assert (id, score, model) == (f"g{number}", pytest.approx(1, abs=1e-3), new)
        await put(client, "later", photo(7))
        assert (await best(client, photo(7)))[0] == "later"
        ready = Readiness.model_validate_json((await client.get("/readyz")).content)
        assert (ready.stale_garments, ready.model, ready.fault) == (0, new, None)
        again = await client.post(CHANGE, content=other_model, headers=HEADERS)
        assert again.json()["state"] == "idle"
    async with client_of(create_app(settings_on(place))) as client:
        assert (await client.get("/v1/model")).json()["fingerprint"] == new
        assert (await best(client, photo(2)))[::2] == ("g2", new)


async def test_all_images_of_a_garment_are_built_and_one_that_lacks_a_picture_is_left_out_whole(
    place: object, photo: Photo, other_model: bytes, fingerprints: tuple[str, str]
):
    old, new = fingerprints
    app = create_app(settings_on(place))
    async with client_of(app) as client:
        for number in range(7):  # more pictures than are built together
            files = [("image", photo(number)), ("image", photo(20 + number))]
            await client.put(f"/v1/garments/g{number}", files=files)
        catalog = app.state.services.catalog
        whole = await catalog.get("default", "g0")
        further = dataclasses.replace(whole.further[0], image_sha256="0" * 64)
        await catalog.put("default", [dataclasses.replace(whole, id="half", further=(further,))])
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        held = await until(client, "held")
        assert (held.active, held.built, held.left_out.examples) == (old, 7, ["default/half"])
        await client.delete("/v1/garments/half")
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        await until(client, "idle")
        for number in range(7):
            for picture in (number, 20 + number):
                id, score, model = await best(client, photo(picture))
                assert (id, score, model) == (f"g{number}", pytest.approx(1, abs=1e-3), new)


async def test_what_is_written_while_a_model_is_built_gets_vectors_of_all_its_images(
    place: object, photo: Photo, other_model: bytes, fingerprints: tuple[str, str]
):
    async with client_of(create_app(settings_on(place, store_images=False))) as client:
        await put(client, "bare", photo(1))
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        await until(client, "held")
        files = [("image", photo(number)) for number in (2, 3, 4)]
        assert (await client.put("/v1/garments/new", files=files)).status_code == 201
        change = (await client.get(CHANGE, headers=HEADERS)).json()
        assert (change["built"], change["garments"]) == (1, 2)
        await client.delete("/v1/garments/bare")
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        assert (await until(client, "idle")).active == fingerprints[1]
        for number in (2, 3, 4):
            assert (await best(client, photo(number)))[0] == "new"


async def test_a_model_can_be_changed_back_before_its_vectors_are_dropped(
    place: object,
    photo: Photo,
    other_model: bytes,
    third_model: bytes,
    shipped_model: bytes,
    fingerprints: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
):
    old, new = fingerprints
    monkeypatch.setattr(opening, "DRAIN_S", 3600)
    settings = settings_on(place)
    async with client_of(create_app(settings)) as client:
        await put(client, "g1", photo(1))
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        assert (await until(client, "switched")).previous == old
        await put(client, "g2", photo(2))
        await client.post(CHANGE, content=shipped_model, headers=HEADERS)
        change = await until(client, "switched")
        assert (change.active, change.previous) == (old, new)
        await put(client, "g3", photo(3))
        for number in (1, 2, 3):
            assert (await best(client, photo(number)))[::2] == (f"g{number}", old)
        refused = await client.post(CHANGE, content=third_model, headers=HEADERS)
        assert (refused.status_code, refused.json()["code"]) == (409, "model_change_running")


async def test_garments_left_out_hold_the_switch_back_until_it_is_forced(
    place: object, photo: Photo, other_model: bytes, fingerprints: tuple[str, str]
):
    old, new = fingerprints
    async with client_of(create_app(settings_on(place, store_images=False))) as client:
        await put(client, "bare", photo(1))
    async with client_of(create_app(settings_on(place))) as client:
        await put(client, "pictured", photo(2))
        data = other_model
        await client.post(CHANGE, content=data, headers=HEADERS)
        held = await until(client, "held")
        assert (held.active, held.built, held.garments) == (old, 1, 2)
        assert (held.left_out.without_image, held.left_out.examples) == (1, ["default/bare"])
        assert (await best(client, photo(1)))[::2] == ("bare", old)
        await client.post(CHANGE, content=data, headers=HEADERS, params={"force": "true"})
        await until(client, "idle")
        assert (await best(client, photo(1)))[::2] == ("pictured", new)
        assert (await client.get("/readyz")).json()["stale_garments"] == 1
        await put(client, "bare", photo(1))
        assert (await best(client, photo(1)))[::2] == ("bare", new)


async def test_a_picture_stored_meanwhile_lets_a_held_switch_go_on(
    place: object, photo: Photo, other_model: bytes, fingerprints: tuple[str, str]
):
    async with client_of(create_app(settings_on(place, store_images=False))) as client:
        await put(client, "bare", photo(1))
    async with client_of(create_app(settings_on(place))) as client:
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        await until(client, "held")
        await put(client, "bare", photo(2))
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        assert (await until(client, "idle")).active == fingerprints[1]
        assert (await best(client, photo(2)))[0] == "bare"


async def test_giving_up_drops_what_was_built_and_the_old_model_goes_on(
    place: object,
    photo: Photo,
    other_model: bytes,
    third_model: bytes,
    fingerprints: tuple[str, str],
):
    old, new = fingerprints
    async with client_of(create_app(settings_on(place, store_images=False))) as client:
        await put(client, "bare", photo(1))
    app = create_app(settings_on(place))
    async with client_of(app) as client:
        await put(client, "pictured", photo(2))
        await client.post(CHANGE, content=other_model, headers=HEADERS)
        await until(client, "held")
        refused = await client.post(CHANGE, content=third_model, headers=HEADERS)
        assert (refused.status_code, refused.json()["code"]) == (409, "model_change_running")
        given_up = (await client.delete(CHANGE, headers=HEADERS)).json()
        assert (given_up["state"], given_up["active"], given_up["next"]) == ("idle", old, None)
        store = app.state.services.changes._store
        async with asyncio.timeout(30):
            while await store.models_held() != {old}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            while await store.model_file(new) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await best(client, photo(1)))[::2] == ("bare", old)
        assert (await client.delete(CHANGE, headers=HEADERS)).json()["state"] == "idle"


async def test_what_holds_its_services_before_a_switch_writes_for_the_new_model_after_it(
    place: object, photo: Photo, other_model: bytes, fingerprints: tuple[str, str]
):
    async with open_services(settings_on(place), leads=True, drain_s=0) as services:
        before = services.fixed
        await before.ingest.put("default", [NewGarment("g1", photo(1), {})])
        await services.changes.start(other_model, force=False)
        await idle(services)
        assert services.encoder.fingerprint == fingerprints[1]
        assert before.encoder.fingerprint == fingerprints[0]
        new = [NewGarment("g1", photo(1), {"v": 2}), NewGarment("g2", photo(2), {})]
        assert await before.ingest.put("default", new) == ["replaced", "created"]
        assert await services.catalog.stale() == 0
        assert (await services.catalog.get("default", "g1")).metadata == {"v": 2}


async def test_a_put_that_began_before_a_switch_is_answered_by_the_model_it_began_with(
    place: object, photo: Photo, other_model: bytes, fingerprints: tuple[str, str]
):
    async with open_services(settings_on(place), leads=True, drain_s=60) as services:
        before = services.fixed
        await before.ingest.put("default", [NewGarment("g1", photo(1), {})])
        await services.changes.start(other_model, force=False)
        async with asyncio.timeout(60):
            while services.encoder.fingerprint != fingerprints[1]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for number, is_new in ((1, False), (2, True)):
            garment = NewGarment(f"g{number}", photo(number), {"v": 2})
            written = await before.ingest.put_one("default", garment)
            assert (written.new, written.record.metadata) == (is_new, {"v": 2})
            own = await before.embedder.embed(photo(number))
            assert (written.embedding.vectors == own.vectors).all()
            stored = await services.catalog.get("default", garment.id)
            assert (written.record.vectors == stored.vectors).all()


async def idle(services: Services) -> None:
    async with asyncio.timeout(60):
        while (await services.changes.now()).state != "idle":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_process_that_cannot_open_the_new_model_says_so_and_serves_until_the_drop(
    redis_process: RedisProcess,
    photo: Photo,
    other_model: bytes,
    fingerprints: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
):
    old, new = fingerprints
    load = Board.load

    async def load_all_but_new(self, fingerprint):
        if self is lame and fingerprint == new:
            raise ModelFileError("it does not fit in here")
        return await load(self, fingerprint)

    monkeypatch.setattr(Board, "load", load_all_but_new)
    monkeypatch.setattr(following, "LOAD_AGAIN_S", 0.05)
    settings = settings_on(redis_process.url, model_grace_s=3)
    async with open_services(settings, leads=True, drain_s=0) as able:
        app = create_app(settings)
        async with client_of(app) as client:
            lame = app.state.services.follower._board
            await put(client, "g1", photo(1))
            await able.changes.start(other_model, force=False)
            async with asyncio.timeout(30):
                while able.encoder.fingerprint != new:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            ready = await client.get("/readyz")
            assert ready.status_code == 200
            assert (ready.json()["model"], ready.json()["fault"]) == (
                old,
                "it does not fit in here",
            )
            await able.ingest.put("default", [NewGarment("g2", photo(2), {})])
            assert (await best(client, photo(2)))[::2] == ("g2", old)
            await put(client, "g3", photo(3))
            async with asyncio.timeout(30):
                while await able.catalog.stale():
                    able.follower._builder and able.follower._builder.again()
                    await asyncio.sleep(0.05)
                while (await able.changes.now()).state != "idle":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                while (ready := await client.get("/readyz")).status_code == 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert (ready.status_code, ready.json()["code"]) == (503, "model_unavailable")
            lame = None
            async with asyncio.timeout(30):
                while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            for number in (1, 2, 3):
                assert (await best(client, photo(number)))[::2] == (f"g{number}", new)


async def test_changing_the_model_needs_the_token_and_a_model(
    place: object,
):
    async with client_of(create_app(settings_on(place))) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            for method in ("GET", "POST", "DELETE"):
                answer = await client.request(method, CHANGE, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "not_authorized")
                assert answer.headers["www-authenticate"] == "Bearer"
                is_wrong = "Bearer wrong" in headers.values()
                assert ("is not the one" in answer.json()["detail"]) is is_wrong
        lower = {"Authorization": f"bearer {TOKEN}"}  # a scheme's case does not matter
        assert (await client.get(CHANGE, headers=lower)).status_code == 200
        answer = await client.post(CHANGE, content=b"no model", headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_model")
        assert "/tmp" not in answer.text
        detail = answer.json()["detail"]
        assert detail.startswith("the file that was sent is not a usable ONNX file: ")
        state = (await client.get(CHANGE, headers=HEADERS)).json()
        assert (state["state"], state["next"]) == ("idle", None)
    small = settings_on(place, max_model_mib=1)
    async with client_of(create_app(small)) as client:
        answer = await client.post(CHANGE, content=bytes(2 << 20), headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (413, "model_too_large")
    async with client_of(create_app(Settings(store=place))) as client:  # type: ignore[arg-type]
        answer = await client.get(CHANGE, headers={"Authorization": "Bearer "})
        assert (answer.status_code, answer.json()["code"]) == (404, "administration_off")


async def test_a_store_whose_model_is_lost_says_which(
    place: object, photo: Photo, other_model: bytes, other_file: Path, fingerprints: tuple[str, str]
):
    async with open_services(settings_on(place), leads=True, drain_s=0) as services:
        await services.ingest.put("default", [NewGarment("g1", photo(1), {})])
        await services.changes.start(other_model, force=False)
        await idle(services)
        store = services.changes._store
        await store.keep_file(fingerprints[1], b"damaged")
    with pytest.raises(ModelFileError, match=f"served by the model {fingerprints[1]}, whose file"):
        async with open_services(settings_on(place)):
            pass
    async with open_services(settings_on(place, model_path=other_file)) as services:
        assert services.encoder.fingerprint == fingerprints[1]
        assert await services.catalog.stale() == 0
