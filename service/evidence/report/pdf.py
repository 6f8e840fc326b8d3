"""A report as PDF, through ReportLab.

Equal reports give equal bytes: the file names no time of its own, and its fonts, which lie in
ReportLab, are embedded. They have the letters of Western European languages; any other is shown
by its number.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    Image,
    KeepTogether,
    SimpleDocTemplate,
    Spacer,
)
from reportlab.platypus import Table as Grid

from service.evidence.report.parts import (
    BLACK,
    GREY,
    PALE,
    Boxed,
    Chart,
    Columns,
    Facts,
    Items,
    Part,
    Picture,
    Report,
    Section,
    Table,
    Text,
)
from service.evidence.report.pdf_drawing import drawn
from service.evidence.report.pdf_type import REGULAR, paragraph, printable, register_fonts

MEDIA_TYPE: Final = "application/pdf"
PAPERS: Final = {"a4": A4, "letter": LETTER}
MARGIN: Final = 14 * mm
FRAME_PADDING: Final = 6.0
"""ReportLab's own, on each side of what a page holds, points."""
GAP: Final = 10.0
"""Between columns, points."""
PICTURE_HEIGHT: Final = 92 * mm
"""Most that a picture takes of a page."""


def render_pdf(report: Report, paper: str = "a4") -> bytes:
    """The file.

    Args:
        report: what it says.
        paper: one of `PAPERS`.
    """
    register_fonts()
    size = PAPERS[paper]
    width = size[0] - 2 * (MARGIN + FRAME_PADDING)
    story: list[Flowable] = [
        paragraph(report.title, "title"),
        paragraph(report.subtitle, "note"),
        Spacer(1, 4),
    ]
    for section in report.sections:
        story += _section(section, width)
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=size,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 6,
        title=printable(report.title),
        author="Lapel",
        creator="Lapel",
        lang="en",
        invariant=1,
    )
    document.build(story, canvasmaker=_numbered(printable(report.footer)))
    return file.getvalue()


def _section(section: Section, width: float) -> list[Flowable]:
    heading = paragraph(section.title, "section")
    first = [each for part in section.opening for each in _part(part, width)]
    rest = [each for part in section.rest for each in _part(part, width)]
    # A table may break, but not right behind its heading.
    if isinstance(section.opening[-1], Table | Facts | Boxed):
        return [CondPageBreak(40 * mm), heading, *first, *rest]
    return [KeepTogether([heading, *first]), *rest]


def _part(part: Part, width: float) -> list[Flowable]:
    match part:
        case Text():
            return [paragraph(part.words, part.kind)]
        case Items():
            return [paragraph(each, "item", bullet="•") for each in part.sentences]
        case Facts():
            return [_facts(part, width), Spacer(1, 4)]
        case Table():
            return [_table(part, width), Spacer(1, 6)]
        case Boxed():
            return [_boxed(part, width), Spacer(1, 6)]
        case Columns():
            return [_columns(part, width), Spacer(1, 4)]
        case Picture():
            return [_picture(part, width), paragraph(part.caption, "small")]
        case Chart():
            return [Spacer(1, 3), drawn(part, width), Spacer(1, 3)]


def _facts(facts: Facts, width: float) -> Flowable:
    rows = [[paragraph(name, "name"), paragraph(fact, "fact")] for name, fact in facts.rows]
    return Grid(rows, [0.22 * width, 0.78 * width], style=[*_TIGHT, ("VALIGN", *_ALL, "TOP")])


def _table(table: Table, width: float) -> Flowable:
    def row(cells: Sequence[str], *, head: bool = False) -> list[Flowable]:
        return [
            paragraph(cell, ("head" if head else "cell") + ("-right" if i in table.figures else ""))
            for i, cell in enumerate(cells)
        ]

    rows = [row(table.header, head=True), *map(row, table.rows)]
    style = [
        ("VALIGN", *_ALL, "TOP"),
        ("LEFTPADDING", *_ALL, 0),
        ("RIGHTPADDING", *_ALL, 6),
        ("TOPPADDING", *_ALL, 2),
        ("BOTTOMPADDING", *_ALL, 3),
        *(("RIGHTPADDING", (place, 0), (place, -1), 12) for place in table.figures),
        ("LINEBELOW", (0, 0), (-1, 0), 1, HexColor(BLACK)),
        ("LINEBELOW", (0, 1), (-1, -1), 0.5, HexColor(PALE)),
    ]
    total = sum(table.widths)
    widths = [width * share / total for share in table.widths]
    return Grid(rows, widths, repeatRows=1, style=style)


def _boxed(boxed: Boxed, width: float) -> Flowable:
    inner = width - 20
    flowables = [each for part in boxed.parts for each in _part(part, inner)]
    style = [
        ("BOX", *_ALL, 1.5, HexColor(BLACK)),
        ("LEFTPADDING", *_ALL, 10),
        ("RIGHTPADDING", *_ALL, 10),
        ("TOPPADDING", *_ALL, 6),
        ("BOTTOMPADDING", *_ALL, 8),
    ]
    return Grid([[flowables]], [width], style=style, spaceBefore=4)


def _columns(part: Columns, width: float) -> Flowable:
    room = width - GAP * (len(part.columns) - 1)
    total = sum(part.widths)
    widths = [room * share / total for share in part.widths]
    row = [
        [each for one in column for each in _part(one, inner)]
        for column, inner in zip(part.columns, widths, strict=True)
    ]
    spaced = [inner + GAP for inner in widths[:-1]] + widths[-1:]
    style = [*_TIGHT, ("VALIGN", *_ALL, "TOP"), ("RIGHTPADDING", (0, 0), (-2, -1), GAP)]
    return Grid([row], spaced, style=style, spaceBefore=4)


def _picture(picture: Picture, width: float) -> Flowable:
    pixels_wide, pixels_high = picture.size
    scale = min(width / pixels_wide, PICTURE_HEIGHT / pixels_high)
    size = (scale * pixels_wide, scale * pixels_high)
    image = Image(io.BytesIO(picture.jpeg), *size)
    frame = [*_TIGHT, ("BOX", *_ALL, 0.5, HexColor(GREY))]
    return Grid([[image]], [size[0]], style=frame, hAlign="LEFT", spaceAfter=2)


def _numbered(footer: str) -> Callable[..., Canvas]:
    """A canvas that knows, once it is done, how many pages there are."""

    class Numbered(Canvas):  # type: ignore[misc]  # ReportLab has no types
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - ReportLab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(REGULAR, 7)
                self.setFillColor(HexColor(GREY))
                self.drawString(MARGIN + FRAME_PADDING, MARGIN - 12, footer)
                right = self._pagesize[0] - MARGIN - FRAME_PADDING
                self.drawRightString(right, MARGIN - 12, f"page {number} of {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered


_ALL: Final = ((0, 0), (-1, -1))
_TIGHT: Final = tuple((f"{side}PADDING", *_ALL, 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM"))
