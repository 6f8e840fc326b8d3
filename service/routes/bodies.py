"""Reading request bodies: bounded while they stream in, then JSON or a multipart form.

Routes read their body here instead of declaring it, for one pass over the bytes and one kind of
error; `service.openapi` documents the bodies. The limit also holds without a Content-Length.
"""

import functools
from collections.abc import Collection
from typing import NamedTuple, NoReturn, TypeVar

from fastapi import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from service.errors import ImageTooLarge, InvalidRequest, UnsupportedMediaType
from service.validation import told

JSON = "application/json"
FORM = "multipart/form-data"
NDJSON = "application/x-ndjson"
MAX_PARTS = 1_000
PLAIN_ENCODINGS = ("binary", "8bit", "7bit")

M = TypeVar("M", bound=BaseModel)


class Part(NamedTuple):
    """One field of a form."""

    name: str
    content: bytes


class Form:
    """The fields of a multipart body."""

    def __init__(self, parts: list[Part], allowed: Collection[str]) -> None:
        for part in parts:
            if part.name not in allowed:
                raise InvalidRequest(
                    f"unknown form field {part.name[:100]!r}; allowed: {', '.join(allowed)}"
                )
        self._parts = parts

    def files(self, name: str) -> list[bytes]:
        """Contents of every field of that name."""
        return [part.content for part in self._parts if part.name == name]

    def file(self, name: str) -> bytes:
        """Contents of the one field of that name."""
        files = self.files(name)
        if len(files) != 1:
            raise InvalidRequest(f"form field {name!r} is needed once; got {len(files)} of it")
        return files[0]

    def texts(self, name: str) -> list[str] | None:
        """Each field of that name as text; None when there is none."""
        try:
            return [content.decode("utf-8") for content in self.files(name)] or None
        except UnicodeDecodeError:
            raise InvalidRequest(f"form field {name!r} is not UTF-8 text") from None

    def json(self, name: str) -> bytes | None:
        """The field of that name, unparsed; None when there is none."""
        return self.file(name) if self.files(name) else None


class ContentType(NamedTuple):
    """A Content-Type header, taken apart; the name in lower case, empty when there is none."""

    name: str
    parameters: dict[str, str]
    header: str

    def require(self, *allowed: str) -> None:
        """Refuse a type that is not one of these.

        Raises:
            UnsupportedMediaType: naming those that are.
        """
        if self.name not in allowed:
            raise UnsupportedMediaType(
                f"content type {self.header[:100]!r}; allowed: {', '.join(allowed)}"
            )
        charset = self.parameters.get("charset", "utf-8").lower()
        if self.name != FORM and charset not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedMediaType(f"charset {charset[:40]!r}; JSON is read as utf-8")


async def read_json(request: Request, model: type[M], max_bytes: int) -> M:
    """The body as JSON of the given model."""
    content_type(request).require(JSON)
    return parse_json(await read_body(request, max_bytes), model)


async def read_form(request: Request, allowed: Collection[str], max_bytes: int) -> Form:
    """The body as a multipart form with no fields but the allowed ones."""
    header = content_type(request)
    header.require(FORM)
    body = await read_body(request, max_bytes)
    try:
        return Form(_parts(body, header.parameters.get("boundary", "")), allowed)
    except MultipartError as exc:
        raise InvalidRequest(f"the multipart form cannot be read: {exc}") from exc


def is_form(request: Request) -> bool:
    """Whether the body is a form; otherwise it is JSON.

    Raises:
        UnsupportedMediaType: when it is neither.
    """
    header = content_type(request)
    header.require(JSON, FORM)
    return header.name == FORM


def content_type(request: Request) -> ContentType:
    """The Content-Type header of a body that is sent as it is.

    Raises:
        UnsupportedMediaType: the body is compressed.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMediaType(
            f"content encoding {encoding[:40]!r} is not read; send the body uncompressed"
        )
    return _taken_apart(request.headers.get("content-type", ""))


@functools.lru_cache(maxsize=64)
def _taken_apart(header: str) -> ContentType:
    name, parameters = parse_options_header(header)
    return ContentType(name, parameters, header)


def parse_json(document: bytes, model: type[M], *, name: str = "body") -> M:
    """Validate a JSON document.

    Args:
        document: UTF-8 text.
        model: what it must be.
        name: what the message calls the document where the whole of it is at fault.

    Raises:
        InvalidRequest: with every field at fault, and the allowed ones beside an unknown one.
    """
    try:
        return model.model_validate_json(document)
    except ValidationError as exc:
        _refuse(exc, document, model, name)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body.

    Raises:
        ImageTooLarge: as soon as more than `max_bytes` are announced or have come.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > max_bytes:
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:  # as request.stream() does, which costs three coroutines more a request
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _parts(body: bytes, boundary: str) -> list[Part]:
    """The parts of a form, in order.

    Raises:
        MultipartError: the form has no end, a part has no name, or there are too many.
    """
    parts: list[Part] = []
    name, content = "", b""
    with PushMultipartParser(boundary, max_segment_count=MAX_PARTS, strict=True) as parser:
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                _require_plain(event)
                name, content = event.name, b""
            elif event is None:
                parts.append(Part(name, content))
            else:
                content += event  # the whole of it: the body is parsed in one piece
    return parts


def _require_plain(segment: MultipartSegment) -> None:
    encoding = segment.header("Content-Transfer-Encoding", "binary")
    if encoding.strip().lower() not in PLAIN_ENCODINGS:
        raise InvalidRequest(
            f"Content-Transfer-Encoding {encoding[:40]!r} is not read; send plain bytes"
        )


def _too_large(max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge(f"the request body is larger than the {max_bytes} bytes allowed")


def _refuse(exc: ValidationError, document: bytes, model: type[BaseModel], name: str) -> NoReturn:
    errors = told(exc, document, model)
    first = errors[0]
    place = ".".join(map(str, first["loc"]))[:200] or name
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise InvalidRequest(f"{place}: {first['msg']}{more}", errors=errors[:20]) from None
