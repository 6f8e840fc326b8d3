import base64
import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from api_schemas.embeddings import MAX_IMAGES, EmbeddingsAnswer
from model.encoder import Encoder
from model.pixels import decode

Photo = Callable[[int], bytes]


async def test_results_come_in_the_order_of_the_files(client: httpx.AsyncClient, photo: Photo):
    numbers = [3, 1, 2, 1]
    together = await client.post(
        "/v1/embeddings", files=[("image", photo(number)) for number in numbers]
    )
    results = EmbeddingsAnswer.model_validate_json(together.content).results
    assert len(results) == 4
    assert results[1] == results[3] != results[0]
    for number, result in zip(numbers, results, strict=True):
        alone = await client.post("/v1/embeddings", files={"image": photo(number)})
        expected = EmbeddingsAnswer.model_validate_json(alone.content).results[0]
        for name, embedding in result.attributes.items():
            assert embedding.vector == pytest.approx(expected.attributes[name].vector, abs=1e-5)


async def test_vectors_have_unit_length_and_the_cards_dimension(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    answer = await client.post("/v1/embeddings", files={"image": photo(1)})
    attributes = EmbeddingsAnswer.model_validate_json(answer.content).results[0].attributes
    assert tuple(attributes) == encoder.card.attribute_names
    for embedding in attributes.values():
        assert len(embedding.vector) == encoder.card.embedding_dimension
        assert np.linalg.norm(embedding.vector) == pytest.approx(1, abs=1e-5)
        assert embedding.norm > 0
        assert embedding.attention is None


async def test_figures_read_back_are_the_networks_bit_by_bit(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    asked = {"files": {"image": photo(1)}, "params": {"include": "attention"}}
    answer = await client.post("/v1/embeddings", **asked)
    expected = encoder.encode(decode(photo(1), encoder.card.preprocessing)[np.newaxis])[0]
    attributes = list(answer.json()["results"][0]["attributes"].values())
    for name, figures in (
        ("vector", expected.vectors),
        ("norm", expected.norms),
        ("attention", expected.attention),
    ):
        read = np.array([attribute[name] for attribute in attributes], np.float32)
        of_attributes = figures[: len(attributes)]  # the space design comes after them
        np.testing.assert_array_equal(read.view(np.uint32), of_attributes.view(np.uint32))


async def test_a_figure_has_no_more_digits_than_a_float32_needs(
    client: httpx.AsyncClient, photo: Photo
):
    answer = await client.post("/v1/embeddings", files={"image": photo(1)})
    text = json.loads(answer.content, parse_float=str)
    for attribute in text["results"][0]["attributes"].values():
        for figure in (attribute["norm"], *attribute["vector"]):
            digits = figure.partition("e")[0].replace(".", "").lstrip("-0")
            assert len(digits) <= 9, figure


async def test_attributes_may_be_chosen(client: httpx.AsyncClient, photo: Photo, encoder: Encoder):
    names = [encoder.card.attribute_names[i] for i in (1, 0)]
    answer = await client.post(
        "/v1/embeddings", files={"image": photo(1)}, data={"attributes": names}
    )
    assert list(answer.json()["results"][0]["attributes"]) == names


@pytest.mark.parametrize(
    "asked", [{"params": {"include": "attention"}}, {"data": {"include": "attention"}}]
)
async def test_attention_maps_sum_to_one(client: httpx.AsyncClient, photo: Photo, asked):
    answer = await client.post("/v1/embeddings", files={"image": photo(1)}, **asked)
    for embedding in answer.json()["results"][0]["attributes"].values():
        attention = np.array(embedding["attention"])
        assert attention.ndim == 2
        assert attention.sum() == pytest.approx(1, abs=1e-4)


async def test_another_thing_to_include_is_refused(client: httpx.AsyncClient, photo: Photo):
    for asked in ({"params": {"include": "x"}}, {"data": {"include": "x"}}):
        answer = await client.post("/v1/embeddings", files={"image": photo(1)}, **asked)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("count", [0, MAX_IMAGES + 1])
async def test_a_request_has_1_to_32_files(client: httpx.AsyncClient, photo: Photo, count: int):
    files = [("image", photo(1))] * count or [("attributes", b"collar")]
    answer = await client.post("/v1/embeddings", files=files)
    assert answer.status_code == 422
    assert f"1 to {MAX_IMAGES}" in answer.json()["detail"]


async def test_as_many_files_as_allowed_are_embedded(client: httpx.AsyncClient, photo: Photo):
    answer = await client.post("/v1/embeddings", files=[("image", photo(1))] * MAX_IMAGES)
    assert len(answer.json()["results"]) == MAX_IMAGES


async def test_json_names_images_as_elsewhere(client: httpx.AsyncClient, photo: Photo):
    await client.put("/v1/garments/g", files={"image": photo(2)}, params={"catalog": "c"})
    image = {"base64": base64.b64encode(photo(1)).decode()}
    body = {"images": [image, {"garment_id": "g"}], "include": ["attention"]}
    answer = await client.post("/v1/embeddings", json=body, params={"catalog": "c"})
    read = EmbeddingsAnswer.model_validate_json(answer.content)
    file = await client.post(
        "/v1/embeddings", files={"image": photo(1)}, params={"include": "attention"}
    )
    assert answer.json()["results"][0] == file.json()["results"][0]
    for attribute in read.results[1].attributes.values():
        assert attribute.attention is None
        assert np.linalg.norm(attribute.vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "body",
    [
        {"images": []},
        {"images": [{"garment_id": "x"}] * (MAX_IMAGES + 1)},
        {"images": [{"garment_id": "x"}], "include": ["weights"]},
        {"images": [{"garment_id": "x"}], "attributes": []},
    ],
)
async def test_json_out_of_bounds_is_refused(client: httpx.AsyncClient, body: dict[str, object]):
    answer = await client.post("/v1/embeddings", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
