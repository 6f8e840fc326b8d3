"""What a report is made of, whatever paper it is written on.

A renderer knows these parts and nothing of evidence; texts are plain, and each renderer escapes
them for its own paper. Lengths are points, as print has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["body", "lead", "note", "head", "small"]
Anchor = Literal["start", "middle", "end"]

BLACK = "#1a1a1a"
GREY = "#666666"
PALE = "#c9c9c9"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a drawing; hatched ones are told from filled ones without colour."""

    x: float
    y: float
    width: float
    height: float
    fill: str | None = None
    stroke: str | None = None
    hatched: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    width: float = 0.75
    color: str = BLACK
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A short text within a drawing; `y` is its base line."""

    x: float
    y: float
    text: str
    size: float = 8.0
    anchor: Anchor = "start"
    strong: bool = False
    color: str = BLACK


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, `y` counted downwards; `said` is what it says to one who cannot see it."""

    width: float
    height: float
    marks: tuple[Box | Line | Words, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG with its size in pixels, and what stands below it."""

    jpeg: bytes
    size: tuple[int, int]
    caption: str
    said: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    words: str
    kind: Kind = "body"


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they stand for."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of texts; `widths` are their shares of the page, `figures` stand at the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]
    figures: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Boxed:
    """Parts within a frame: what a hurried reader must see."""

    parts: "tuple[Part, ...]"


@dataclass(frozen=True, slots=True)
class Columns:
    """Parts side by side, kept on one page; `widths` are shares of it."""

    columns: "tuple[tuple[Part, ...], ...]"
    widths: tuple[float, ...]


Part = Text | Items | Facts | Table | Boxed | Columns | Chart | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its parts."""

    title: str
    parts: Sequence[Part]

    @property
    def opening(self) -> Sequence[Part]:
        """The texts at the beginning and what they speak of, which stay with the heading."""
        texts = next((i for i, p in enumerate(self.parts) if not isinstance(p, Text)), 0)
        return self.parts[: texts + 1]

    @property
    def rest(self) -> Sequence[Part]:
        """What is not `opening`."""
        return self.parts[len(self.opening) :]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole.

    Attributes:
        title: what it is.
        subtitle: one line below.
        footer: what stands on every page.
        sections: in order.
    """

    title: str
    subtitle: str
    footer: str
    sections: Sequence[Section]
