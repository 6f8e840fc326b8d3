import asyncio
import logging
import re
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from api_schemas.attributes import AttributesAnswer, ModelAnswer
from api_schemas.health import Health, Readiness
from api_schemas.problems import Problem
from model.encoder import Encoder
from service.app import create_app
from service.settings import Settings
from tests.conftest import client_of

Photo = Callable[[int], bytes]


async def test_the_model_is_described_without_prototypes_unless_asked(
    client: httpx.AsyncClient, encoder: Encoder
):
    short = (await client.get("/v1/model")).json()
    ModelAnswer.model_validate_json((await client.get("/v1/model")).content)
    full = (await client.get("/v1/model", params={"include": "prototypes"})).json()
    assert short["fingerprint"] == encoder.fingerprint
    assert "prototypes" not in short["card"]["attributes"][0]
    assert full["card"] == encoder.card.model_dump(mode="json")


async def test_attributes_are_listed_with_their_values(client: httpx.AsyncClient, encoder: Encoder):
    answer = AttributesAnswer.model_validate_json((await client.get("/v1/attributes")).content)
    assert [(a.name, tuple(v.name for v in a.values)) for a in answer.attributes] == [
        (a.name, a.values) for a in encoder.card.attributes
    ]


async def test_liveness_and_readiness(client: httpx.AsyncClient, photo: Photo):
    Health.model_validate_json((await client.get("/healthz")).content)
    await client.put("/v1/garments/a", files={"image": photo(1)})
    answer = await client.get("/readyz")
    assert Readiness.model_validate_json(answer.content).garments == 1


async def test_monitors_may_ask_with_head(client: httpx.AsyncClient):
    for path in ("/healthz", "/readyz"):
        assert (await client.head(path)).status_code == 200


async def test_figures_count_requests_by_route_template_and_images_by_batch(
    client: httpx.AsyncClient, photo: Photo
):
    for name in ("a", "b", "c"):
        await client.put(f"/v1/garments/{name}", files={"image": photo(1)}, params={"catalog": "x"})
    await client.get("/v1/garments/gone")
    await client.get("/nowhere/no-such-place")
    text = (await client.get("/metrics")).text
    figures = dict(re.findall(r"^(\S+) (\S+)$", text, re.MULTILINE))
    template = "/v1/garments/{garment_id}"
    assert figures[f'lapel_requests_total{{method="PUT",route="{template}",status="201"}}'] == "3.0"
    assert figures[f'lapel_requests_total{{method="GET",route="{template}",status="404"}}'] == "1.0"
    assert figures['lapel_requests_total{method="GET",route="unmatched",status="404"}'] == "1.0"
    assert figures["lapel_batch_images_sum"] == "1.0"
    assert figures["lapel_cache_hits_total"] == "2.0"
    assert figures["lapel_cache_misses_total"] == "1.0"
    assert figures["lapel_queue_images"] == "0.0"
    assert figures['lapel_catalog_garments{catalog="x"}'] == "3.0"
    assert "no-such-place" not in text


async def test_two_applications_count_for_themselves(settings: Settings, tmp_path):
    other = settings.model_copy(update={"store": tmp_path / "other"})
    async with client_of(create_app(settings)) as one, client_of(create_app(other)) as two:
        await one.get("/healthz")
        assert 'route="/healthz"' in (await one.get("/metrics")).text
        assert 'route="/healthz"' not in (await two.get("/metrics")).text


async def test_a_request_id_is_kept_or_made(client: httpx.AsyncClient):
    kept = await client.get("/nope", headers={"X-Request-ID": "shop-42"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "shop-42"
    made = await client.get("/healthz")
    assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


@pytest.mark.parametrize("bad", ["a b", "x" * 129, "", "a\tb"])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(
    client: httpx.AsyncClient, bad: str
):
    answer = await client.get("/healthz", headers={"X-Request-ID": bad})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_each_request_leaves_one_line(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, logger="service"):
        await client.get("/v1/garments/gone", headers={"X-Request-ID": "shop-42"})
    (line,) = [
        record.getMessage() for record in caplog.records if record.name.startswith("service")
    ]
    assert re.fullmatch(r"shop-42 GET /v1/garments/\{garment_id\} 404 \d+\.\d ms", line)


async def test_an_unforeseen_error_tells_the_log_and_not_the_caller(
    settings: Settings, caplog: pytest.LogCaptureFixture
):
    app = create_app(settings)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is swordfish")

    async with client_of(app) as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    problem = Problem.model_validate_json(answer.content)
    assert problem.code == "internal_error"
    assert problem.request_id == answer.headers["x-request-id"]
    assert "swordfish" not in answer.text
    assert "swordfish" in caplog.text


async def test_the_services_are_closed_with_the_application(settings: Settings, photo: Photo):
    async with client_of(create_app(settings)) as client:
        await client.put("/v1/garments/a", files={"image": photo(1)})
    async with client_of(create_app(settings)) as client:
        assert (await client.get("/v1/garments/a")).status_code == 200


async def test_a_missing_model_file_stops_the_start(settings: Settings, tmp_path):
    app = create_app(settings.model_copy(update={"model_path": tmp_path / "none.onnx"}))
    with pytest.raises(ValueError, match=r"none\.onnx"):
        async with client_of(app):
            pass


async def test_vectors_are_read_back_bit_for_bit(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    from model.pixels import decode

    answer = await client.post("/v1/embeddings", files={"image": photo(5)})
    sent = answer.json()["results"][0]["attributes"]
    pixels = decode(photo(5), encoder.card.preprocessing)[np.newaxis]
    expected = encoder.encode(pixels)[0]
    for row, name in enumerate(encoder.card.attribute_names):
        read = np.array(sent[name]["vector"], np.float32)
        np.testing.assert_array_equal(read, expected.vectors[row])


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(
    settings: Settings, photo: Photo
):
    narrow = settings.model_copy(update={"queue_max_images": 1, "batch_max_images": 1})
    async with client_of(create_app(narrow)) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/embeddings", files={"image": photo(n)}) for n in range(20))
        )
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) < 20
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_client_that_leaves_is_no_error(
    settings: Settings, caplog: pytest.LogCaptureFixture
):
    app = create_app(settings)
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/search",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    async with app.router.lifespan_context(app):
        with caplog.at_level(logging.INFO, logger="service"):
            await app(scope, receive, send)
    assert sent == []
    assert [record.levelname for record in caplog.records if "499" in record.getMessage()] == [
        "INFO"
    ]
    assert all(record.levelname == "INFO" for record in caplog.records)
