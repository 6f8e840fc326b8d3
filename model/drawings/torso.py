"""Garments that hang from the shoulders: body, sleeves, neck opening.

One `Cut` holds the measures; body, sleeves, neckline, collar and closure are all drawn from it,
so a wider neck moves the collar along.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from model.drawings.design import Design
from model.drawings.look import Look
from model.drawings.shapes import (
    Button,
    Mark,
    Points,
    Shape,
    Stroke,
    band,
    bend,
    both_sides,
    curve,
    joined,
    mirror,
    points,
    shifted,
    symmetric,
)

Point = tuple[float, float]


@dataclass(frozen=True)
class Cut:
    """Measures of one torso garment, centimetres, right side."""

    neck: Point
    depth: float
    shoulder: Point
    armpit: Point
    waist: float
    hip: float
    hem: float
    hem_y: float
    tail: float
    opening: Points
    """Right half of the front neckline, from the neck point to the centre front."""

    @property
    def front_end(self) -> float:
        """Height of the hem at the centre front."""
        return self.hem_y + (0.5 if self.tail else 1.6)


# Half widths at bust, waist and hip, and length, of an average flat.
_BLOCKS: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "t-shirt": (24.5, 23.5, 24.0, 66.0),
    "longsleeve": (24.0, 22.8, 23.5, 66.0),
    "shirt": (26.0, 24.8, 26.0, 73.0),
    "polo": (24.8, 23.8, 24.5, 67.0),
    "hoodie": (27.5, 27.0, 25.5, 66.0),
    "undershirt": (21.5, 20.5, 22.0, 66.0),
    "top": (20.5, 18.5, 22.0, 54.0),
    "blouse": (24.0, 22.0, 25.5, 63.0),
    "outwear": (28.0, 27.0, 28.0, 0.0),
    "blazer": (25.0, 22.5, 26.0, 0.0),
    "dress": (21.5, 17.5, 23.0, 0.0),
}
_COAT_LENGTHS: Final = {"waist": 52.0, "hip": 68.0, "thigh": 86.0, "knee": 110.0}
_DRESS_LENGTHS: Final = {"mini": 82.0, "knee": 101.0, "midi": 122.0, "maxi": 146.0}
_RIBBED: Final = frozenset({"t-shirt", "longsleeve", "undershirt", "polo", "hoodie"})


def cut_of(design: Design, look: Look) -> Cut:
    """Take the design's measures under a look."""
    bust, waist, hip, length = _BLOCKS[design.garment_type]
    length = _COAT_LENGTHS.get(design.coat_length, length)
    length = _DRESS_LENGTHS.get(design.skirt_length, length) * look.length
    hem = hip
    if design.garment_type == "dress":
        hem = hip + (length - 60) * (0.06 + 0.2 * look.flare)
    elif design.coat_length in ("thigh", "knee"):
        hem = hip + (length - 60) * (0.03 + 0.1 * look.flare)
    neck, depth, opening = _opening(design, look)
    shoulder = (19.5 * look.ease, 5.0)
    if design.neckline in ("strap", "offshoulder"):
        shoulder = neck
    elif design.sleeve_length == "sleeveless":
        shoulder = (max(neck[0] + 3.2, 15.0 if design.neckline == "crew" else 14.0), 3.8)
    return Cut(
        neck=neck,
        depth=depth,
        shoulder=shoulder,
        armpit=(bust * look.ease, 25.0),
        waist=waist * look.ease,
        hip=hip * look.ease,
        hem=hem * look.ease,
        hem_y=length,
        tail=7.0 if design.garment_type == "shirt" else 0.0,
        opening=opening,
    )


def body(design: Design, cut: Cut) -> list[Mark]:
    """The inside of the neck, then the front with its seams."""
    right = joined(
        cut.opening[::-1],
        points(cut.shoulder),
        _armhole(design, cut),
        _side(cut),
        _hem(cut),
    )
    marks: list[Mark] = [_neck_inside(cut)] if design.neckline not in _BARE else []
    marks.append(Shape("body", symmetric(right)))
    marks += _seams(design, cut)
    return marks


def neckline(design: Design, cut: Cut) -> list[Mark]:
    """What finishes a neck without a collar: rib, binding, straps, keyhole."""
    if design.neckline == "strap":
        strap = curve((cut.neck[0] - 0.8, 16.0), (10.6, 5.0), (9.0, -2.5))
        top = joined(mirror(cut.opening), cut.opening[::-1])
        return [
            *both_sides([Shape("neckline", band(strap, 1.6))]),
            Shape("neckline", band(top, 1.4)),
        ]
    edge = joined(mirror(cut.opening), cut.opening[::-1])  # left neck point to right
    if design.neckline == "offshoulder":
        return [
            Shape("neckline", band(edge, 6.5)),
            Stroke(shifted(edge, 0.0, 5.2), 0.35, dashed=True),
        ]
    width = 2.4 if design.garment_type in _RIBBED else 1.3
    marks: list[Mark] = [Shape("neckline", band(edge, width), tone="rib")]
    if design.neckline == "keyhole":
        knot = cut.depth + width
        right = ((0, 0), (1.3, 3), (2.4, 7.5), (1.3, 10), (0, 10.6))
        drop = curve(*((x, knot + y) for x, y in right))
        marks.append(Shape("neckline", band(symmetric(drop), -1.0)))
        marks.append(Shape("neckline", symmetric(drop), tone="inside"))
        marks.append(Button((0.0, knot - 0.6), 0.9, part="neckline"))
    return marks


_BARE: Final = frozenset({"strap", "offshoulder"})


def _opening(design: Design, look: Look) -> tuple[Point, float, Points]:
    """Neck point, depth at the centre front, and the line between them."""
    n = look.neck
    x = {"scoop": 12.8, "boat": 15.2, "square": 12.0}.get(design.neckline, 9.0) * n
    if design.neckline == "strap":
        top = (13.0 * n, 15.0)
        return top, 19.0, curve(top, (7.5 * n, 15.6), (0.0, 19.0))
    if design.neckline == "offshoulder":
        return (22.0, 12.0), 17.0, bend((22.0, 12.0), (11.0, 17.2), (0.0, 17.0))
    if design.collar in ("lapel", "shawl"):
        depth = 33.0 * n
        return (x, 0.0), depth, bend((x, 0.0), (5.5 * n, 14.0), (0.0, depth))
    if design.neckline == "v":
        depth = 23.0 * n
        return (x, 0.0), depth, bend((x, 0.0), (5.2 * n, 11.0), (0.0, depth))
    if design.neckline == "square":
        depth = 15.0 * n
        inner = 10.6 * n
        return (
            (x, 0.0),
            depth,
            points((x, 0.0), (inner, depth - 0.4), (inner - 0.4, depth), (0, depth)),
        )
    if design.neckline == "boat":
        return (x, 0.6), 4.2, bend((x, 0.6), (9.0, 4.3), (0.0, 4.2))
    depth = {"scoop": 18.5, "high": 5.0}.get(design.neckline, 8.5) * n
    line = curve((x, 0.0), (x * 0.88, depth * 0.48), (x * 0.55, depth * 0.87), (0.0, depth))
    return (x, 0.0), depth, line


def _neck_inside(cut: Cut) -> Shape:
    back = bend(mirror(points(cut.neck))[0].tolist(), (0.0, cut.neck[1] + 3.0), cut.neck)
    return Shape("neckline", joined(back, cut.opening, mirror(cut.opening)[::-1]), tone="inside")


def _armhole(design: Design, cut: Cut) -> Points:
    if design.neckline == "strap":
        return bend(cut.shoulder, (cut.shoulder[0] + 1.5, 22.0), cut.armpit)
    if design.sleeve_length == "sleeveless":
        return bend(cut.shoulder, (cut.shoulder[0] - 0.8, 23.5), cut.armpit)
    return bend(cut.shoulder, (cut.shoulder[0] - 0.6, 20.0), cut.armpit)


def _side(cut: Cut) -> Points:
    knots = [cut.armpit]
    if cut.hem_y > 48:
        knots.append((cut.waist, 42.0))
    if cut.hem_y > 70:
        knots.append((cut.hip, 61.0))
    return curve(*knots, (cut.hem, cut.hem_y - cut.tail))


def _hem(cut: Cut) -> Points:
    if cut.tail:
        low = cut.front_end
        return curve((cut.hem, cut.hem_y - cut.tail), (cut.hem * 0.72, low - 1.5), (0.0, low))
    return bend((cut.hem, cut.hem_y), (cut.hem * 0.5, cut.front_end), (0.0, cut.front_end))


def _seams(design: Design, cut: Cut) -> list[Mark]:
    hem = joined(mirror(_hem(cut)), _hem(cut)[::-1])
    marks: list[Mark] = []
    if design.garment_type == "hoodie":
        marks += _waistband(cut) + _pouch(design)
    else:
        marks.append(Stroke(shifted(hem, 0.0, -1.6), 0.3, dashed=True))
    if design.sleeve_length == "sleeveless" and design.neckline not in _BARE:
        inset = shifted(_armhole(design, cut), -1.1, 0.0)
        marks += both_sides([Stroke(inset, 0.3, dashed=True)])
    if design.garment_type == "dress":
        waist = bend((-cut.waist, 42.0), (0.0, 44.0), (cut.waist, 42.0))
        folds = [
            Stroke(
                bend((x * cut.waist, 45.0), (x * cut.hip, 60.0), (x * cut.hem, cut.hem_y - 12)), 0.3
            )
            for x in (0.35, 0.7)
        ]
        marks += [Stroke(waist, 0.5), *both_sides(folds)]
    if design.garment_type in ("blazer", "outwear"):
        marks += _pockets(design, cut)
    return marks


def _waistband(cut: Cut) -> list[Mark]:
    top = cut.hem_y - 5.5
    side = cut.hem + (cut.waist - cut.hem) * 0.2
    line = bend((side, top), (side * 0.5, top + 1.6), (0.0, top + 1.6))
    return [Shape("body", symmetric(joined(line[::-1], _hem(cut))), tone="rib")]


def _pouch(design: Design) -> list[Mark]:
    right = curve((8.5, 41.0), (13.5, 52.0), (14.5, 59.0))
    line = joined(points((0.0, 41.0)), right)
    if design.closure == "zip":
        line = joined(points((3.0, 41.0)), right)
    return both_sides([Stroke(line, 0.5)])


def _pockets(design: Design, cut: Cut) -> list[Mark]:
    y = 50.0 if cut.hem_y > 60 else 40.0
    if design.garment_type == "blazer":
        welt = points((9.0, y), (19.0, y - 0.8), (19.2, y + 2.2), (9.2, y + 3.0), (9.0, y))
        return both_sides([Stroke(welt, 0.45)])
    slanted = points((15.0, y - 4.0), (18.5, y + 9.0))
    return both_sides([Stroke(slanted, 0.6)])
