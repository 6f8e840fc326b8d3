"""POST /v1/garments/bulk: NDJSON in, NDJSON out, both streaming.

Lines are committed in groups: whatever has come in while the group before was written. So a fast
client gets large commits and a hesitant one its answer at once, without a timer. Reading stops
while the buffer is full, which the client feels as a full socket. Answers wait in a buffer of
their own for a client that reads none before it has sent everything.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api_schemas.garments import BulkLine
from service.errors import (
    InvalidRequest,
    ServiceError,
    as_service_error,
    problem,
)
from service.ingest import Outcome
from service.new_garment import NewGarment
from service.openapi import SCHEMA_PATH, lines_example, on_catalog
from service.routes.answers import Document
from service.routes.bodies import NDJSON, content_type, parse_json
from service.routes.parameters import LeanRoute, catalog_of, services_of
from service.services import Services
from service.settings import BYTES_PER_MIB

router = APIRouter(prefix="/v1", route_class=LeanRoute, tags=["garments"])

ACCEPTED = (NDJSON, "application/ndjson", "application/jsonl")
MAX_ANSWER_BYTES = 8 << 20
"""Answers held for a client that does not read: of 130,000 lines, or 20,000 where all failed."""

Item = TypeVar("Item", bound=Sized)


@router.post(
    "/garments/bulk",
    summary="Store many garments",
    response_class=Response,
    openapi_extra=on_catalog(
        ndjson={
            "schema": {"$ref": SCHEMA_PATH + "BulkLine"},
            "example": lines_example(BulkLine),
        }
    ),
    responses={
        200: {
            "description": "one line for each line that is not blank, in order",
            "content": {NDJSON: {"schema": {"$ref": SCHEMA_PATH + "BulkLineAnswer"}}},
        }
    },
)
async def bulk(request: Request) -> Response:
    """A line's answer is sent once it is on disk. A bad line fails alone.

    All images of a garment are in its line, which may be as long as one of the largest images in
    base64: send several large ones by PUT, or by URL.

    Any number of lines; read the answers while sending, as `curl` does. A client that reads only
    after it has sent everything is held up for good once 8 MiB of answers wait: with such a one,
    send at most 20,000 lines at a time.
    """
    content_type(request).require(*ACCEPTED)
    return _Exchange(_answers(request, catalog_of(request), services_of(request)))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the upload; no text when it was too long to keep."""

    number: int
    text: bytes | None

    def __len__(self) -> int:
        """Bytes it takes in a buffer."""
        return len(self.text or b"")


class LineSplitter:
    """Cuts arriving bytes into numbered lines, holding at most one line."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._begun = bytearray()
        self._too_long = False
        self._number = 1

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that `chunk` completes; blank ones are only counted."""
        *ended, begun = chunk.split(b"\n")
        lines = [line for piece in ended for line in self._end(piece)]
        self._add(begun)
        return lines

    def end(self) -> list[Line]:
        """The last line, when no newline ended it."""
        return self._end(b"")

    def _end(self, piece: bytes) -> list[Line]:
        self._add(piece)
        text = None if self._too_long else bytes(self._begun)
        line = Line(self._number, text)
        self._begun, self._too_long = bytearray(), False
        self._number += 1
        return [line] if text is None or text.strip() else []

    def _add(self, piece: bytes) -> None:
        if len(self._begun) + len(piece) > self._max_line_bytes:
            self._too_long = True
            self._begun.clear()
        if not self._too_long:
            self._begun += piece


class Buffer(Generic[Item]):
    """Items between two tasks, bounded in number and in bytes.

    A single item larger than all the room still passes, alone.
    """

    def __init__(self, *, max_bytes: int, max_items: float = math.inf) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: list[Item] = []
        self._bytes = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def put(self, item: Item) -> None:
        """Add an item as soon as there is room for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._items or self._has_room(item))
            self._items.append(item)
            self._bytes += len(item)
            self._changed.notify_all()

    async def take(self) -> list[Item]:
        """Everything buffered, once there is something; nothing after the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._items or self._ended)
            taken, self._items, self._bytes = self._items, [], 0
            self._changed.notify_all()
            return taken

    async def end(self) -> None:
        """No more items will come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _has_room(self, item: Item) -> bool:
        return len(self._items) < self._max_items and self._bytes + len(item) <= self._max_bytes


class _Exchange(Response):
    """A response that is written while the request is still being read.

    Starlette's StreamingResponse listens for a disconnect meanwhile, and so would swallow the
    rest of the body.
    """

    media_type = NDJSON

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with contextlib.aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _answers(
    request: Request, catalog: str, services: Services
) -> AsyncGenerator[bytes, None]:
    settings = services.settings
    lines: Buffer[Line] = Buffer(
        max_items=settings.bulk_commit_lines, max_bytes=settings.bulk_buffer_mib * BYTES_PER_MIB
    )
    answers: Buffer[bytes] = Buffer(max_bytes=MAX_ANSWER_BYTES)
    tasks = [
        asyncio.create_task(_fill(lines, request, LineSplitter(settings.max_line_bytes))),
        asyncio.create_task(_store_all(lines, answers, catalog, services)),
    ]
    try:
        while chunks := await answers.take():
            yield b"".join(chunks)
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _fill(buffer: Buffer[Line], request: Request, splitter: LineSplitter) -> None:
    try:
        async for chunk in request.stream():
            for line in splitter.feed(chunk):
                await buffer.put(line)
        for line in splitter.end():
            await buffer.put(line)
    except ClientDisconnect:
        pass  # a line cut off by it is dropped; whole ones are still written
    finally:
        await buffer.end()


async def _store_all(
    lines: Buffer[Line], answers: Buffer[bytes], catalog: str, services: Services
) -> None:
    try:
        while group := await lines.take():
            documents = await _store(group, catalog, services)
            await answers.put(b"".join(to_json(document) + b"\n" for document in documents))
    finally:
        await answers.end()


async def _store(lines: list[Line], catalog: str, services: Services) -> list[Document]:
    """Write the lines in one commit; one answer for each."""
    parsed = [_parse(line, services.settings.max_line_bytes) for line in lines]
    new = [garment for garment in parsed if isinstance(garment, NewGarment)]
    outcomes = iter(await services.ingest.put(catalog, new))
    return [
        _answer(line, garment.id, next(outcomes))
        if isinstance(garment, NewGarment)
        else _answer(line, None, garment)
        for line, garment in zip(lines, parsed, strict=True)
    ]


def _parse(line: Line, max_line_bytes: int) -> NewGarment | ServiceError:
    if line.text is None:
        return InvalidRequest(f"the line is longer than the {max_line_bytes} bytes allowed")
    try:
        read = parse_json(line.text, BulkLine)
    except Exception as exc:
        return as_service_error(exc)
    image, *further = read.all_images
    return NewGarment(read.id, image, read.metadata, further)


def _answer(line: Line, garment_id: str | None, outcome: Outcome) -> Document:
    document: Document = {"line": line.number, "id": garment_id}
    if isinstance(outcome, ServiceError):
        return {**document, "status": "failed", "problem": problem(outcome)}
    return {**document, "status": outcome}
