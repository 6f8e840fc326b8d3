"""Uploads of any length, as requests of bounded size.

httpx reads an answer only after it has sent the whole request, and the service waits for a reader
once its answers fill a buffer; so an upload goes out in pieces. A line's answer says that it is on
disk. When a connection is lost, the lines without an answer are sent again and no others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from lapel_client.answers import BulkLineAnswer
from lapel_client.call import parse
from lapel_client.calls import line_of
from lapel_client.errors import UnexpectedAnswer, Unreachable
from lapel_client.images import Image

PATH = "/v1/garments/bulk"
LINES_A_REQUEST = 256
BYTES_A_REQUEST = 8 << 20
"""A single line that is larger still goes, alone."""


@dataclass(frozen=True, slots=True)
class NewGarment:
    """A garment to store.

    Attributes:
        id: replaces the garment of that id.
        image: bytes, a file, another garment or an address; a list of them for several images,
            the main one first.
        metadata: any JSON object.
    """

    id: str
    image: Image | Sequence[Image]
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


class Piece:
    """Some lines of an upload, until each has its answer.

    Args:
        before: lines in the pieces before this one.
        lines: each with its newline.
    """

    def __init__(self, before: int, lines: list[bytes]) -> None:
        self._before = before
        self._waiting = list(lines)
        self._sent = 0

    @property
    def unanswered(self) -> int:
        """Lines that have no answer yet."""
        return len(self._waiting)

    def request(self, catalog: str | None) -> dict[str, Any]:
        """What to send: every line without an answer."""
        self._sent = len(self._waiting)
        return {
            "content": b"".join(self._waiting),
            "headers": {"Content-Type": "application/x-ndjson"},
            "params": {} if catalog is None else {"catalog": catalog},
        }

    def take(self, text: bytes) -> BulkLineAnswer:
        """The next line of the answer, its number counted from the upload's first line.

        Raises:
            UnexpectedAnswer: it answers another line than the next.
        """
        answer = parse(text, BulkLineAnswer)
        expected = self._sent - self.unanswered + 1
        if not self._waiting or answer.line != expected:
            raise UnexpectedAnswer(f"an answer to line {answer.line} where {expected} was next")
        del self._waiting[0]
        self._before += 1
        return answer.model_copy(update={"line": self._before})

    def require_all(self) -> None:
        """Refuse an answer that ended early.

        Raises:
            Unreachable: some lines have no answer.
        """
        if self.unanswered:
            raise Unreachable(f"the answer ended with {self.unanswered} lines unanswered")


def pieces(garments: Iterable[NewGarment]) -> Iterator[Piece]:
    """The garments as pieces, read from the iterable as they are needed.

    Raises:
        OSError, TypeError: an image cannot be read.
    """
    lines: list[bytes] = []
    size = done = 0
    for garment in garments:
        line = line_of(garment.id, garment.image, garment.metadata)
        if lines and (len(lines) == LINES_A_REQUEST or size + len(line) > BYTES_A_REQUEST):
            yield Piece(done, lines)
            done += len(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield Piece(done, lines)
