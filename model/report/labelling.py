"""Names beside marks, so that no name lies on another, on a mark, or outside the picture.

Text is measured by its number of characters, generously: no font is at hand.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

CHARACTER: Final = 7.6
"""Breadth allowed for a character of the labels' font, pixels."""
HEIGHT: Final = 15.0
BASELINE: Final = 11.5
"""Of a label, below its upper edge."""
NEAR: Final = 9.0
"""From a mark's middle to its label."""
RINGS: Final = 24
RING: Final = 9.0
"""Pixels between the distances that are tried."""
FAR: Final = 2 * RING
"""From here on a line leads from a mark to its label."""
CROSSING: Final = 30.0
"""Pixels that a label moves away rather than lie on a line."""
ON_ANOTHER: Final = 1e6
DIRECTIONS: Final = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether the two have an area, or a line, in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def within(self, other: "Box") -> bool:
        """Whether nothing of it is outside the other."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Its place that is nearest to a place outside."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)


@dataclass(frozen=True)
class Label:
    """Where a name is written; far from its mark, it wants a line that leads there."""

    box: Box
    far: bool

    @property
    def baseline(self) -> float:
        """Of its text."""
        return self.box.top + BASELINE


def place_labels(
    names: Sequence[str],
    places: Sequence[tuple[float, float]],
    *,
    taken: Sequence[Box],
    crossed: Sequence[Box],
    frame: Box,
) -> list[Label]:
    """Find a place for each name, as near to its mark as the others leave.

    Args:
        names: one for each mark.
        places: middles of the marks.
        taken: marks and bars, which no label may lie on.
        crossed: lines, which a label avoids where it need not go far for it.
        frame: all labels lie within.

    Returns:
        One for each name. Only where the frame is full do two of them meet.
    """
    kept = list(taken)
    labels: dict[int, Label] = {}
    # From the left, so that names that stand to the right of their marks leave room as they go.
    for index in sorted(range(len(names)), key=lambda i: places[i]):

        def worth(candidate: tuple[float, Box]) -> float:
            distance, box = candidate
            hidden = sum(box.meets(other) for other in kept) + (not box.within(frame))
            return distance + CROSSING * _crossings(box, crossed) + ON_ANOTHER * hidden

        distance, box = min(_around(names[index], *places[index]), key=worth)
        labels[index] = Label(box, far=distance >= FAR)
        kept.append(box)
    return [labels[index] for index in range(len(names))]


def _crossings(box: Box, lines: Sequence[Box]) -> int:
    return sum(box.meets(line) for line in lines)


def _around(name: str, x: float, y: float) -> Iterator[tuple[float, Box]]:
    """Boxes for a name around a place, each with what it is worth to be nearer."""
    width = CHARACTER * len(name)
    for ring in range(RINGS):
        for order, (across, down) in enumerate(DIRECTIONS):
            away = NEAR + RING * ring
            if across and down:
                away /= math.sqrt(2)
            left = x + across * away - (width * (1 - across) / 2)
            top = y + down * away - (HEIGHT * (1 - down) / 2)
            yield RING * ring + 0.1 * order, Box(left, top, left + width, top + HEIGHT)
