"""How the front is fastened: buttons, placket, zip, half zip, or left open."""

from model.drawings.collars import top_of_front
from model.drawings.design import Design
from model.drawings.shapes import Button, Mark, Points, Shape, Stroke, points, shifted
from model.drawings.torso import Cut

PLACKET_CM = 17.0
HALF_ZIP_CM = 24.0


def closure(design: Design, cut: Cut) -> list[Mark]:
    """The design's fastening; nothing on a pullover."""
    top, bottom = top_of_front(design, cut), cut.front_end
    if design.closure == "buttons":
        if design.collar in ("lapel", "shawl"):
            return _tailored(top, bottom, 3 if design.coat_length in ("thigh", "knee") else 2)
        return _buttons(top, bottom)
    if design.closure == "placket":
        return _placket(top)
    if design.closure == "zip":
        return _zip(top, bottom)
    if design.closure == "halfzip":
        return _zip(top, top + HALF_ZIP_CM)
    if design.closure == "open":
        return _open(top, bottom, cut)
    return []


def _buttons(top: float, bottom: float) -> list[Mark]:
    count = 1 + int((min(bottom - 6.0, top + 110.0) - top - 3.5) / 9.5)
    return [
        Shape("closure", _box(2.0, top, bottom)),
        Stroke(_line(-1.3, top, bottom), 0.25, dashed=True),
        *(_button(top + 3.5 + 9.5 * number, 0.95) for number in range(count)),
    ]


def _tailored(top: float, bottom: float, count: int) -> list[Mark]:
    """A few large buttons from the end of the lapels down."""
    return [
        Shape("closure", _box(1.2, top, bottom), outlined=False),
        Stroke(_line(1.2, top, bottom), 0.5),
        *(_button(top + 1.5 + 11.0 * number, 1.25) for number in range(count)),
    ]


def _placket(top: float) -> list[Mark]:
    bottom = top + PLACKET_CM
    box = points((-1.9, bottom - 2.2), (1.9, bottom - 2.2))
    heights = (top + 3.0, top + 8.0, top + 12.6)
    return [
        Shape("closure", _box(1.9, top, bottom)),
        Stroke(box, 0.3),
        *(_button(y, 0.85) for y in heights),
    ]


def _zip(top: float, bottom: float) -> list[Mark]:
    heights = [top + 1.0 + 1.5 * number for number in range(int((bottom - top - 1.4) / 1.5))]
    teeth = [Stroke(points((-0.75, y), (0.75, y)), 0.3) for y in heights]
    pull = points((-0.7, top + 1.0), (0.7, top + 1.0), (0.9, top + 5.0), (-0.9, top + 5.0))
    return [
        Shape("closure", _box(2.3, top, bottom), outlined=False),
        Stroke(_line(-2.3, top, bottom), 0.3, dashed=True),
        Stroke(_line(2.3, top, bottom), 0.3, dashed=True),
        Shape("closure", _box(0.85, top, bottom), tone="metal"),
        *teeth,
        Shape("closure", pull, tone="metal"),
    ]


def _open(top: float, bottom: float, cut: Cut) -> list[Mark]:
    gap = points(
        (-0.6, top - 1.5), (0.6, top - 1.5), (cut.hem * 0.26, bottom), (-cut.hem * 0.26, bottom)
    )
    edges = [
        Stroke(shifted(gap[[1, 2]], 1.3, 0.0), 0.28, dashed=True),
        Stroke(shifted(gap[[0, 3]], -1.3, 0.0), 0.28, dashed=True),
    ]
    return [Shape("closure", gap, tone="inside"), *edges]


def _button(y: float, radius: float) -> Button:
    return Button((0.0, y), radius)


def _box(half: float, top: float, bottom: float) -> Points:
    return points((-half, top), (half, top), (half, bottom), (-half, bottom))


def _line(x: float, top: float, bottom: float) -> Points:
    return points((x, top), (x, bottom))
