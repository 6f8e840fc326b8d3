import json
from pathlib import Path
from typing import Any

import pytest

from api_schemas.screens import ScreenLine, ScreenNotification
from service.app import create_app
from service.evidence.canonical import sha256_of
from service.openapi import SCHEMA_PATH, describe
from service.screening import notifying
from service.settings import Settings

STORED = Path(__file__).parent / "openapi.json"
WITHOUT_BODY = {204, 304}


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return json.loads(json.dumps(describe(create_app(Settings()))))


def operations(contract: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    ]


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_contract_is_the_stored_one(contract: dict[str, Any]):
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    stored["info"]["version"] = contract["info"]["version"]
    assert contract == stored, (
        "the contract changed; if that is meant: "
        "python -m service.contract > tests/service/openapi.json"
    )


def test_the_routes_are_these(contract: dict[str, Any]):
    assert {name for name, _ in operations(contract)} == {
        "GET /v1/model",
        "GET /v1/attributes",
        "POST /v1/embeddings",
        "POST /v1/compare",
        "POST /v1/compare/batch",
        "GET /v1/catalogs",
        "GET /v1/garments",
        "POST /v1/garments/bulk",
        "PUT /v1/garments/{garment_id}",
        "GET /v1/garments/{garment_id}",
        "DELETE /v1/garments/{garment_id}",
        "GET /v1/garments/{garment_id}/image",
        "POST /v1/search",
        "POST /v1/rerank",
        "POST /v1/imports",
        "GET /v1/imports",
        "GET /v1/imports/{import_id}",
        "DELETE /v1/imports/{import_id}",
        "GET /v1/imports/{import_id}/errors",
        "POST /v1/evidence",
        "GET /v1/evidence",
        "GET /v1/evidence/{evidence_id}",
        "DELETE /v1/evidence/{evidence_id}",
        "GET /v1/evidence/{evidence_id}/verify",
        "GET /v1/evidence/{evidence_id}/report",
        "POST /v1/screen",
        "GET /v1/screens",
        "GET /v1/screens/{screen_id}",
        "DELETE /v1/screens/{screen_id}",
        "GET /v1/screens/{screen_id}/findings",
        "POST /v1/model/change",
        "GET /v1/model/change",
        "DELETE /v1/model/change",
        "POST /v1/webhooks/shopify",
        "POST /v1/webhooks/woocommerce",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_body_and_every_answer_has_an_example(contract: dict[str, Any]):
    without = []
    for name, operation in operations(contract):
        bodies = {"request": operation.get("requestBody")} if "requestBody" in operation else {}
        for status, described in {**bodies, **operation["responses"]}.items():
            for media_type, content in described.get("content", {}).items():
                if media_type != "image/*" and not content.get("example", content.get("examples")):
                    without.append((name, status, media_type))
    assert without == []


def test_every_route_says_what_it_does_and_how_it_fails(contract: dict[str, Any]):
    for name, operation in operations(contract):
        assert operation["summary"], name
        assert operation["description"], name
        problem = operation["responses"]["default"]["content"]["application/problem+json"]
        assert problem["schema"] == {"$ref": SCHEMA_PATH + "Problem"}, name
        assert "422" not in operation["responses"], name


def test_every_reference_leads_somewhere(contract: dict[str, Any]):
    known = {SCHEMA_PATH + name for name in contract["components"]["schemas"]}
    assert references(contract) <= known


def test_every_post_and_put_documents_its_body(contract: dict[str, Any]):
    for name, operation in operations(contract):
        assert ("requestBody" in operation) == name.startswith(("POST", "PUT")), name


def test_both_kinds_of_body_are_documented_where_both_are_read(contract: dict[str, Any]):
    for path, method in (
        ("/v1/compare", "post"),
        ("/v1/embeddings", "post"),
        ("/v1/evidence", "post"),
        ("/v1/screen", "post"),
        ("/v1/search", "post"),
    ):
        content = contract["paths"][path][method]["requestBody"]["content"]
        assert set(content) == {"application/json", "multipart/form-data"}


def test_every_route_on_garments_takes_a_catalog(contract: dict[str, Any]):
    names = {
        name
        for name, operation in operations(contract)
        if any(p["name"] == "catalog" for p in operation.get("parameters", []))
    }
    assert names == {
        name
        for name, _ in operations(contract)
        if any(word in name for word in ("garments", "compare", "embeddings", "search", "rerank"))
        or name.startswith(("POST /v1/imports", "POST /v1/webhooks", "POST /v1/evidence"))
    }


def test_the_evidence_shown_has_the_hash_of_its_document(contract: dict[str, Any]):
    paths = contract["paths"]
    made, again, verified = (
        paths[path][method]["responses"][status]["content"]["application/json"]["example"]
        for path, method, status in (
            ("/v1/evidence", "post", "201"),
            ("/v1/evidence/{evidence_id}", "get", "200"),
            ("/v1/evidence/{evidence_id}/verify", "get", "200"),
        )
    )
    assert made["sha256"] == sha256_of(made["document"])
    assert made["id"] == made["sha256"][:32]
    assert again == made
    assert (verified["id"], verified["sha256"]) == (made["id"], made["sha256"])


def test_each_line_of_the_stream_shown_is_a_line_of_a_screen(contract: dict[str, Any]):
    content = contract["paths"]["/v1/screen"]["post"]["responses"]["200"]["content"]
    lines = content["application/x-ndjson"]["example"].splitlines()
    read = [ScreenLine.model_validate_json(line) for line in lines]
    assert [line.model_fields_set for line in read] == [{"finding"}, {"summary"}]


def test_a_notification_is_described_with_what_it_is_signed_by(contract: dict[str, Any]):
    sent = contract["webhooks"]["screen.findings"]["post"]
    headers = {parameter["name"] for parameter in sent["parameters"]}
    assert headers == {notifying.SIGNATURE, notifying.DELIVERY, notifying.EVENT}
    (example,) = sent["requestBody"]["content"]["application/json"]["examples"].values()
    assert ScreenNotification.model_validate(example["value"]).event == "screen.findings"


async def test_the_contract_is_served(client):
    answer = await client.get("/openapi.json")
    assert answer.json()["info"]["title"] == "Lapel"
    assert "/v1/compare" in answer.json()["paths"]
