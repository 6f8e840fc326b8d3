"""Garments that hang from the waist: skirts, trousers, shorts."""

from typing import Final

from model.drawings.design import Design
from model.drawings.look import Look
from model.drawings.shapes import (
    Button,
    Mark,
    Points,
    Shape,
    Stroke,
    bend,
    both_sides,
    curve,
    joined,
    mirror,
    points,
    shifted,
    symmetric,
)

_SKIRTS: Final = {"mini": 38.0, "knee": 57.0, "midi": 78.0, "maxi": 102.0}
_PANTS: Final = {"short": 34.0, "bermuda": 54.0, "crop": 80.0, "full": 104.0}
_WAIST: Final = 18.0
_BAND: Final = 4.0
_CROTCH: Final = 27.0


def bottom(design: Design, look: Look) -> list[Mark]:
    """Skirt or trousers with waistband and seams."""
    return _skirt(design, look) if design.garment_type == "skirt" else _trousers(design, look)


def _skirt(design: Design, look: Look) -> list[Mark]:
    length = _SKIRTS[design.skirt_length] * look.length
    waist, hip = _WAIST * look.ease, 24.5 * look.ease
    hem = hip + (length - 18.0) * (0.02 + 0.3 * look.flare)
    side = curve((waist, _BAND), (hip, 20.0), (hem, length))
    edge = bend((hem, length), (hem * 0.5, length + 2.6), (0.0, length + 2.6))
    marks: list[Mark] = [
        Shape("body", symmetric(joined(points((0.0, _BAND)), side, edge))),
        Stroke(shifted(joined(mirror(edge), edge[::-1]), 0.0, -1.8), 0.3, dashed=True),
    ]
    pleated = look.flare > 0.45
    folds = [
        Stroke(bend((x * waist, _BAND), (x * hip, 20.0), (x * hem, length + 1.0)), 0.35)
        for x in ((0.2, 0.45, 0.72) if pleated else ())
    ]
    dart = Stroke(points((9.0, _BAND), (9.8, 14.0)), 0.35)
    return [*marks, *both_sides(folds or [dart]), *_waistband(waist)]


def _trousers(design: Design, look: Look) -> list[Mark]:
    length = _PANTS[design.pant_length] * look.length
    waist, hip = _WAIST * look.ease, 24.0 * look.ease
    share = (length - 30.0) / 74.0  # 0 at the shortest shorts, 1 at the ankle
    width = 20.0 - share * (9.0 - 4.0 * look.flare)
    outer = hip + 1.5 + 4.0 * share
    inner = outer - width
    side = curve((waist, _BAND), (hip, 18.0), (outer, length))
    leg = joined(
        points((0.0, _BAND)),
        side,
        points((outer, length), (inner, length + 0.8)),
        bend((inner, length + 0.8), (1.4, _CROTCH + 12.0), (0.0, _CROTCH)),
    )
    cuff = points((outer - 0.1, length - 2.0), (inner + 0.1, length - 1.2))
    pocket = bend((waist - 8.0, _BAND), (waist - 6.0, 12.0), (hip - 0.6, 15.0))
    crease = bend(
        (12.0, 20.0), (12.6, length * 0.5), ((outer + inner) / 2, max(22.0, length - 4.0))
    )
    fly = curve((4.2, _BAND), (4.0, 14.0), (0.2, 20.0))
    return [
        Shape("body", symmetric(leg)),
        *both_sides([Stroke(cuff, 0.3, True), Stroke(pocket, 0.5), Stroke(crease, 0.22)]),
        Stroke(points((0.0, _BAND), (0.0, _CROTCH)), 0.5),
        Stroke(fly, 0.3, dashed=True),
        *_waistband(waist),
        *both_sides([_belt_loop(x) for x in (6.5, 13.5)]),
        Button((0.0, _BAND / 2), 1.0, part="body"),
    ]


def _waistband(waist: float) -> list[Mark]:
    top: Points = bend((0.0, 1.0), (waist * 0.5, 1.0), (waist - 0.4, 0.0))
    low = bend((waist, _BAND), (waist * 0.5, _BAND + 1.0), (0.0, _BAND + 1.0))
    return [Shape("body", symmetric(joined(top, low)))]


def _belt_loop(x: float) -> Shape:
    top, low = -0.2, _BAND + 1.4
    return Shape("body", points((x - 0.6, top), (x + 0.6, top), (x + 0.6, low), (x - 0.6, low)))
