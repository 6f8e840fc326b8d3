import base64
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from api_schemas.compare import MAX_PAIRS, CompareAnswer, CompareBatchAnswer
from api_schemas.problems import Problem
from model import similarity
from model.encoder import Encoder, ImageEmbedding
from model.pixels import decode

Photo = Callable[[int], bytes]


def in_base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


def embedded(encoder: Encoder, image: bytes) -> ImageEmbedding:
    return encoder.encode(decode(image, encoder.card.preprocessing)[np.newaxis])[0]


async def test_two_files_are_compared_in_every_attribute(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    files = {"image_a": photo(1), "image_b": photo(2)}
    response = await client.post("/v1/compare", files=files)
    answer = CompareAnswer.model_validate_json(response.content)
    a, b = embedded(encoder, photo(1)), embedded(encoder, photo(2))
    names = encoder.card.attribute_names
    assert tuple(answer.attributes) == names
    assert answer.model.fingerprint == encoder.fingerprint
    for expected in similarity.compare(a, b, encoder.card, names):
        read = answer.attributes[expected.name]
        assert (read.similarity is None) == (expected.similarity is None)
        assert read.a.value == expected.a.value
        # Images of one batch differ from the same images alone in the last bits.
        for got, want in (
            (read.similarity, expected.similarity),
            (read.same_value_probability, expected.same_value_probability),
            (read.b.visible, expected.b.visible),
        ):
            assert got == (None if want is None else pytest.approx(want, abs=1e-4))


async def test_the_three_ways_to_name_an_image_give_one_answer(
    client: httpx.AsyncClient, photo: Photo
):
    await client.put("/v1/garments/one", files={"image": photo(1)})
    await client.put("/v1/garments/two", files={"image": photo(2)}, params={"catalog": "other"})
    bodies = [
        {"a": in_base64(photo(1)), "b": in_base64(photo(2))},
        {"a": {"garment_id": "one"}, "b": {"garment_id": "two", "catalog": "other"}},
    ]
    answers = [(await client.post("/v1/compare", json=body)).json() for body in bodies]
    answers.append(
        (await client.post("/v1/compare", files={"image_a": photo(1), "image_b": photo(2)})).json()
    )
    for name, expected in answers[0]["attributes"].items():
        for other in answers[1:]:
            got = other["attributes"][name]
            assert got["a"]["value"] == expected["a"]["value"]
            # float16 in the catalog
            assert got["similarity"] == pytest.approx(expected["similarity"], abs=2e-3)


async def test_only_the_attributes_asked_for_are_answered_in_their_order(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    names = [encoder.card.attribute_names[i] for i in (2, 0)]
    form = await client.post(
        "/v1/compare",
        files={"image_a": photo(1), "image_b": photo(2)},
        data={"attributes": names},
    )
    body = {"a": in_base64(photo(1)), "b": in_base64(photo(2)), "attributes": names}
    assert list(form.json()["attributes"]) == names
    assert (await client.post("/v1/compare", json=body)).json() == form.json()


async def test_an_attribute_that_is_not_visible_has_no_similarity(
    client: httpx.AsyncClient, photo: Photo
):
    seen = set()
    for number in range(12):
        files = {"image_a": photo(number), "image_b": photo(number + 1)}
        answer = CompareAnswer.model_validate_json(
            (await client.post("/v1/compare", files=files)).content
        )
        for each in answer.attributes.values():
            both = min(each.a.visible, each.b.visible) >= similarity.VISIBLE_THRESHOLD
            seen.add(both)
            assert (each.similarity is not None) == both
            assert (each.same_value_probability is not None) == both
            assert (each.a.value is not None) == (each.a.visible >= similarity.VISIBLE_THRESHOLD)
    assert False in seen


async def test_an_unknown_attribute_is_refused_with_those_known(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    files = {"image_a": photo(1), "image_b": b"not even an image"}
    answer = await client.post("/v1/compare", files=files, data={"attributes": "colar"})
    problem = Problem.model_validate_json(answer.content)
    assert (answer.status_code, problem.code) == (422, "unknown_attribute")
    assert all(name in problem.detail for name in ("colar", *encoder.card.attribute_names))


async def test_a_bad_image_is_named(client: httpx.AsyncClient, photo: Photo):
    files = {"image_a": photo(1), "image_b": b"not an image"}
    problem = (await client.post("/v1/compare", files=files)).json()
    assert problem["code"] == "invalid_image"
    assert "image 2 of 2" in problem["detail"]


@pytest.mark.parametrize(
    "files",
    [
        [("image_a", b"x")],
        [("image_a", b"x"), ("image_a", b"x")],
        [("image_a", b"x"), ("image_b", b"x"), ("image_b", b"x")],
    ],
)
async def test_each_of_the_two_files_is_needed_once(
    client: httpx.AsyncClient, files: list[tuple[str, bytes]]
):
    answer = await client.post("/v1/compare", files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_bad_pair_fails_alone_and_the_order_is_kept(
    client: httpx.AsyncClient, photo: Photo
):
    one, two = in_base64(photo(1)), in_base64(photo(2))
    pairs = [
        {"a": one, "b": two},
        {"a": {"garment_id": "gone"}, "b": two},
        {"a": one, "b": {"base64": "AAAA"}},
        {"a": two, "b": one},
        {"a": one, "b": {"base64": "?"}},
    ]
    response = await client.post("/v1/compare/batch", json={"pairs": pairs})
    answer = CompareBatchAnswer.model_validate_json(response.content)
    codes = [None if pair.problem is None else pair.problem.code for pair in answer.pairs]
    assert codes == [None, "garment_not_found", "invalid_image", None, "invalid_image"]
    alone = (await client.post("/v1/compare", json=pairs[0])).json()
    assert response.json()["pairs"][0] == {"attributes": alone["attributes"]}
    first, last = answer.pairs[0].attributes, answer.pairs[3].attributes
    assert first is not None
    assert last is not None
    assert {n: c.a for n, c in first.items()} == {n: c.b for n, c in last.items()}


async def test_many_pairs_pass_through_a_short_queue(settings, photo: Photo):
    from service.app import create_app
    from tests.conftest import client_of

    short = settings.model_copy(update={"queue_max_images": 2, "batch_max_images": 2})
    pairs = [{"a": in_base64(photo(n)), "b": in_base64(photo(n + 1))} for n in range(12)]
    async with client_of(create_app(short)) as client:
        answer = await client.post("/v1/compare/batch", json={"pairs": pairs})
    assert all("attributes" in pair for pair in answer.json()["pairs"])


@pytest.mark.parametrize("count", [0, MAX_PAIRS + 1])
async def test_a_batch_has_1_to_256_pairs(client: httpx.AsyncClient, count: int):
    pair = {"a": {"garment_id": "x"}, "b": {"garment_id": "x"}}
    answer = await client.post("/v1/compare/batch", json={"pairs": [pair] * count})
    assert answer.status_code == 422


@pytest.mark.parametrize("text", ["A", "AA", "AA=A", "=AAA", "AAAA\n", "AA AA", "AA-_", "AA==AA=="])
async def test_base64_that_is_not_is_refused(client: httpx.AsyncClient, photo: Photo, text: str):
    body = {"a": in_base64(photo(1)), "b": {"base64": text}}
    answer = await client.post("/v1/compare", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_image"
    assert "base64" in answer.json()["detail"]


async def test_garments_and_images_may_be_mixed(client: httpx.AsyncClient, photo: Photo):
    for number, catalog in ((1, "default"), (2, "other")):
        await client.put(
            "/v1/garments/a", files={"image": photo(number)}, params={"catalog": catalog}
        )
    stored = [{"garment_id": "a"}, {"garment_id": "a", "catalog": "other"}]
    sent = [in_base64(photo(1)), in_base64(photo(2))]
    pairs = [(a, b) for a in (stored[0], sent[0]) for b in (stored[1], sent[1])]
    answers = [
        (await client.post("/v1/compare", json={"a": a, "b": b})).json()["attributes"]
        for a, b in pairs * 2
    ]
    for attributes in answers:
        for name, compared in attributes.items():
            expected = answers[-1][name]
            assert compared["a"]["value"] == expected["a"]["value"]
            assert compared["similarity"] == pytest.approx(expected["similarity"], abs=2e-3)
