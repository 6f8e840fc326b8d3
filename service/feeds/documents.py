"""Values of JSON documents, one at a time: lines of NDJSON, elements of an array or of @graph.

A malformed line costs that line. Within one document nothing tells where the next element begins,
so a fault there ends it.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from service.feeds.records import FeedError, Problem
from service.feeds.text import CHUNK_CHARS, FeedText

MAX_ELEMENT_CHARS: Final = 4 * 1024 * 1024
MAX_MEMBERS: Final = 10_000
_SPACE: Final = " \t\r\n"


def parse(text: str) -> Any:
    """A JSON value.

    Raises:
        ValueError: it is none, holds NaN, or is nested too deeply.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_lines(head: str) -> bool:
    """Whether the text is NDJSON: its first line is a value of its own."""
    line = head.lstrip(_SPACE).partition("\n")[0]
    try:
        parse(line)
    except ValueError:
        return False
    return True


def read_lines(text: FeedText) -> Iterator[tuple[int, Any] | Problem]:
    """Line number and value of each line that is not blank.

    Raises:
        FeedError: the rest of the file cannot be read.
    """
    for number, line in enumerate(text.lines(MAX_ELEMENT_CHARS), 1):
        if len(line) > MAX_ELEMENT_CHARS:
            yield Problem(number, None, f"a line of more than {MAX_ELEMENT_CHARS} characters")
        elif line.strip():
            try:
                yield number, parse(line.strip())
            except ValueError as exc:
                yield Problem(number, None, f"the line is no JSON: {exc}")


def read_document(text: FeedText) -> Iterator[tuple[int, Any]]:
    """Ordinal and value of each element of the document's array or @graph; else the whole of it.

    Raises:
        FeedError: the document is malformed, or the rest of the file cannot be read.
    """
    cursor = _Cursor(text)
    if cursor.peek() == "[":
        yield from enumerate(_elements(cursor), 1)
    else:
        yield from enumerate(_graph(cursor), 1)
    if cursor.peek():
        cursor.fail("something follows the document")


def _elements(cursor: "_Cursor") -> Iterator[Any]:
    cursor.take("[")
    if cursor.peek() == "]":
        cursor.take("]")
        return
    while True:
        yield cursor.value()
        if cursor.peek() == "]":
            cursor.take("]")
            return
        cursor.take(",")


def _graph(cursor: "_Cursor") -> Iterator[Any]:
    members: dict[str, Any] = {}
    found = False
    cursor.take("{")
    more = cursor.peek() != "}"
    while more:
        name = cursor.value()
        cursor.take(":")
        if name == "@graph" and cursor.peek() == "[":
            found = True
            yield from _elements(cursor)
        elif isinstance(name, str):
            members[name] = cursor.value()
        else:
            cursor.fail("a name is needed")
        if len(members) > MAX_MEMBERS:
            cursor.fail(f"more than {MAX_MEMBERS} members")
        more = cursor.peek() != "}"
        if more:
            cursor.take(",")
    cursor.take("}")
    if not found:
        yield members


class _Cursor:
    """A place in the text, with as much of it in memory as the next value needs."""

    def __init__(self, text: FeedText) -> None:
        self._text = text
        self._buffer = ""
        self._place = 0
        self._read = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is not white space, or nothing at the end."""
        while True:
            while self._place < len(self._buffer) and self._buffer[self._place] in _SPACE:
                self._place += 1
            if self._place < len(self._buffer) or not self._more():
                return self._buffer[self._place : self._place + 1]

    def take(self, character: str) -> None:
        """Step over the next character.

        Raises:
            FeedError: it is another one.
        """
        found = self.peek()
        if found != character:
            self.fail(f'"{character}" is needed, found {found!r}' if found else "it ends too early")
        self._place += 1

    def value(self) -> Any:
        """The next value.

        Raises:
            FeedError: there is none, it is malformed or too long.
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._place)
            except RecursionError:
                self.fail("nested too deeply")
            except ValueError as exc:
                if len(self._buffer) - self._place > MAX_ELEMENT_CHARS:
                    self.fail(
                        f"malformed, or an element of more than {MAX_ELEMENT_CHARS} characters"
                    )
                if not self._more():
                    self.fail(str(exc))
                continue
            # A number may go on in what has not been read yet.
            if end < len(self._buffer) or not self._more():
                self._place = end
                return value

    def fail(self, reason: str) -> NoReturn:
        """Say that the rest cannot be read."""
        raise FeedError(f"the document is malformed after character {self._read}: {reason}")

    def _more(self) -> bool:
        if self._ended:
            return False
        # Reading as much again as there is keeps repeated decoding linear.
        rest = self._buffer[self._place :]
        chunk = self._text.read(max(CHUNK_CHARS, len(rest)))
        self._ended = not chunk
        self._read += self._place
        self._buffer, self._place = rest + chunk, 0
        return bool(chunk)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
