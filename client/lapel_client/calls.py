"""Operations of the service, each as one function: arguments in, the HTTP request out.

Both clients send what is built here, so that a request is written down once. What is None is not
sent, and the service's own default holds. Evidence and screens have modules of their own.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue

from lapel_client import answers
from lapel_client.call import Call, given, names_of, parse, reads
from lapel_client.images import Document, Image, reference

M = TypeVar("M", bound=BaseModel)

CHANGE = "/v1/model/change"

Attributes = Mapping[str, float] | Sequence[str]
"""Weights by name, or names that all weigh 1."""
Metadata = Mapping[str, JsonValue]


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


def healthz() -> Call[answers.Health]:
    """Does the process run?"""
    return Call("GET", "/healthz", reads(answers.Health))


def readyz() -> Call[answers.Readiness]:
    """Can the service answer?"""
    return Call("GET", "/readyz", reads(answers.Readiness))


def metrics() -> Call[str]:
    """Figures in the text format of Prometheus."""
    return Call("GET", "/metrics", lambda response: response.text)


def model(*, prototypes: bool = False) -> Call[answers.ModelAnswer]:
    """The model's card."""
    params = {"include": "prototypes"} if prototypes else {}
    return Call("GET", "/v1/model", reads(answers.ModelAnswer), {"params": params})


def post_change(
    model: Path | bytes, *, force: bool | None = None, token: str | None = None
) -> Call[answers.ModelChangeAnswer]:
    """Change the model; the same file again changes `force` alone.

    Raises:
        OSError: the file cannot be read.
    """
    options = {
        "content": model.read_bytes() if isinstance(model, Path) else bytes(model),
        "params": given(force=force),
        "headers": {"Content-Type": "application/octet-stream"} | _authorization(token),
    }
    return Call("POST", CHANGE, reads(answers.ModelChangeAnswer), options)


def get_change(*, token: str | None = None) -> Call[answers.ModelChangeAnswer]:
    """How far a change of models is."""
    options = {"headers": _authorization(token)}
    return Call("GET", CHANGE, reads(answers.ModelChangeAnswer), options)


def delete_change(*, token: str | None = None) -> Call[answers.ModelChangeAnswer]:
    """Give a change of models up."""
    options = {"headers": _authorization(token)}
    return Call("DELETE", CHANGE, reads(answers.ModelChangeAnswer), options)


def attributes() -> Call[answers.AttributesAnswer]:
    """Attributes and their values."""
    return Call("GET", "/v1/attributes", reads(answers.AttributesAnswer))


def embeddings(
    images: Sequence[Image],
    *,
    attributes: Sequence[str] | None = None,
    attention: bool = False,
    catalog: str | None = None,
) -> Call[answers.EmbeddingsAnswer]:
    """Vectors of images."""
    body = given(
        images=[reference(image) for image in images],
        attributes=names_of(attributes),
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
    body = given(a=reference(a), b=reference(b), attributes=names_of(attributes))
    return _post("/v1/compare", answers.CompareAnswer, body, catalog)


def compare_batch(
    pairs: Sequence[tuple[Image, Image]],
    *,
    attributes: Sequence[str] | None = None,
    catalog: str | None = None,
) -> Call[answers.CompareBatchAnswer]:
    """Many pairs."""
    written = [{"a": reference(a), "b": reference(b)} for a, b in pairs]
    body = given(pairs=written, attributes=names_of(attributes))
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
    body = given(
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
    body = given(
        query=_query(image, values, replace),
        items=[_item(item) for item in items],
        attributes=_weights(attributes),
        keep=keep,
    )
    return _post("/v1/rerank", answers.RerankAnswer, body, catalog)


def catalogs() -> Call[answers.CatalogList]:
    """Every catalog that holds a garment."""
    return Call("GET", "/v1/catalogs", reads(answers.CatalogList))


def list_garments(
    *, cursor: str | None = None, limit: int | None = None, catalog: str | None = None
) -> Call[answers.GarmentList]:
    """One page of a catalog."""
    params = given(cursor=cursor, limit=limit, catalog=catalog)
    return Call("GET", "/v1/garments", reads(answers.GarmentList), {"params": params})


def put_garment(
    garment_id: str,
    image: Image | Sequence[Image],
    *,
    metadata: Metadata | None = None,
    catalog: str | None = None,
) -> Call[answers.GarmentAnswer]:
    """Store a garment, or replace it."""
    body = _image_or_images(image) | given(metadata=metadata)
    options = {"json": body, "params": given(catalog=catalog)}
    return Call("PUT", _place(garment_id), reads(answers.GarmentAnswer), options)


def get_garment(garment_id: str, *, catalog: str | None = None) -> Call[answers.GarmentAnswer]:
    """Look a garment up."""
    options = {"params": given(catalog=catalog)}
    return Call("GET", _place(garment_id), reads(answers.GarmentAnswer), options)


def get_image(
    garment_id: str, *, index: int | None = None, catalog: str | None = None
) -> Call[StoredImage]:
    """One of a garment's images."""
    options = {"params": given(index=index, catalog=catalog)}
    return Call("GET", f"{_place(garment_id)}/image", _image, options)


def get_image_if_changed(
    garment_id: str, etag: str, *, index: int | None = None, catalog: str | None = None
) -> Call[StoredImage | None]:
    """One of a garment's images, unless it is still the one of that tag."""

    def read(response: httpx.Response) -> StoredImage | None:
        return None if response.status_code == HTTPStatus.NOT_MODIFIED else _image(response)

    params = given(index=index, catalog=catalog)
    options = {"params": params, "headers": {"If-None-Match": etag}}
    return Call("GET", f"{_place(garment_id)}/image", read, options)


def delete_garment(garment_id: str, *, catalog: str | None = None) -> Call[None]:
    """Remove a garment."""
    options = {"params": given(catalog=catalog)}
    return Call("DELETE", _place(garment_id), lambda response: None, options)


def list_imports(*, limit: int | None = None) -> Call[answers.ImportList]:
    """Imports, newest first."""
    options = {"params": given(limit=limit)}
    return Call("GET", "/v1/imports", reads(answers.ImportList), options)


def post_import(
    feed: Path | bytes | None = None,
    *,
    url: str | None = None,
    currency: str | None = None,
    refetch: bool | None = None,
    delete_missing: bool | None = None,
    images_per_product: int | None = None,
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
    wanted = given(
        currency=currency,
        refetch=refetch,
        delete_missing=delete_missing,
        images_per_product=images_per_product,
    )
    body = {"json": {"url": url} | wanted} if feed is None else _form(feed, wanted)
    options = body | {"params": given(catalog=catalog)}
    return Call("POST", "/v1/imports", reads(answers.ImportAnswer), options, once=True)


def get_import(import_id: str) -> Call[answers.ImportAnswer]:
    """How far an import is."""
    return Call("GET", _import_place(import_id), reads(answers.ImportAnswer))


def delete_import(import_id: str) -> Call[answers.ImportAnswer]:
    """Cancel an import."""
    return Call("DELETE", _import_place(import_id), reads(answers.ImportAnswer))


def get_errors(import_id: str) -> Call[list[answers.ImportFault]]:
    """What an import could not do."""
    return Call("GET", f"{_import_place(import_id)}/errors", _faults)


def _post(path: str, model: type[M], body: Document, catalog: str | None) -> Call[M]:
    return Call("POST", path, reads(model), {"json": body, "params": given(catalog=catalog)})


def _authorization(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


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


def _place(garment_id: str) -> str:
    if garment_id in ("", ".", "..") or "/" in garment_id:
        # It would be the address of something else.
        raise ValueError(f"{garment_id!r} is no garment's id: it is empty, a path or holds a slash")
    return f"/v1/garments/{quote(garment_id, safe='')}"


def _import_place(import_id: str) -> str:
    return f"/v1/imports/{quote(import_id, safe='')}"


def _weights(attributes: Attributes | None) -> object:
    if isinstance(attributes, Mapping):
        return {name: float(weight) for name, weight in attributes.items()}
    return names_of(attributes)


def _query(
    image: Image | None, values: Mapping[str, str] | None, replace: Mapping[str, str] | None
) -> Document:
    named = {} if image is None else reference(image)
    return named | given(values=values, replace=replace)


def _image_or_images(given: Image | Sequence[Image]) -> Document:
    if isinstance(given, list | tuple):
        return {"images": [reference(image) for image in given]}
    return {"image": reference(cast(Image, given))}


def _item(item: str | NamedImage) -> object:
    return item if isinstance(item, str) else {"key": item.key, "image": reference(item.image)}


def line_of(garment_id: str, image: Image | Sequence[Image], metadata: Metadata) -> bytes:
    """One line of a bulk upload."""
    document = {"id": garment_id, **_image_or_images(image), "metadata": dict(metadata)}
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"
