"""The characters of a feed: gzip and encoding by content, in pieces of bounded size.

Bytes that are no UTF-8 do not end a feed: they become lone surrogates, which `records.finish`
refuses for the one product that holds them.
"""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from service.feeds.records import FeedError

CHUNK_CHARS = 65_536
_HEAD_BYTES = 65_536
_GZIP = b"\x1f\x8b"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BROKEN = (OSError, EOFError, zlib.error, UnicodeError)


class FeedText:
    """A feed opened for reading its text once.

    Args:
        path: the file; gzip is seen from its first bytes, whatever it is called.
        encoding: in place of what the file says and of UTF-8.

    Raises:
        FeedError: the file cannot be read, or the encoding is not known.
    """

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        try:
            self._file = path.open("rb")
        except OSError as exc:
            raise FeedError(f"{path.name}: {exc.strerror or 'cannot be opened'}") from exc
        try:
            self._size = path.stat().st_size
            self._text = self._decoded(encoding)
        except (*_BROKEN, LookupError) as exc:
            self._file.close()
            raise FeedError(f"{path.name}: {_reason(exc)}") from exc

    @property
    def progress(self) -> float:
        """How much of the file has been read, 0 to 1; in bytes as stored, compressed or not."""
        if self._file.closed or not self._size:
            return 1.0
        return min(1.0, self._file.tell() / self._size)

    def chunks(self) -> Iterator[str]:
        """All of the text.

        Raises:
            FeedError: the rest cannot be decompressed or decoded.
        """
        while chunk := self.read(CHUNK_CHARS):
            yield chunk

    def lines(self, max_chars: int) -> Iterator[str]:
        """Lines with their ends; of a longer one, the first `max_chars` + 1 characters.

        Raises:
            FeedError: the rest cannot be decompressed or decoded.
        """
        while line := self._line(max_chars + 1):
            yield line
            rest = line
            while rest and len(rest) > max_chars and not rest.endswith(("\n", "\r")):
                rest = self._line(max_chars + 1)

    def read(self, chars: int) -> str:
        """The next characters, empty at the end.

        Raises:
            FeedError: the rest cannot be decompressed or decoded.
        """
        try:
            return self._text.read(chars)
        except _BROKEN as exc:
            raise FeedError(_reason(exc)) from exc

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        self._text.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self, chars: int) -> str:
        try:
            return self._text.readline(chars)
        except _BROKEN as exc:
            raise FeedError(_reason(exc)) from exc

    def _decoded(self, encoding: str | None) -> io.TextIOWrapper:
        compressed = self._file.peek(2)[:2] == _GZIP
        data = io.BufferedReader(
            gzip.GzipFile(fileobj=self._file) if compressed else self._file,
            _HEAD_BYTES,
        )
        name = encoding or _encoding(data.peek(_HEAD_BYTES))
        # Only encodings that extend ASCII can carry a stray byte as a surrogate.
        wide = codecs.lookup(name).name.startswith(("utf-16", "utf-32"))
        errors = "replace" if wide else "surrogateescape"
        return io.TextIOWrapper(data, encoding=name, errors=errors, newline="")


def _encoding(head: bytes) -> str:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    # Every format begins with an ASCII character: a zero beside it means two bytes a character.
    if head[1:2] == b"\0":
        return "utf-16-le"
    if head[:1] == b"\0":
        return "utf-16-be"
    declared = _DECLARED.match(head)
    return declared.group(1).decode() if declared else "utf-8"


def _reason(exc: Exception) -> str:
    if isinstance(exc, LookupError):
        return f"the encoding is not known ({exc})"
    if isinstance(exc, UnicodeError):
        return "the text is not in the encoding it says; save it as UTF-8"
    return f"the file ends too early or is damaged ({exc})"
