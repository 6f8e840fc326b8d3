"""Every operation of the service as one function: arguments in, the HTTP request out.

Both clients send what is built here, so that a request is written down once. What is None is not
sent, and the service's own default holds.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue, ValidationError

from lapel_client import answers
from lapel_client.errors import LapelError, ProblemError, UnexpectedAnswer, problem_error
from lapel_client.images import Document, Image, reference
from lapel_client.retries import retry_after_s

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

Attributes = Mapping[str, float] | Sequence[str]
"""Weights by name, or names that all weigh 1."""
Metadata = Mapping[str, JsonValue]

NOTHING_BEGUN = frozenset(("overloaded", "shutting_down"))
"""Codes of refusals at the door; a balancer's 502 or 504 leaves open what the service did."""


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image among the items of `rerank`, and what the answer is to call it."""

    key: str
    image: Image


@dataclass(frozen=True, slots=True)
class StoredImage:
    """The original bytes of a garment.

    Attributes:
        content: the image file.
        media_type: as the service recognised it.
        etag: names this content; `get_image_if_changed` takes it.
    """

    content: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how its answer is read.

    Attributes:
        once: carried out twice it would do its work twice.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    options: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False

    def answer(self, response: httpx.Response) -> T:
        """What the service answered.

        Raises:
            ProblemError: it refused.
            UnexpectedAnswer: the answer is not of the documented shape.
        """
        if not (response.is_success or response.status_code == HTTPStatus.NOT_MODIFIED):
            raise problem_of(response)
        return self.read(response)

    def may_repeat(self, error: LapelError) -> bool:
        """May it be sent again after this failure, if the failure is one that passes?"""
        if not self.once:
            return True
        if isinstance(error, ProblemError):
            return error.code in NOTHING_BEGUN
        return isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)


def problem_of(response: httpx.Response) -> ProblemError:
    """The error that an answer which has been read stands for.

    What comes from a balancer in between is no problem document; it gets a code of its status.
    """
    wait_s = retry_after_s(response.headers.get("retry-after"))
    try:
        return problem_error(answers.Problem.model_validate_json(response.content), wait_s)
    except ValidationError:
        problem = answers.Problem(
            type="about:blank",
            title=response.reason_phrase or "HTTP error",
            status=response.status_code,
            detail=response.text[:200] or response.reason_phrase,
            code=f"http_{response.status_code}",
        )
        return problem_error(problem, wait_s)


def parse(content: bytes, model: type[M]) -> M:
    """A JSON document of the given model.

    Raises:
        UnexpectedAnswer: it is another.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as exc:
        raise UnexpectedAnswer(f"this is no {model.__name__}: {exc}") from exc


def healthz() -> Call[answers.Health]:
    """Does the process run?"""
    return Call("GET", "/healthz", _as(answers.Health))


def readyz() -> Call[answers.Readiness]:
    """Can the service answer?"""
    return Call("GET", "/readyz", _as(answers.Readiness))


def metrics() -> Call[str]:
    """Figures in the text format of Prometheus."""
    return Call("GET", "/metrics", lambda response: response.text)


def model(*, prototypes: bool = False) -> Call[answers.ModelAnswer]:
    """The model's card."""
    params = {"include": "prototypes"} if prototypes else {}
    return Call("GET", "/v1/model", _as(answers.ModelAnswer), {"params": params})


def attributes() -> Call[answers.AttributesAnswer]:
    """Attributes and their values."""
    return Call("GET", "/v1/attributes", _as(answers.AttributesAnswer))


def embeddings(
    images: Sequence[Image],
    *,
    attributes: Sequence[str] | None = None,
    attention: bool = False,
    catalog: str | None = None,
) -> Call[answers.EmbeddingsAnswer]:
    """Vectors of images."""
    body = _given(
        images=[reference(image) for image in images],
        attributes=_names(attributes),
        include=["attention"] if attention else None,
    )
    return _post("/v1/embeddings", answers.EmbeddingsAnswer, body, catalog)


def compare(
    a: Image,
    b: Image,
    *,
    attributes: Sequence[str] | None = None,
    catalog: str | None = None,
) -> Call[answers.CompareAnswer]:
    """Two images, attribute by attribute."""
    body = _given(a=reference(a), b=reference(b), attributes=_names(attributes))
    return _post("/v1/compare", answers.CompareAnswer, body, catalog)


def compare_batch(
    pairs: Sequence[tuple[Image, Image]],
    *,
    attributes: Sequence[str] | None = None,
    catalog: str | None = None,
) -> Call[answers.CompareBatchAnswer]:
    """Many pairs."""
    written = [{"a": reference(a), "b": reference(b)} for a, b in pairs]
    body = _given(pairs=written, attributes=_names(attributes))
    return _post("/v1/compare/batch", answers.CompareBatchAnswer, body, catalog)


def search(
    image: Image | None = None,
    *,
    values: Mapping[str, str] | None = None,
    replace: Mapping[str, str] | None = None,
    attributes: Attributes | None = None,
    where: Metadata | None = None,
    limit: int | None = None,
    offset: int | None = None,
    include_self: bool | None = None,
    catalog: str | None = None,
) -> Call[answers.SearchAnswer]:
    """Garments like an image, or with these values."""
    body = _given(
        query=_query(image, values, replace),
        attributes=_weights(attributes),
        where=where,
        limit=limit,
        offset=offset,
        include_self=include_self,
    )
    return _post("/v1/search", answers.SearchAnswer, body, catalog)


def rerank(
    image: Image | None = None,
    *,
    items: Sequence[str | NamedImage],
    values: Mapping[str, str] | None = None,
    replace: Mapping[str, str] | None = None,
    attributes: Attributes | None = None,
    keep: float | None = None,
    catalog: str | None = None,
) -> Call[answers.RerankAnswer]:
    """A list of garments and images in the order of an image's attributes."""
    body = _given(
        query=_query(image, values, replace),
        items=[_item(item) for item in items],
        attributes=_weights(attributes),
        keep=keep,
    )
    return _post("/v1/rerank", answers.RerankAnswer, body, catalog)


def catalogs() -> Call[answers.CatalogList]:
    """Every catalog that holds a garment."""
    return Call("GET", "/v1/catalogs", _as(answers.CatalogList))


def list_garments(
    *, cursor: str | None = None, limit: int | None = None, catalog: str | None = None
) -> Call[answers.GarmentList]:
    """One page of a catalog."""
    params = _given(cursor=cursor, limit=limit, catalog=catalog)
    return Call("GET", "/v1/garments", _as(answers.GarmentList), {"params": params})


def put_garment(
    garment_id: str,
    image: Image,
    *,
    metadata: Metadata | None = None,
    catalog: str | None = None,
) -> Call[answers.GarmentAnswer]:
    """Store a garment, or replace it."""
    body = _given(image=reference(image), metadata=metadata)
    options = {"json": body, "params": _given(catalog=catalog)}
    return Call("PUT", _place(garment_id), _as(answers.GarmentAnswer), options)


def get_garment(garment_id: str, *, catalog: str | None = None) -> Call[answers.GarmentAnswer]:
    """Look a garment up."""
    options = {"params": _given(catalog=catalog)}
    return Call("GET", _place(garment_id), _as(answers.GarmentAnswer), options)


def get_image(garment_id: str, *, catalog: str | None = None) -> Call[StoredImage]:
    """A garment's image."""
    options = {"params": _given(catalog=catalog)}
    return Call("GET", f"{_place(garment_id)}/image", _image, options)


def get_image_if_changed(
    garment_id: str, etag: str, *, catalog: str | None = None
) -> Call[StoredImage | None]:
    """A garment's image, unless it is still the one of that tag."""

    def read(response: httpx.Response) -> StoredImage | None:
        return None if response.status_code == HTTPStatus.NOT_MODIFIED else _image(response)

    options = {"params": _given(catalog=catalog), "headers": {"If-None-Match": etag}}
    return Call("GET", f"{_place(garment_id)}/image", read, options)


def delete_garment(garment_id: str, *, catalog: str | None = None) -> Call[None]:
    """Remove a garment."""
    options = {"params": _given(catalog=catalog)}
    return Call("DELETE", _place(garment_id), lambda response: None, options)


def list_imports(*, limit: int | None = None) -> Call[answers.ImportList]:
    """Imports, newest first."""
    options = {"params": _given(limit=limit)}
    return Call("GET", "/v1/imports", _as(answers.ImportList), options)


def post_import(
    feed: Path | bytes | None = None,
    *,
    url: str | None = None,
    currency: str | None = None,
    refetch: bool | None = None,
    delete_missing: bool | None = None,
    catalog: str | None = None,
) -> Call[answers.ImportAnswer]:
    """Import a shop's feed.

    Raises:
        OSError: the file cannot be read.
        TypeError: there is not exactly one feed, or it is none.
    """
    if (feed is None) == (url is None):
        raise TypeError(
            f"give feed or url, one of them; got {'neither' if url is None else 'both'}"
        )
    wanted = _given(currency=currency, refetch=refetch, delete_missing=delete_missing)
    body = {"json": {"url": url} | wanted} if feed is None else _form(feed, wanted)
    options = body | {"params": _given(catalog=catalog)}
    return Call("POST", "/v1/imports", _as(answers.ImportAnswer), options, once=True)


def get_import(import_id: str) -> Call[answers.ImportAnswer]:
    """How far an import is."""
    return Call("GET", _import_place(import_id), _as(answers.ImportAnswer))


def delete_import(import_id: str) -> Call[answers.ImportAnswer]:
    """Cancel an import."""
    return Call("DELETE", _import_place(import_id), _as(answers.ImportAnswer))


def get_errors(import_id: str) -> Call[list[answers.ImportFault]]:
    """What an import could not do."""
    return Call("GET", f"{_import_place(import_id)}/errors", _faults)


def _post(path: str, model: type[M], body: Document, catalog: str | None) -> Call[M]:
    return Call("POST", path, _as(model), {"json": body, "params": _given(catalog=catalog)})


def _as(model: type[M]) -> Callable[[httpx.Response], M]:
    return lambda response: parse(response.content, model)


def _image(response: httpx.Response) -> StoredImage:
    headers = response.headers
    return StoredImage(response.content, headers.get("content-type", ""), headers.get("etag", ""))


def _faults(response: httpx.Response) -> list[answers.ImportFault]:
    return [parse(line, answers.ImportFault) for line in response.content.split(b"\n") if line]


def _form(feed: Path | bytes, fields: Document) -> Document:
    if isinstance(feed, Path):
        feed = feed.read_bytes()
    elif not isinstance(feed, bytes | bytearray | memoryview):
        raise TypeError(f"{type(feed).__name__} is no feed; give bytes, a pathlib.Path or url=")
    # httpx writes bytes in one piece, which for a large feed would outlast the time for a write.
    return {"files": {"feed": ("feed", io.BytesIO(feed))}, "data": fields}


def _given(**arguments: object) -> Document:
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in arguments.items()
        if value is not None
    }


def _place(garment_id: str) -> str:
    return f"/v1/garments/{quote(garment_id, safe='')}"


def _import_place(import_id: str) -> str:
    return f"/v1/imports/{quote(import_id, safe='')}"


def _names(attributes: Sequence[str] | None) -> list[str] | None:
    if attributes is None:
        return None
    return [attributes] if isinstance(attributes, str) else list(attributes)


def _weights(attributes: Attributes | None) -> object:
    if isinstance(attributes, Mapping):
        return {name: float(weight) for name, weight in attributes.items()}
    return _names(attributes)


def _query(
    image: Image | None, values: Mapping[str, str] | None, replace: Mapping[str, str] | None
) -> Document:
    named = {} if image is None else reference(image)
    return named | _given(values=values, replace=replace)


def _item(item: str | NamedImage) -> object:
    return item if isinstance(item, str) else {"key": item.key, "image": reference(item.image)}


def line_of(garment_id: str, image: Image, metadata: Metadata) -> bytes:
    """One line of a bulk upload."""
    document = {"id": garment_id, "image": reference(image), "metadata": dict(metadata)}
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"
