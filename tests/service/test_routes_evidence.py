"""Evidence asked for, fetched again, listed, reported, verified and deleted over HTTP."""

import base64
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import rfc8785
from redis_process import RedisProcess

from api_schemas.card import ModelCard
from api_schemas.evidence import EvidenceAnswer, EvidenceList, VerificationAnswer
from api_schemas.problems import Problem
from model import encoder as encoding
from model import pixels
from model.encoder import Encoder
from service.app import create_app
from service.evidence.examiner import FOLDER
from service.evidence.local_store import DATABASE, LocalEvidence
from service.evidence.making import Maker, Side
from service.routes.answers import identity
from service.settings import Settings
from tests.conftest import client_of
from tests.service.evidence.evidence_records import (
    edited_copy,
    laying,
    on_a_floor,
    with_evidence,
)

Photo = Callable[[int], bytes]


def change_cards(monkeypatch: pytest.MonkeyPatch, change: Callable[[ModelCard], ModelCard]) -> None:
    """Every model that is loaded from now on has its card changed."""
    read = encoding._read_card
    monkeypatch.setattr(encoding, "_read_card", lambda *given: change(read(*given)))


@pytest.fixture(autouse=True)
def _a_model_with_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    change_cards(monkeypatch, with_evidence)


@pytest.fixture(params=["folder", "redis"])
async def either(
    request: pytest.FixtureRequest, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    """The service on a folder, and on a Redis."""
    if request.param == "redis":
        process: RedisProcess = request.getfixturevalue("redis_process")
        settings = settings.model_copy(update={"store": process.url})
    async with client_of(create_app(settings)) as client:
        yield client


def in_base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


async def made(client: httpx.AsyncClient, photo: Photo, a: int = 1, b: int = 2) -> EvidenceAnswer:
    files = {"image_a": photo(a), "image_b": photo(b)}
    answer = await client.post("/v1/evidence", files=files)
    assert answer.status_code == 201, answer.text
    found = EvidenceAnswer.model_validate_json(answer.content)
    assert answer.headers["location"] == f"/v1/evidence/{found.id}"
    return found


async def refused(client: httpx.AsyncClient, **body: object) -> tuple[int, Problem]:
    answer = await client.post("/v1/evidence", **body)  # type: ignore[arg-type]
    return answer.status_code, Problem.model_validate_json(answer.content)


async def test_evidence_lives_from_its_making_to_its_end(either: httpx.AsyncClient, photo: Photo):
    found = await made(either, photo)
    again = await either.get(f"/v1/evidence/{found.id}")
    assert EvidenceAnswer.model_validate_json(again.content) == found
    assert found.attention is None

    verified = VerificationAnswer.model_validate_json(
        (await either.get(f"/v1/evidence/{found.id}/verify")).content
    )
    assert (verified.unaltered, verified.reproduced) == (True, True), verified
    assert verified.sha256 == found.sha256

    page = await either.get(f"/v1/evidence/{found.id}/report")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert found.sha256 in page.text

    assert (await either.delete(f"/v1/evidence/{found.id}")).status_code == 204
    for path in ("", "/report", "/verify"):
        gone = await either.get(f"/v1/evidence/{found.id}{path}")
        assert (gone.status_code, gone.json()["code"]) == (404, "evidence_not_found")
    assert (await either.delete(f"/v1/evidence/{found.id}")).status_code == 404


async def test_whoever_has_the_answer_can_compute_its_hash(client: httpx.AsyncClient, photo: Photo):
    answer = await client.post(
        "/v1/evidence", json={"a": in_base64(photo(1)), "b": in_base64(photo(2))}
    )
    document = json.loads(answer.content)["document"]
    assert hashlib.sha256(rfc8785.dumps(document)).hexdigest() == answer.json()["sha256"]
    assert document["pictures"]["a"]["sha256"] == hashlib.sha256(photo(1)).hexdigest()


async def test_exchanged_pictures_laid_on_each_other_are_found_alike_and_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    change_cards(monkeypatch, laying)
    source = on_a_floor(1, 101)
    files = {"image_a": source, "image_b": edited_copy(source)}
    backward = {"image_a": files["image_b"], "image_b": files["image_a"]}
    copies = []
    async with client_of(create_app(settings)) as client:
        for given in (files, backward):
            answer = await client.post("/v1/evidence", files=given)
            found = EvidenceAnswer.model_validate_json(answer.content)
            assert found.document.edited_copy is not None
            copies.append(found.document.edited_copy)
            verified = (await client.get(f"/v1/evidence/{found.id}/verify")).json()
            assert (verified["unaltered"], verified["reproduced"]) == (True, True), verified
            page = await client.get(f"/v1/evidence/{found.id}/report")
            assert "the line is the frame of" in page.text
    forth, back = copies
    assert (forth.decision, back.decision) == ("b_is_copy_of_a", "a_is_copy_of_b")
    assert (forth.a_is_copy_of_b, forth.b_is_copy_of_a) == (
        back.b_is_copy_of_a,
        back.a_is_copy_of_b,
    )
    there, here = forth.alignment, back.alignment
    assert there is not None
    assert here is not None
    assert there.points > 20
    assert (there.points, there.agreement, there.mirrored) == (
        *(here.points, here.agreement, here.mirrored),
    )
    assert (there.shown_of_a, there.a_in_b) == (here.shown_of_b, here.b_in_a)
    assert (there.shown_of_b, there.b_in_a) == (here.shown_of_a, here.a_in_b)


async def test_a_list_is_paged_newest_first(either: httpx.AsyncClient, photo: Photo):
    ids = [(await made(either, photo, 1, b)).id for b in (2, 3, 4)]
    listed, cursor = [], None
    while True:
        params = {"limit": 2, "cursor": cursor or ""}  # an empty one begins
        answer = await either.get("/v1/evidence", params=params)
        page = EvidenceList.model_validate_json(answer.content)
        listed += page.evidence
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(each.id for each in listed) == sorted(ids)
    times = [each.created_at for each in listed]
    assert times == sorted(times, reverse=True)
    assert all(each.outcome and each.name_a == "picture A" for each in listed)


async def test_a_garment_of_a_catalog_is_examined_by_its_file(
    client: httpx.AsyncClient, photo: Photo
):
    await client.put("/v1/garments/shirt-17", files={"image": photo(1)}, params={"catalog": "own"})
    answer = await client.post(
        "/v1/evidence",
        json={
            "a": {"garment_id": "shirt-17", "catalog": "own"},
            "b": in_base64(photo(2)),
            "name_b": "seen in a window",
        },
    )
    pictures = EvidenceAnswer.model_validate_json(answer.content).document.pictures
    assert (pictures.a.name, pictures.b.name) == ("shirt-17", "seen in a window")
    direct = await made(client, photo)
    assert pictures.a.sha256 == direct.document.pictures.a.sha256
    assert [a.similarity for a in direct.document.attributes] == [
        None if each["similarity"] is None else pytest.approx(each["similarity"], abs=1e-4)
        for each in answer.json()["document"]["attributes"]
    ]


async def test_a_policy_is_made_whole_with_the_models_own(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    own = (await made(client, photo)).document.policy
    names = encoder.card.attribute_names[:3]
    asked = {"name": "strict", "max_chance": 0.02, "attributes": dict.fromkeys(names, 1.0)}
    files = {"image_a": photo(1), "image_b": photo(2)}
    data = {"policy": json.dumps(asked), "attributes": list(names), "name_a": "one"}
    answer = await client.post("/v1/evidence", files=files, data=data)
    document = EvidenceAnswer.model_validate_json(answer.content).document
    assert document.policy.model_dump() == own.model_dump() | asked
    assert [each.name for each in document.attributes] == list(names)
    assert document.background.false_accusation_interval is None
    assert document.pictures.a.name == "one"


@pytest.mark.parametrize(
    ("policy", "part"),
    [
        ({"min_points": 99}, "min_points is 99, which nobody can reach"),
        ({"max_chance": 0}, "policy.max_chance"),
        ({"min_probability": 1.5}, "policy.min_probability"),
        ({"attributes": {}}, "policy.attributes"),
        ({"attributes": {"collar": -1}}, "policy.attributes.collar"),
        ({"chance": 0.1}, "allowed: name, attributes, max_chance"),
    ],
)
async def test_a_policy_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, photo: Photo, policy: dict[str, object], part: str
):
    body = {"a": in_base64(photo(1)), "b": in_base64(photo(2)), "policy": policy}
    status, problem = await refused(client, json=body)
    assert (status, problem.code) == (422, "invalid_request")
    assert part in problem.detail


async def test_a_policy_that_counts_none_of_the_attributes_asked_for_is_refused(
    client: httpx.AsyncClient, photo: Photo, encoder: Encoder
):
    one, other = encoder.card.attribute_names[:2]
    body = {"a": in_base64(photo(1)), "b": in_base64(photo(2)), "attributes": [one]}
    status, problem = await refused(
        client, json={**body, "policy": {"attributes": {other: 1}, "min_points": 1}}
    )
    assert status == 422
    assert f"none of the attributes asked for ({one}) counts" in problem.detail


@pytest.mark.parametrize("where", ["attributes", "policy"])
async def test_an_unknown_attribute_is_refused_before_an_image_is_read(
    client: httpx.AsyncClient, where: str
):
    asked = ["colar"] if where == "attributes" else {"attributes": {"colar": 1}}
    body = {"a": {"garment_id": "none"}, "b": {"garment_id": "none"}, where: asked}
    status, problem = await refused(client, json=body)
    assert (status, problem.code) == (422, "unknown_attribute")


async def test_a_picture_that_cannot_be_read_is_named(client: httpx.AsyncClient, photo: Photo):
    status, problem = await refused(client, files={"image_a": photo(1), "image_b": b"no picture"})
    assert (status, problem.code) == (422, "invalid_image")
    assert "image 2 of 2" in problem.detail


async def test_a_model_without_figures_is_a_problem_of_its_own(
    settings: Settings, photo: Photo, monkeypatch: pytest.MonkeyPatch
):
    change_cards(monkeypatch, lambda card: card.model_copy(update={"evidence": None}))
    files = {"image_a": photo(1), "image_b": photo(2)}
    async with client_of(create_app(settings)) as client:
        for data in ({}, {"policy": "{}"}):
            status, problem = await refused(client, files=files, data=data)
            assert (status, problem.code) == (409, "evidence_unavailable")
            assert "has no evidence figures" in problem.detail


async def test_attention_comes_when_it_is_asked_for(client: httpx.AsyncClient, photo: Photo):
    found = await made(client, photo)
    grid = found.document.attention
    answer = await client.get(f"/v1/evidence/{found.id}", params={"attention": "grid"})
    maps = EvidenceAnswer.model_validate_json(answer.content).attention
    assert maps is not None
    assert [each.name for each in maps] == [each.name for each in found.document.attributes]
    for each in maps:
        assert isinstance(each.a, list)
        assert (len(each.a), len(each.a[0])) == (grid.rows, grid.columns)
        assert sum(map(sum, each.a)) == pytest.approx(1, abs=1e-3)
    files = {"image_a": photo(1), "image_b": photo(2)}
    params = {"attention": "overlay"}
    data = {"attributes": found.document.attributes[0].name}
    drawn = await client.post("/v1/evidence", files=files, data=data, params=params)
    (only,) = drawn.json()["attention"]
    assert only["b"].startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    ("params", "accept", "kind"),
    [
        ({}, "*/*", "text/html"),
        ({}, "application/pdf", "application/pdf"),
        ({}, "text/html,application/xhtml+xml,application/pdf;q=0.9", "text/html"),
        ({"format": "pdf"}, "text/html", "application/pdf"),
        ({"format": "html"}, "application/pdf", "text/html"),
    ],
)
async def test_a_report_is_html_unless_pdf_is_asked_for(
    client: httpx.AsyncClient, photo: Photo, params: dict[str, str], accept: str, kind: str
):
    found = await made(client, photo)
    answer = await client.get(
        f"/v1/evidence/{found.id}/report", params=params, headers={"accept": accept}
    )
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.content.startswith(b"%PDF" if kind.endswith("pdf") else b"<!doctype html>")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_report_is_of_a_known_kind_and_paper(client: httpx.AsyncClient, photo: Photo):
    found = await made(client, photo)
    for params in ({"format": "docx"}, {"paper": "a5"}):
        answer = await client.get(f"/v1/evidence/{found.id}/report", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_altered_evidence_is_told_and_gets_no_report(settings: Settings, photo: Photo):
    async with client_of(create_app(settings)) as client:
        found = await made(client, photo)
    path = settings.store / FOLDER / DATABASE  # type: ignore[operator]
    with sqlite3.connect(path) as database:
        (text,) = database.execute("SELECT document FROM evidence").fetchone()
        altered = json.loads(text) | {"verdict": {"outcome": "alike"}}
        database.execute("UPDATE evidence SET document = ?", (json.dumps(altered),))
    database.close()
    async with client_of(create_app(settings)) as client:
        verified = (await client.get(f"/v1/evidence/{found.id}/verify")).json()
        assert (verified["unaltered"], verified["reproduced"]) == (False, None)
        assert verified["checks"][0]["name"] == "document"
        assert verified["checks"][0]["holds"] is False
        for path in ("/report", "?attention=grid"):
            answer = await client.get(f"/v1/evidence/{found.id}{path}")
            assert (answer.status_code, answer.json()["code"]) == (409, "evidence_altered")
        (entry,) = (await client.get("/v1/evidence")).json()["evidence"]
        assert entry == {"id": found.id, "sha256": found.sha256}


async def test_another_models_evidence_is_unaltered_and_not_computed_again(
    settings: Settings, photo: Photo, encoder: Encoder
):
    maker = Maker(with_evidence(encoder.card), identity(encoder) | {"fingerprint": "0" * 16}, "0")
    embedding = encoder.encode(pixels.decode(photo(1), encoder.card.preprocessing)[None])[0]
    found = maker.make(Side("a", photo(1), embedding), Side("b", photo(1), embedding))
    store = LocalEvidence(settings.store / FOLDER)  # type: ignore[operator]
    await store.add(found)
    await store.close()
    async with client_of(create_app(settings)) as client:
        verified = (await client.get(f"/v1/evidence/{found.id}/verify")).json()
        assert (verified["unaltered"], verified["reproduced"]) == (True, None)
        assert "0" * 16 in verified["checks"][-1]["detail"]
        assert (await client.get(f"/v1/evidence/{found.id}/report")).status_code == 200


async def test_files_are_not_kept_where_the_service_keeps_none(settings: Settings, photo: Photo):
    settings = settings.model_copy(update={"store_images": False})
    async with client_of(create_app(settings)) as client:
        found = await made(client, photo)
        verified = (await client.get(f"/v1/evidence/{found.id}/verify")).json()
        assert (verified["unaltered"], verified["reproduced"]) == (True, None)
        page = await client.get(f"/v1/evidence/{found.id}/report")
        assert "The files were not kept" in page.text
        answer = await client.get(f"/v1/evidence/{found.id}", params={"attention": "overlay"})
        assert (answer.status_code, answer.json()["code"]) == (404, "image_not_stored")
    database = settings.store / FOLDER / DATABASE  # type: ignore[operator]
    assert photo(1) not in database.read_bytes()


async def test_a_hostile_name_is_shown_and_never_obeyed(client: httpx.AsyncClient, photo: Photo):
    name = "<script>alert(1)</script>"
    body = {"a": in_base64(photo(1)), "b": in_base64(photo(2)), "name_a": name}
    found = (await client.post("/v1/evidence", json=body)).json()
    assert found["document"]["pictures"]["a"]["name"] == name
    page = await client.get(f"/v1/evidence/{found['id']}/report")
    assert name not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


@pytest.mark.parametrize("id", ["x", "0" * 32, "..", "%ff", "%00" * 8, "0" * 31 + "G"])
async def test_an_id_that_there_is_not_is_not_found(either: httpx.AsyncClient, id: str):
    answer = await either.get(f"/v1/evidence/{id}/verify")
    assert answer.status_code == 404


@pytest.mark.parametrize("cursor", ["!", "%ff", "AAA", "_w"])
async def test_a_foreign_cursor_is_refused_or_leads_nowhere(either: httpx.AsyncClient, cursor: str):
    answer = await either.get(f"/v1/evidence?cursor={cursor}")
    assert answer.status_code in (200, 422)


async def test_an_address_lends_its_name_without_what_may_be_secret(
    client: httpx.AsyncClient, photo: Photo
):
    from api_schemas.images import ImageReference
    from service.routes.evidence import _called

    source = ImageReference(url="https://me:word@shop.example/a/b.jpg?signature=secret#part")
    assert _called(source, "A") == "shop.example/a/b.jpg"
