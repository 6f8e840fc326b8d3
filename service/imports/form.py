"""The form that a feed comes in, read as it arrives: the file to disk, the options to memory."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from api_schemas.garments import MAX_IMAGES
from api_schemas.imports import CURRENCY_PATTERN
from service.errors import FeedTooLarge, InvalidRequest
from service.imports.records import ImportOptions

FEED = "feed"
OPTIONS = ("currency", "refetch", "delete_missing", "images_per_product")
MAX_TEXT_BYTES = 100
"""Of a field that is no file."""
_FLAGS = {b"true": True, b"false": False}


class FeedForm:
    """Takes the bytes of a form as they come, within ``with``; leaving it means they are all here.

    Args:
        file: where the feed goes.
        boundary: of the multipart body.
        max_bytes: of the feed.

    Raises:
        InvalidRequest: the form cannot be read or is cut off, a field is unknown, comes twice or
            is too long.
        FeedTooLarge: the file is.
    """

    def __init__(self, file: Path, boundary: str, max_bytes: int) -> None:
        with _refusing():
            # Its strict mode refuses a last line break that comes in a piece of its own.
            self._parser = PushMultipartParser(boundary, max_segment_count=10)
        self._file = file.open("wb")
        self._max_bytes = max_bytes
        self._bytes = 0
        self._field = ""
        self._fields: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        with _refusing():
            self._parser.close(check_complete=kind is None)

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the body."""
        with _refusing():
            for event in self._parser.parse(chunk) if chunk else ():
                if isinstance(event, MultipartSegment):
                    self._begin(event.name)
                elif event is not None:
                    self._add(event)

    def options(self, catalog: str) -> ImportOptions:
        """What the whole form asks for.

        Raises:
            InvalidRequest: there is no feed in it, or an option cannot be read.
        """
        if FEED not in self._fields:
            raise InvalidRequest(f"form field {FEED!r} is needed once; got none of it")
        currency = self._fields.get("currency")
        return ImportOptions(
            catalog,
            None if currency is None else read_currency(currency.decode("utf-8", "replace")),
            self._flag("refetch"),
            self._flag("delete_missing"),
            read_images_per_product(
                self._fields.get("images_per_product", b"1").decode("utf-8", "replace")
            ),
        )

    def _flag(self, name: str) -> bool:
        value = self._fields.get(name, b"false")
        if value not in _FLAGS:
            shown = value.decode("utf-8", "replace")
            raise InvalidRequest(f"{name}: {shown!r} is neither true nor false")
        return _FLAGS[value]

    def _begin(self, name: str) -> None:
        if name not in (FEED, *OPTIONS):
            allowed = ", ".join((FEED, *OPTIONS))
            raise InvalidRequest(f"unknown form field {name[:100]!r}; allowed: {allowed}")
        if name in self._fields:
            raise InvalidRequest(f"form field {name!r} is given twice")
        self._field = name
        self._fields[name] = b""

    def _add(self, content: bytes) -> None:
        if self._field != FEED:
            self._fields[self._field] += content
            if len(self._fields[self._field]) > MAX_TEXT_BYTES:
                raise InvalidRequest(f"form field {self._field!r} is too long")
            return
        self._bytes += len(content)
        if self._bytes > self._max_bytes:
            raise FeedTooLarge(f"the feed is larger than the {self._max_bytes} bytes allowed")
        self._file.write(content)


def read_images_per_product(text: str) -> int:
    """How many images a form asks for.

    Raises:
        InvalidRequest: it is no number, or too large or small.
    """
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_IMAGES):
        raise InvalidRequest(f"images_per_product: {text[:40]!r} is not within 1..{MAX_IMAGES}")
    return int(text)


def read_currency(text: str) -> str:
    """A currency out of a form or a query.

    Raises:
        InvalidRequest: it is none.
    """
    if not re.fullmatch(CURRENCY_PATTERN, text):
        raise InvalidRequest(f"currency: {text[:40]!r} is no ISO 4217 code, as EUR or USD")
    return text


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except MultipartError as exc:
        raise InvalidRequest(f"the multipart form cannot be read: {exc}") from exc
