"""Rows of a CSV or TSV file, where a bad row costs that row alone.

A quote that is never closed swallows the rows after it until the quotes no longer fit. Then
reading goes back to the line after the one where the record began, so only that line is lost.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.feeds.records import FeedError, Problem
from service.feeds.text import FeedText

DELIMITERS = (",", ";", "\t", "|")
MAX_RECORD_CHARS = 4 * 1024 * 1024
"""Descriptions with embedded pictures reach a megabyte."""
MAX_REREAD_CHARS = 16 * MAX_RECORD_CHARS
"""Bounds the time that a file of broken quotes can take."""
_SPACE = re.compile(r"[\s_\ufeff]+")


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the line it begins on, from 1, and its cells."""

    number: int
    cells: list[str]


def header_of(head: str, delimiter: str) -> list[str]:
    """The first row of a table as column names to compare: lower case, single spaces.

    >>> header_of("URL  handle;Image_position", ";")
    ['url handle', 'image position']
    """
    lines = io.StringIO(head, newline="")
    try:
        for cells in csv.reader(lines, delimiter=delimiter):
            if any(cells):
                return [plain_name(cell) for cell in cells]
    except csv.Error:
        pass
    return []


def plain_name(name: str) -> str:
    """A column's name as it is compared: lower case, single spaces, no ``g:``."""
    return _SPACE.sub(" ", name).strip().casefold().removeprefix("g:")


def read_records(text: FeedText, delimiter: str) -> Iterator[Record | Problem]:
    """All rows, the header first; blank ones are left out.

    A row with more or fewer cells than the header is a problem; empty cells beyond it are not.

    Raises:
        FeedError: the rest of the file cannot be read.
    """
    # The limit is the process's: it is only ever raised, to what a record may hold in all.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_CHARS))
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width = 0
    while True:
        lines.begin()
        fault, cells = "", list[str]()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLongError) as exc:
            fault = str(exc)
        if not fault and not any(cells):
            continue
        cells = _fitted(cells, width)
        if not fault and width and len(cells) != width:
            fault = f"{len(cells)} cells, the header has {width}"
        if fault:
            literal = lines.first.rstrip("\r\n").split(delimiter)
            number = lines.rewind()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            # Tab-separated files are often written without any quoting.
            if delimiter != "\t" or len(literal) != width:
                yield Problem(number, None, f"the row cannot be read: {fault}")
                continue
            yield Record(number, literal)
            continue
        width = width or len(cells)
        yield Record(lines.start, cells)


def _fitted(cells: list[str], width: int) -> list[str]:
    if width and len(cells) > width and not any(cells[width:]):
        return cells[:width]
    return cells


class _TooLongError(Exception):
    """A record of more characters than allowed: most likely a quote that is never closed."""


class _Lines:
    """Lines for csv.reader, which can be given again from the second of a record on."""

    def __init__(self, text: FeedText) -> None:
        self._source = text.lines(MAX_RECORD_CHARS)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._number = 0
        self._chars = 0
        self._reread = 0
        self.start = 1

    @property
    def first(self) -> str:
        """The record's first line."""
        return self._taken[0]

    def begin(self) -> None:
        """A new record."""
        self._taken.clear()
        self._chars = 0
        self.start = self._number + 1

    def rewind(self) -> int:
        """Give the record's lines again but the first, whose number is returned."""
        rest: Sequence[str] = self._taken[1:]
        self._again.extendleft(reversed(rest))
        self._number -= len(rest)
        self._reread += sum(map(len, rest))
        if self._reread > MAX_REREAD_CHARS:
            raise FeedError(f"line {self._number}: too many quotes that are never closed")
        return self._number

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self._number += 1
        self._taken.append(line)
        self._chars += len(line)
        if self._chars > MAX_RECORD_CHARS:
            raise _TooLongError(f"more than {MAX_RECORD_CHARS} characters; is a quote left open?")
        return line
