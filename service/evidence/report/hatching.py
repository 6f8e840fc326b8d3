"""Diagonal lines within a rectangle, so that two fills differ where there is no colour."""

from collections.abc import Iterator

from service.evidence.report.parts import Box, Line

STEP = 3.0
"""Between two lines, points."""


def hatch(box: Box) -> Iterator[Line]:
    """Lines that rise to the right, cut off at the rectangle's edges."""
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    rise = STEP
    while rise < box.width + box.height:
        # The points with (x - left) + (bottom - y) = rise... of which those within are kept.
        begin = (left, bottom - rise) if rise <= box.height else (left + rise - box.height, top)
        end = (left + rise, bottom) if rise <= box.width else (right, bottom - rise + box.width)
        yield Line((begin, end), width=0.6)
        rise += STEP
