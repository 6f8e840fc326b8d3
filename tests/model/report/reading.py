"""A page as its elements, for tests that check what it says."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "link", "br", "input", "hr"}


@dataclass
class Element:
    """An element: its attributes, its parts, and the text directly in it."""

    tag: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def all(self, tag: str = "", of: str = "") -> list["Element"]:
        """Those below with a tag and a class, in the page's order."""
        found = []
        for child in self.children:
            if (not tag or child.tag == tag) and (not of or of in child.get("class").split()):
                found.append(child)
            found += child.all(tag, of)
        return found

    @property
    def text(self) -> str:
        """All the text below, its white space collapsed."""
        return " ".join(" ".join(self._texts()).split())

    def _texts(self) -> list[str]:
        return self.texts + [text for child in self.children for text in child._texts()]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        opened = self._open.pop()
        assert opened.tag == tag, f"<{opened.tag}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        self._open[-1].texts.append(data)


def read_page(html: str) -> Element:
    """The page; fails where an element is not closed, or in the wrong order."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader._open == [reader.root], "not every element is closed"
    return reader.root
