"""Items of an RSS or Atom document, where a malformed item costs that item alone.

The text is handed to the parser up to the end of one item at a time. A fault therefore lies in the
item just given, and a new parser goes on with the next. Nothing is kept of a finished item, so a
feed of any length takes the memory of its longest item. Declared entities are refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from service.feeds.records import FeedError, Problem
from service.feeds.row import Row
from service.feeds.text import CHUNK_CHARS, FeedText

GOOGLE: Final = "http://base.google.com/ns/1.0"
MAX_ITEM_CHARS: Final = 2 * 1024 * 1024
ITEMS: Final = ("item", "entry")
ROOTS: Final = ("rss", "feed", "RDF")
_ITEM_END: Final = re.compile(r"</(?:[\w.-]+:)?(?:item|entry)\s*>")
_ITEM_END_CHARS: Final = 200
_ROOT: Final = re.compile(r"<([A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)(?=[\s/>])")
_ROOT_END: Final = re.compile(r"</(?:[\w.-]+:)?(?:rss|feed|RDF)\s*>")
_COMMENTS: Final = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!.*?(?:>|\Z)", re.DOTALL)
# No XML document may hold it, so the parser refuses the item that does.
_NO_CHARACTER: Final = "\uffff"
_SURROGATES: Final = re.compile("[\ud800-\udfff]")

Fields = Mapping[str, list[str]]


def root_of(head: str) -> str:
    """The name of a document's first element without its prefix; empty where there is none."""
    found = _ROOT.search(_COMMENTS.sub("", head))
    return found.group(2) if found else ""


def read_elements(text: FeedText) -> Iterator[Row | Problem]:
    """All items: the texts of their direct children by local name, in document order.

    A child in Google's namespace goes before one of the same name outside it.

    Raises:
        FeedError: entities are declared, or the rest of the document is missing or unreadable.
    """
    target = _Items()
    parser = _parser(target)
    whole = True
    piece = ""
    for piece in _pieces(text):
        last = piece is not _OVERLONG and not _ITEM_END.search(piece)
        if last and not whole:
            break  # the new parser knows nothing of the elements that end here
        try:
            if piece is _OVERLONG:
                raise ParseError(f"more than {MAX_ITEM_CHARS} characters")
            parser.feed(_SURROGATES.sub(_NO_CHARACTER, piece))
            if last:
                parser.close()
        except DefusedXmlException as exc:
            raise FeedError("the document declares entities or a DTD, which is refused") from exc
        except ParseError as exc:
            yield from target.take()
            target.number += not target.inside
            yield Problem(target.number, None, f"the item is malformed: {_fault(exc)}")
            whole = False
            target = target.successor()
            parser = _parser(target)
            parser.feed(target.opening())
        yield from target.take()
    if not _ROOT_END.search(piece):
        # What was cut off must not pass for a document with fewer items.
        raise FeedError("the document ends too early: its first element is not closed")


def _parser(target: "_Items") -> DefusedXMLParser:
    return DefusedXMLParser(
        target=target, forbid_dtd=True, forbid_entities=True, forbid_external=True
    )


def _fault(exc: ParseError) -> str:
    # Positions count from the parser's start, which is not the file's after a fault.
    return re.sub(r": line \d+, column \d+$", "", str(exc))


_OVERLONG = "\0"


def _pieces(text: FeedText) -> Iterator[str]:
    """The text cut after each item; what follows the last one comes last."""
    buffer = ""
    searched = 0
    skipping = False
    while chunk := text.read(CHUNK_CHARS):
        buffer += chunk
        start = 0
        while found := _ITEM_END.search(buffer, max(start, searched)):
            yield _OVERLONG if skipping else buffer[start : found.end()]
            skipping = False
            start = searched = found.end()
        buffer = buffer[start:]
        if skipping or len(buffer) > MAX_ITEM_CHARS:
            skipping = True
            buffer = buffer[-_ITEM_END_CHARS:]
        searched = max(0, len(buffer) - _ITEM_END_CHARS)
    yield _OVERLONG if skipping else buffer


class _Items:
    """What the parser tells, gathered by item; only direct children of an item have texts.

    Attributes:
        number: items begun so far.
    """

    def __init__(self, number: int = 0, namespaces: Mapping[str, str] | None = None) -> None:
        self.number = number
        self._namespaces = dict(namespaces or {"g": GOOGLE})
        self._done: list[Row | Problem] = []
        self._fields: dict[str, list[str]] | None = None
        self._google: dict[str, list[str]] = {}
        self._depth = 0
        self._level = 0
        self._text: list[str] = []

    @property
    def inside(self) -> bool:
        """Whether an item is begun and not finished."""
        return self._fields is not None

    def take(self) -> list[Row | Problem]:
        """Items finished since the last call."""
        done, self._done = self._done, []
        return done

    def successor(self) -> "_Items":
        """What goes on after a malformed item."""
        return _Items(self.number, self._namespaces)

    def opening(self) -> str:
        """A start tag under which further items can stand."""
        declared = (
            f" xmlns{prefix and ':'}{prefix}={quoteattr(uri)}"
            for prefix, uri in self._namespaces.items()
        )
        return f"<{ROOTS[0]}{''.join(declared)}>"

    def start_ns(self, prefix: str, uri: str) -> None:
        """A namespace is declared."""
        self._namespaces[prefix or ""] = uri

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._depth += 1
        name = tag.rpartition("}")[2]
        if name in ITEMS:
            if self._fields is not None:
                self._done.append(Problem(self.number, None, "the item is not closed"))
            self.number += 1
            self._fields, self._google, self._level = {}, {}, self._depth
        elif self._fields is not None and self._depth == self._level + 1:
            # Atom's link is an attribute; any other element's text is its value.
            self._text = [attributes.get("href", "")] if name == "link" else []

    def data(self, text: str) -> None:
        """Text of an element."""
        if self._fields is not None and self._depth == self._level + 1:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._fields is not None:
            namespace, _, name = tag.rpartition("}")
            if self._depth == self._level:
                self._done.append(Row(self.number, self._fields | self._google))
                self._fields = None
            elif self._depth == self._level + 1:
                fields = self._google if namespace == "{" + GOOGLE else self._fields
                fields.setdefault(name, []).append("".join(self._text))
        self._depth -= 1
