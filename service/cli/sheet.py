"""A sheet of queries and their hits, drawn with Pillow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont

TILE: Final = 150
"""Side of a picture, pixels."""
BORDER: Final = 4
GAP: Final = 8
QUERY_GAP: Final = 28
"""Between the query and its hits."""
LINE: Final = 16
LABEL_LINES: Final = 2
MARGIN: Final = 16
TITLE: Final = 34
RIGHT: Final = (30, 140, 60)
WRONG: Final = (200, 40, 40)
NEUTRAL: Final = (150, 150, 150)
INK: Final = (30, 30, 30)
BADGE: Final = 22

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A picture with its lines below; right or wrong when it is a hit."""

    image: Image.Image
    label: tuple[str, ...]
    right: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A query, where the network looked in it, and its hits, best first."""

    query: Tile
    attention: Tile
    hits: Sequence[Tile]


def sheet(title: str, rows: Sequence[Row]) -> Image.Image:
    """Draw rows of tiles under a title."""
    most = max((len(row.hits) for row in rows), default=0)
    step = TILE + 2 * BORDER + GAP
    height = TILE + 2 * BORDER + LABEL_LINES * LINE + 2 * GAP
    size = (2 * MARGIN + (2 + most) * step + QUERY_GAP, 2 * MARGIN + TITLE + len(rows) * height)
    # Wide enough for the title, whatever the number of hits.
    width = max(size[0], 2 * MARGIN + round(_font(16).getlength(title)))
    page = Image.new("RGB", (width, size[1]), "white")
    ImageDraw.Draw(page).text((MARGIN, MARGIN), title, INK, font=_font(16))
    for number, row in enumerate(rows):
        top = MARGIN + TITLE + number * height
        for place, tile in enumerate((row.query, row.attention, *row.hits)):
            left = MARGIN + place * step + (QUERY_GAP if place > 1 else 0)
            _put(page, tile, left, top)
    return page


def _put(page: Image.Image, tile: Tile, left: int, top: int) -> None:
    draw = ImageDraw.Draw(page)
    color = {None: NEUTRAL, True: RIGHT, False: WRONG}[tile.right]
    width = BORDER if tile.right is not None else 1
    side = TILE + 2 * BORDER
    page.paste(tile.image.resize((TILE, TILE)), (left + BORDER, top + BORDER))
    draw.rectangle((left, top, left + side - 1, top + side - 1), outline=color, width=width)
    if tile.right is not None:
        _badge(draw, tile.right, left + side - BADGE, top)
    for number, line in enumerate(tile.label[:LABEL_LINES]):
        place = (left, top + side + 2 + number * LINE)
        draw.text(place, _fitting(line, side), INK, font=_font(12))


def _badge(draw: ImageDraw.ImageDraw, right: bool, left: int, top: int) -> None:
    """A tick or a cross: colour alone does not tell everyone."""
    box = (left, top, left + BADGE - 1, top + BADGE - 1)
    draw.rectangle(box, fill=RIGHT if right else WRONG)
    tick: Sequence[Line] = [((0.22, 0.55), (0.42, 0.75), (0.8, 0.28))]
    cross: Sequence[Line] = [((0.28, 0.28), (0.72, 0.72)), ((0.28, 0.72), (0.72, 0.28))]
    for line in tick if right else cross:
        path = [(left + x * BADGE, top + y * BADGE) for x, y in line]
        draw.line(path, fill="white", width=3, joint="curve")


def _fitting(text: str, width: int) -> str:
    font = _font(12)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
