"""Collars, each drawn over the finished front from the neck point and depth of the cut."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from model.drawings.design import Design
from model.drawings.look import Look
from model.drawings.shapes import (
    Mark,
    Shape,
    Stroke,
    bend,
    both_sides,
    curve,
    joined,
    points,
    shifted,
    symmetric,
)
from model.drawings.torso import Cut


def collar(design: Design, cut: Cut, look: Look) -> list[Mark]:
    """The design's collar; nothing where it has none."""
    make = _COLLARS.get(design.collar)
    return make(cut, look) if make else []


def top_of_front(design: Design, cut: Cut) -> float:
    """Height at which a front closure begins, centimetres: a stand collar is closed too."""
    if design.collar == "stand":
        return -4.2
    if design.collar in ("shirt", "polo"):
        return 5.0
    if design.collar == "hood":
        return 9.5
    return cut.depth


def _shirt(cut: Cut, look: Look) -> list[Mark]:
    long = look.collar
    leaf = joined(
        bend((0.3, 5.4), (5.0, 2.0), (7.4, -4.4)),
        bend((7.4, -4.4), (10.0, -3.6), (11.4, 2.6)),
        points((9.4 * long, 13.2 * long)),
    )
    seam = joined(bend((10.4, 2.4), (9.6, 6), (8.8 * long, 11.6 * long)), points((1.4, 6.2)))
    return [_back_of_neck(), *both_sides([Shape("collar", leaf), Stroke(seam, 0.28, dashed=True)])]


def _polo(cut: Cut, look: Look) -> list[Mark]:
    tip = 10.4 * look.collar
    leaf = joined(
        bend((0.3, 5.0), (5.0, 1.6), (7.6, -3.8)),
        bend((7.6, -3.8), (11.0, -2.4), (12.4, 3.4)),
        curve((10.6, tip - 1.0), (9.4, tip), (7.8, tip - 0.6)),
    )
    line = joined(points((11.3, 3.2)), curve((9.6, tip - 2.4), (8.8, tip - 1.6), (7.6, tip - 2.2)))
    ribs = joined(line, points((1.2, 5.0)))
    return [
        _back_of_neck(),
        *both_sides([Shape("collar", leaf, tone="rib"), Stroke(ribs, 0.3)]),
    ]


def _peter_pan(cut: Cut, look: Look) -> list[Mark]:
    x, depth = cut.neck[0], cut.depth
    inner = cut.opening[::-1]  # centre front to neck point
    outer = curve(
        (x, -1.2),
        (x + 5.0, 2.5),
        (x + 5.6, 9.0),
        (x + 0.5, depth + 6.5),
        (3.0, depth + 6.4),
        (0.2, depth + 1.0),
    )
    return both_sides(
        [
            Shape("collar", joined(inner, outer)),
            Stroke(shifted(outer * 0.93, 0.0, 0.5), 0.28, dashed=True),
        ]
    )


def _stand(cut: Cut, look: Look) -> list[Mark]:
    x, depth = cut.neck[0], 6.5 * look.collar
    top = (x - 1.2, -depth)
    front = joined(
        bend((0.0, -depth + 3.4), (x * 0.7, -depth + 3.0), top),
        bend(top, (x - 0.4, -2.0), (x + 0.8, 1.6)),
        bend((x + 0.8, 1.6), (x * 0.6, cut.depth), (0.0, cut.depth)),
    )
    back = bend((0.0, -depth - 0.9), (x * 0.7, -depth - 0.9), top)
    inside = joined(back, bend(top, (x * 0.7, -depth + 3.0), (0.0, -depth + 3.4)))
    return [
        Shape("collar", symmetric(inside), tone="inside"),
        Shape("collar", symmetric(front)),
    ]


def _roll(cut: Cut, look: Look) -> list[Mark]:
    x, tall = cut.neck[0], 12.0 * look.collar
    top = (x - 0.9, -tall)
    tube = joined(
        bend((0.0, -tall + 1.5), (x * 0.7, -tall + 1.4), top),
        bend(top, (x + 0.6, -tall * 0.5), (x + 0.2, -0.5)),
        bend((x + 0.4, 0.6), (x * 0.6, 7.6), (0.0, 7.6)),
    )
    back = bend((0.0, -tall - 1.2), (x * 0.7, -tall - 1.2), top)
    inside = joined(back, bend(top, (x * 0.7, -tall + 1.4), (0.0, -tall + 1.5)))
    ribs = [
        Stroke(points((s * x, -tall + 2.2 - 1.2 * s), (s * x * 1.04, 4.6 - 4.0 * s)), 0.22)
        for s in np.linspace(0.12, 0.84, 5)
    ]
    return [
        Shape("collar", symmetric(inside), tone="inside"),
        Shape("collar", symmetric(tube)),
        *both_sides(ribs),
    ]


def _hood(cut: Cut, look: Look) -> list[Mark]:
    x, tall = cut.neck[0], 25.0 * look.collar
    outer = curve(
        (0.0, -tall),
        (8.5, -tall + 2.0),
        (x + 4.0, -tall * 0.55),
        (x + 4.2, -5.0),
        (x + 4.4, 3.5),
        (6.0, 9.6),
        (0.0, 12.4),
    )
    inner = curve(
        (0.0, -tall + 4.6),
        (6.6, -tall + 6.4),
        (8.8, -tall * 0.45),
        (7.6, -2.0),
        (3.6, 5.4),
        (0.0, 8.6),
    )
    neck = bend((-8.2, -3.5), (0.0, 0.8), (8.2, -3.5))
    cord = curve((2.6, 9.0), (3.4, 15.0), (2.9, 24.0))
    return [
        Shape("collar", symmetric(outer)),
        Shape("collar", symmetric(inner), tone="inside"),
        Stroke(neck, 0.4),
        Stroke(points((0.0, -tall + 4.6), (0.0, -0.8)), 0.35),
        *both_sides(
            [Stroke(shifted(inner * 1.09, 0.0, 0.4), 0.28, dashed=True), Stroke(cord, 0.9)]
        ),
    ]


def _lapel(cut: Cut, look: Look) -> list[Mark]:
    depth, wide = cut.depth, look.collar
    roll_line = bend((0.2, depth), (5.4, 15.0), (8.0, 0.5))
    lapel = joined(
        roll_line,
        points((10.4 * wide, 10.2), (16.6 * wide, 10.8)),
        bend((16.6 * wide, 10.8), (11.0 * wide, 24.0), (0.2, depth)),
    )
    upper = joined(
        bend((6.4, 7.0), (8.2, 2.0), (7.2, -4.8)),
        bend((7.2, -4.8), (10.2, -3.6), (11.8, 2.0)),
        points((14.6 * wide, 7.6), (10.4 * wide, 10.2)),
    )
    return [_back_of_neck(), *both_sides([Shape("collar", lapel), Shape("collar", upper)])]


def _shawl(cut: Cut, look: Look) -> list[Mark]:
    depth, wide = cut.depth, look.collar
    inner = bend((0.2, depth), (6.0, 15.0), (7.2, -4.8))
    outer = curve(
        (7.2, -4.8),
        (10.6, -1.5),
        (15.2 * wide, 8.0),
        (13.6 * wide, 18.0),
        (6.5, 28.0),
        (0.2, depth + 1.5),
    )
    return [_back_of_neck(), *both_sides([Shape("collar", joined(inner, outer))])]


def _back_of_neck() -> Shape:
    """The inside of a fallen collar, seen behind the throat."""
    top = bend((0.0, -5.6), (5.0, -5.6), (7.6, -4.4))
    low = bend((8.6, 1.0), (5.0, 5.0), (0.0, 4.6))
    return Shape("collar", symmetric(joined(top, low)), tone="inside")


_COLLARS: Final[Mapping[str, Callable[[Cut, Look], list[Mark]]]] = {
    "shirt": _shirt,
    "polo": _polo,
    "other": _peter_pan,
    "stand": _stand,
    "roll": _roll,
    "hood": _hood,
    "lapel": _lapel,
    "shawl": _shawl,
}
