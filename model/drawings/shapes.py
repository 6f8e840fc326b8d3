"""The draughtsman's vocabulary: filled shapes, strokes and dots, and curves to make them of.

Coordinates are centimetres on a flat-lying garment: x to the right of the centre front, y down
from the base of the neck (from the waist, on bottoms). A garment is a list of marks, painted
in order; which mark lies on top decides which part a pixel belongs to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(N, 2) float64, centimetres."""
Part = Literal["body", "sleeves", "collar", "neckline", "closure"]
Tone = Literal["fabric", "inside", "rib", "metal"]


@dataclass(frozen=True)
class Shape:
    """A filled, outlined piece; `grain` turns the pattern on it, radians."""

    part: Part
    points: Points
    tone: Tone = "fabric"
    grain: float = 0.0
    outlined: bool = True


@dataclass(frozen=True)
class Stroke:
    """A line on top of what lies below it; it belongs to no part of its own."""

    points: Points
    weight: float = 0.5
    dashed: bool = False


@dataclass(frozen=True)
class Button:
    """A button, or the pull of a zip."""

    centre: tuple[float, float]
    radius: float = 0.85
    part: Part = "closure"


Mark = Shape | Stroke | Button


def points(*pairs: tuple[float, float]) -> Points:
    """(N, 2) from pairs."""
    return np.array(pairs, dtype=np.float64)


def curve(*through: tuple[float, float], steps: int = 10) -> Points:
    """A smooth line through the given points (Catmull-Rom, its ends doubled)."""
    knots = np.array([through[0], *through, through[-1]], dtype=np.float64)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        cubic = -a + 3 * b - 3 * c + d
        square = 2 * a - 5 * b + 4 * c - d
        pieces.append(b + 0.5 * ((c - a) * t + square * t**2 + cubic * t**3))
    return np.concatenate([*pieces, knots[-1:]])


def bend(start: tuple[float, float], pull: tuple[float, float], end: tuple[float, float]) -> Points:
    """A quadratic Bézier from start to end, drawn towards `pull`."""
    t = np.linspace(0, 1, 16)[:, None]
    a, b, c = (np.array(point, dtype=np.float64) for point in (start, pull, end))
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c)


def mirror(line: Points) -> Points:
    """Left for right; the order of points stays."""
    return np.asarray(line * np.array([-1.0, 1.0]))


def shifted(line: Points, right: float, down: float) -> Points:
    """The line, moved."""
    return np.asarray(line + np.array([right, down]))


def joined(*lines: Points) -> Points:
    """One line after the other."""
    return np.concatenate(lines)


def symmetric(right: Points) -> Points:
    """Close a right half, given from top centre to bottom centre, with its mirror image."""
    return np.concatenate([right, mirror(right)[::-1]])


def band(edge: Points, width: float) -> Points:
    """A ribbon of the given width on the right-hand side of `edge` (seen along it, y down)."""
    along = np.gradient(edge, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return np.concatenate([edge, (edge + across * width)[::-1]])


def both_sides(right: Iterable[Mark]) -> list[Mark]:
    """Marks of the right side and their mirror images."""
    marks: list[Mark] = []
    for mark in right:
        marks += [mark, _mirrored(mark)]
    return marks


def _mirrored(mark: Mark) -> Mark:
    if isinstance(mark, Shape):
        return Shape(mark.part, mirror(mark.points), mark.tone, -mark.grain, mark.outlined)
    if isinstance(mark, Stroke):
        return Stroke(mirror(mark.points), mark.weight, mark.dashed)
    return Button((-mark.centre[0], mark.centre[1]), mark.radius, mark.part)
