"""The client knows every operation, every field it may send and every field it may be answered."""

import email
import importlib.util
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lapel_client import (
    AsyncLapelClient,
    CatalogPart,
    ImageUrl,
    LapelClient,
    NamedImage,
    NewGarment,
    Policy,
    StoredGarment,
    answers,
)

REPOSITORY = Path(__file__).parents[2]
CONTRACT = json.loads((REPOSITORY / "tests/service/openapi.json").read_text(encoding="utf-8"))
SCHEMAS = CONTRACT["components"]["schemas"]
REFERENCE = "#/components/schemas/"

# What a shop system calls, not a client.
CALLED_BY_OTHERS = re.compile(r"^/v1/webhooks/")
# Sent as a plain text instead, which the schema allows beside it; and in the body instead.
OTHERWISE_SENT = {"RerankItem.id", "POST /v1/embeddings include"}


WITH_FIELDS = {"application/json", "application/x-ndjson"}


def operations() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Name, method, path and description of each operation."""
    for path, methods in CONTRACT["paths"].items():
        if CALLED_BY_OTHERS.match(path):
            continue
        for method, operation in methods.items():
            suffix = re.sub(r"\W", "_", path) + "_" + method
            yield operation["operationId"].removesuffix(suffix), method.upper(), path, operation


@pytest.fixture(scope="module")
def generate() -> Callable[[dict[str, Any]], str]:
    path = REPOSITORY / "client" / "generate.py"
    spec = importlib.util.spec_from_file_location("lapel_client_generate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Callable[[dict[str, Any]], str] = module.generate
    return made


def test_the_answers_are_those_of_the_contract(generate: Callable[[dict[str, Any]], str]):
    assert generate(CONTRACT) == Path(answers.__file__).read_text(encoding="utf-8"), (
        "the contract changed: "
        "python client/generate.py tests/service/openapi.json > client/lapel_client/answers.py"
    )


def test_a_field_that_becomes_optional_or_new_changes_the_answers(
    generate: Callable[[dict[str, Any]], str],
):
    changed = json.loads(json.dumps(CONTRACT))
    hit = changed["components"]["schemas"]["SearchHit"]
    hit["properties"]["shade"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    hit["required"].remove("metadata")
    text = generate(changed)
    assert "    shade: str | None = None\n" in text
    assert "    metadata: dict[str, JsonValue] = Field(default_factory=dict)\n" in text


def test_a_field_called_as_a_method_of_all_models_gets_a_name_of_its_own(
    generate: Callable[[dict[str, Any]], str],
):
    assert '    copy_: FindingCopy | None = Field(alias="copy")\n' in generate(CONTRACT)
    changed = json.loads(json.dumps(CONTRACT))
    changed["components"]["schemas"]["ScreenFinding"]["required"].remove("copy")
    assert 'copy_: FindingCopy | None = Field(default=None, alias="copy")\n' in generate(changed)


@pytest.mark.parametrize("name", [name for name, *_ in operations()])
def test_every_operation_has_a_method_in_both_clients(name: str):
    ours, theirs = (getattr(cls, name, None) for cls in (LapelClient, AsyncLapelClient))
    assert ours is not None
    assert theirs is not None
    assert inspect.getdoc(ours)
    assert inspect.getdoc(theirs)


def test_both_clients_have_the_same_methods_with_the_same_arguments():
    closing = {"close", "aclose"}
    methods, others = (
        {n: m for n, m in inspect.getmembers(cls, callable) if n[0] != "_" and n not in closing}
        for cls in (LapelClient, AsyncLapelClient)
    )
    assert methods.keys() == others.keys()
    for name, method in methods.items():
        ours, theirs = inspect.signature(method), inspect.signature(others[name])
        assert ours.parameters == theirs.parameters, name


class Recorder(httpx.BaseTransport):
    """Answers nothing of use, and keeps what was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return httpx.Response(404, request=request)


POLICY = Policy(
    name="strict", attributes={"collar": 1}, max_chance=0.01, min_points=4, min_probability=0.9
)


def on_evidence(client: LapelClient) -> list[Callable[[], Any]]:
    """Each operation on evidence with every argument."""
    return [
        lambda: client.post_evidence(
            StoredGarment("one"),
            b"bytes",
            name_a="A",
            name_b="B",
            attributes=["collar"],
            policy=POLICY,
            attention="grid",
            catalog="shop",
        ),
        lambda: client.list_evidence(cursor="c", limit=5),
        lambda: list(client.evidence(page=5)),
        lambda: client.get_evidence("one", attention="overlay"),
        lambda: client.delete_evidence("one"),
        lambda: client.verify_evidence("one"),
        lambda: client.report_evidence("one", format="pdf", paper="letter"),
    ]


def on_screens(client: LapelClient) -> list[Callable[[], Any]]:
    """Each operation on screens with every argument, and both sides in all their forms."""
    both: dict[str, Any] = {"attributes": ["collar"], "policy": POLICY, "limit_per_design": 5}
    part = CatalogPart("shop", {"brand": "Example"})
    return [
        lambda: client.post_screen(
            "ours",
            part,
            max_false_accusation_rate=0.01,
            watch=True,
            notify="https://example.com/hook",
            background=True,
            **both,
        ),
        lambda: client.post_screen("ours", StoredGarment("one", "shop"), max_false_findings=2),
        lambda: list(client.screen("ours", part, max_false_findings=2, **both)),
        lambda: list(
            client.screen([b"bytes", StoredGarment("one", "shop")], part, max_false_findings=2)
        ),
        lambda: list(client.screen(b"bytes", part, max_false_accusation_rate=0.01)),
        lambda: client.list_screens(limit=5),
        lambda: client.get_screen("one"),
        lambda: client.delete_screen("one"),
        lambda: client.get_findings("one", limit=5, offset=5),
        lambda: list(client.findings("one")),
    ]


def everything(client: LapelClient) -> None:
    """Each operation with every argument, in all its forms."""
    catalog = "shop"
    images = [b"bytes", StoredGarment("one", "other"), ImageUrl("https://example.com/a.jpg")]
    query = {"values": {"collar": "shirt"}, "replace": {"collar": "hood"}}
    asked: list[Callable[[], Any]] = [
        client.healthz,
        client.readyz,
        client.metrics,
        client.attributes,
        client.catalogs,
        lambda: client.model(prototypes=True),
        lambda: client.embeddings(images, attributes=["collar"], attention=True, catalog=catalog),
        lambda: client.list_garments(cursor="c", limit=5, catalog=catalog),
        lambda: client.get_garment("one", catalog=catalog),
        lambda: client.get_image("one", index=1, catalog=catalog),
        lambda: client.delete_garment("one", catalog=catalog),
        lambda: client.compare(images[0], images[1], attributes=["collar"], catalog=catalog),
        lambda: client.compare_batch(
            [(images[0], images[1])], attributes=["collar"], catalog=catalog
        ),
        lambda: client.search(
            images[0],
            attributes={"collar": 2},
            where={"price": {"lte": 3}},
            limit=1,
            offset=2,
            include_self=True,
            catalog=catalog,
        ),
        lambda: client.rerank(
            items=["one", NamedImage("two", b"two")],
            attributes=["collar"],
            keep=0.5,
            catalog=catalog,
            values=query["values"],
        ),
        lambda: client.search(StoredGarment("one"), replace=query["replace"]),
        lambda: client.search(values=query["values"]),
        lambda: client.list_imports(limit=5),
        lambda: client.get_import("one"),
        lambda: client.delete_import("one"),
        lambda: client.get_errors("one"),
    ]
    asked += on_evidence(client)
    asked += on_screens(client)
    asked += [
        lambda: client.post_change(b"onnx", force=True, token="secret"),
        lambda: client.get_change(token="secret"),
        lambda: client.delete_change(token="secret"),
    ]
    options = {
        "currency": "EUR",
        "refetch": True,
        "delete_missing": False,
        "images_per_product": 2,
        "catalog": catalog,
    }
    asked.append(lambda: client.post_import(b"id,title", **options))
    asked.append(lambda: client.post_import(url="https://example.com/feed.xml", **options))
    for image in images:
        asked.append(lambda image=image: client.search(image))
    for image in (*images, images):
        asked.append(
            lambda image=image: client.put_garment("one", image, metadata={"a": 1}, catalog=catalog)
        )
        asked.append(
            lambda image=image: list(
                client.bulk([NewGarment("one", image, {"a": 1})], catalog=catalog)
            )
        )
    for ask in asked:
        with pytest.raises(Exception, match="http_404"):
            ask()


@pytest.fixture(scope="module")
def sent() -> list[tuple[str, dict[str, Any], httpx.Request]]:
    """Every request with the operation that the contract describes it by."""
    recorder = Recorder()
    with LapelClient("http://lapel", transport=recorder) as client:
        everything(client)
    found = []
    for request in recorder.requests:
        # A fixed path goes before one with a place for an id in it.
        fitting = [
            (path, operation)
            for _, method, path, operation in operations()
            if method == request.method
            and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path)
        ]
        path, operation = min(fitting, key=lambda candidate: "{" in candidate[0])
        found.append((f"{request.method} {path}", operation, request))
    return found


def test_every_operation_is_asked_as_the_contract_says(sent):
    described = {f"{method} {path}" for _, method, path, _ in operations()}
    assert {name for name, _, _ in sent} == described


def test_every_parameter_can_be_sent_and_no_other_is(sent):
    known, given = set(), set()
    for name, operation, request in sent:
        ours = {
            f"{name} {p['name']}" for p in operation.get("parameters", ()) if p["in"] == "query"
        }
        theirs = {f"{name} {parameter}" for parameter in request.url.params}
        assert theirs <= ours
        known |= ours
        given |= theirs
    assert known - given <= OTHERWISE_SENT


def fields(schema: dict[str, Any], value: Any) -> Iterator[str]:
    """Names of the contract's fields that `value` has, each behind its schema's name."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        if name == "JsonValue":
            return
        properties = SCHEMAS[name].get("properties", {})
        assert value.keys() <= properties.keys(), name
        for key, inner in value.items():
            yield f"{name}.{key}"
            yield from fields(properties[key], inner)
    for choice in schema.get("anyOf", ()):
        if "$ref" not in choice or isinstance(value, dict):
            yield from fields(choice, value)
    if schema.get("type") == "array" and isinstance(value, list):
        for inner in value:
            yield from fields(schema["items"], inner)


def known_fields(schema: dict[str, Any]) -> Iterator[str]:
    """Every field of the contract that a body may have."""
    if schema.get("$ref", REFERENCE + "JsonValue") != REFERENCE + "JsonValue":
        name = schema["$ref"].removeprefix(REFERENCE)
        for key, inner in SCHEMAS[name].get("properties", {}).items():
            yield f"{name}.{key}"
            yield from known_fields(inner)
    for choice in schema.get("anyOf", ()):
        yield from known_fields(choice)
    if isinstance(schema.get("items"), dict):
        yield from known_fields(schema["items"])


def form_of(request: httpx.Request) -> dict[str, bytes]:
    """The parts of a form by name."""
    head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    parts = email.message_from_bytes(head + request.content).get_payload()
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in parts
    }


def test_a_feed_goes_as_a_form_of_the_fields_that_the_contract_has(sent):
    (described, form), *others = [
        (operation["requestBody"]["content"]["multipart/form-data"]["schema"], form_of(request))
        for _, operation, request in sent
        if request.headers.get("content-type", "").startswith("multipart/form-data")
    ]
    assert others == []
    assert form.keys() == described["properties"].keys()
    assert form == {
        "feed": b"id,title",
        "currency": b"EUR",
        "refetch": b"true",
        "delete_missing": b"false",
        "images_per_product": b"2",
    }


def test_every_field_of_every_request_can_be_sent_and_no_other_is(sent):
    known, given = set(), set()
    for _, operation, request in sent:
        described = operation.get("requestBody", {}).get("content", {})
        kind = request.headers.get("content-type", "").partition(";")[0]
        assert kind in described or (not kind and not described)
        if kind in WITH_FIELDS:
            schema = described[kind]["schema"]
            known |= set(known_fields(schema))
            given |= set(fields(schema, json.loads(request.content)))
    assert known - given <= OTHERWISE_SENT
