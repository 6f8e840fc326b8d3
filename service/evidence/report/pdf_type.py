"""Letters of a PDF: fonts that are embedded, styles by name, and texts those fonts can show."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import reportlab
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph

from service.evidence.report.parts import BLACK

REGULAR: Final = "LapelSans"
STRONG: Final = "LapelSansBold"


def paragraph(text: str, kind: str, bullet: str | None = None) -> Paragraph:
    """A text in one of the styles."""
    return Paragraph(escape(printable(text)), _styles()[kind], bulletText=bullet)


@cache
def _styles() -> dict[str, ParagraphStyle]:
    """By kind; fonts must be registered."""
    body = ParagraphStyle(
        "body",
        fontName=REGULAR,
        fontSize=8.6,
        leading=12.2,
        textColor=HexColor(BLACK),
        spaceBefore=2,
        spaceAfter=3,
    )

    def like(name: str, **changes: Any) -> ParagraphStyle:
        return ParagraphStyle(name, body, **changes)

    strong = {"fontName": STRONG}
    small = {"fontSize": 7.4, "leading": 10, "textColor": HexColor("#4a4a4a")}
    cell = {"fontSize": 7.8, "leading": 10.4, "spaceBefore": 0, "spaceAfter": 0}
    right = {"alignment": TA_RIGHT}
    grey = {"textColor": HexColor("#4a4a4a")}
    return {
        "body": body,
        "title": like("title", **strong, fontSize=17, leading=21, spaceAfter=2),
        "section": like("section", **strong, fontSize=12, leading=15, spaceBefore=13),
        "lead": like("lead", **strong, fontSize=10.5, leading=14),
        "note": like("note", **small),
        "small": like("small", **small),
        "item": like("item", leftIndent=11, bulletIndent=1),
        "name": like("name", **cell, **grey),
        "fact": like("fact", **cell),
        "cell": like("cell", **cell),
        "cell-right": like("cell-right", **cell, **right),
        "head": like("head", **cell | strong),
        "head-right": like("head-right", **cell | strong, **right),
    }


@cache
def register_fonts() -> None:
    """Make the fonts known; calling it again does nothing."""
    folder = Path(reportlab.__file__).parent / "fonts"
    pdfmetrics.registerFont(TTFont(REGULAR, str(folder / "Vera.ttf")))
    pdfmetrics.registerFont(TTFont(STRONG, str(folder / "VeraBd.ttf")))


def printable(text: str) -> str:
    """The text with letters that the font lacks as U+..., and accents joined where they can be."""
    register_fonts()
    known = pdfmetrics.getFont(REGULAR).face.charToGlyph
    composed = unicodedata.normalize("NFC", text)
    return "".join(c if ord(c) in known else f"[U+{ord(c):04X}]" for c in composed)
