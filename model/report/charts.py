"""Charts as inline SVG: bars with reference marks, reliability, and maps of a space.

Every chart names itself to a screen reader. Colours are the page's CSS variables, so that charts
follow light and dark; nothing is told by colour alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from PIL import ImageColor

from model.metrics import ReliabilityBin
from model.report.findings import Point

BAR_WIDTH: Final = 150
BAR_HEIGHT: Final = 18
PLOT: Final = 210
"""Side of a reliability diagram's square."""
COUNTS_HEIGHT: Final = 34
"""Of the bars below it."""
MAP_WIDTH: Final = 640
MOST_MAP_HEIGHT: Final = 460
MAP_MARGIN: Final = 14

PALETTE: Final = (
    *("#3b7dd8", "#e07b39", "#2f9e6e", "#c8466b", "#8a63d2", "#b08a1f", "#2aa5b8", "#8a8f98"),
)
SHAPES: Final = (
    "M-4.5 0A4.5 4.5 0 1 1 4.5 0A4.5 4.5 0 1 1-4.5 0Z",  # disc
    "M-4 -4H4V4H-4Z",  # square
    "M0 -5.4L5 3.6H-5Z",  # triangle
    "M0 -5.8L5.2 0L0 5.8L-5.2 0Z",  # diamond
    "M-1.8 -5H1.8V-1.8H5V1.8H1.8V5H-1.8V1.8H-5V-1.8H-1.8Z",  # plus
)
"""Five shapes and eight colours: forty values before a pair comes again."""

MANY_COLORS: Final = "many-colors"
"""The gradient of a value that names no colour among values that do."""


@dataclass(frozen=True)
class Mark:
    """A reference on a bar: what it stands for, where (0..1), and its form."""

    name: str
    at: float
    dashed: bool = False


@dataclass(frozen=True)
class Look:
    """How a value is drawn on a map: its shape's number and its colour."""

    shape: int
    color: str


def bar(name: str, share: float, marks: Sequence[Mark] = ()) -> str:
    """A horizontal bar from 0 to 1 with reference marks across it."""
    said = ", ".join(f"{each} {at:.3f}" for each, at in [(name, share), *_named(marks)])
    parts = [
        f'<rect class="track" width="{BAR_WIDTH}" height="{BAR_HEIGHT}" rx="3"/>',
        f'<rect class="bar" width="{share * BAR_WIDTH:.1f}" height="{BAR_HEIGHT}" rx="3"/>',
        *(_mark(mark) for mark in marks),
    ]
    return _svg("chart bars", BAR_WIDTH, BAR_HEIGHT, said, "".join(parts))


def reliability_diagram(name: str, bins: Sequence[ReliabilityBin], error: float) -> str:
    """What was promised against what came true; below, how often each was promised.

    Args:
        name: of the probability.
        bins: the points; perfect ones lie on the diagonal.
        error: expected calibration error.
    """
    left, top, side = 34, 8, PLOT
    axes = [
        f'<path class="axis" d="M{left} {top}V{top + side}H{left + side}"/>',
        f'<path class="diagonal" d="M{left} {top + side}L{left + side} {top}"/>',
        *(
            f'<path class="grid" d="M{left} {top + side * (1 - at):.1f}h{side}"/>'
            f'<text class="tick" x="{left - 6}" y="{top + side * (1 - at) + 4:.1f}" '
            f'text-anchor="end">{at:g}</text>'
            for at in (0, 0.5, 1)
        ),
        *(
            f'<text class="tick" x="{left + side * at:.1f}" '
            f'y="{top + side + COUNTS_HEIGHT + 20}" text-anchor="middle">{at:g}</text>'
            for at in (0, 0.5, 1)
        ),
    ]
    places = [
        (left + side * point.mean_probability, top + side * (1 - point.share_right))
        for point in bins
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    most = max((point.count for point in bins), default=1)
    heights = [max(1.0, COUNTS_HEIGHT * point.count / most) for point in bins]
    drawn = [
        *axes,
        f'<polyline class="line" points="{line}"/>',
        *(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>promised '
            f"{p.mean_probability:.2f}, came true {p.share_right:.2f}, {p.count} times</title>"
            "</circle>"
            for p, (x, y) in zip(bins, places, strict=True)
        ),
        *(
            f'<rect class="count" x="{x - 5:.1f}" y="{top + side + 4 + COUNTS_HEIGHT - h:.1f}" '
            f'width="10" height="{h:.1f}"/>'
            for h, (x, _) in zip(heights, places, strict=True)
        ),
    ]
    said = f"Reliability of {name}: calibration error {error:.3f}. " + "; ".join(
        f"promised {p.mean_probability:.2f}, came true {p.share_right:.2f} of {p.count}"
        for p in bins
    )
    height = top + side + COUNTS_HEIGHT + 24
    return _svg("chart reliability", left + side + 10, height, said, "".join(drawn))


def space_map(name: str, points: Sequence[Point], looks: dict[str, Look]) -> str:
    """The points of a space, one group per value; ringed where another value is read.

    The page's script finds a point's picture by its row, and says what is read there.
    """
    height, place = _fitted(points)
    groups = []
    for value, look in looks.items():
        marks = "".join(
            f'<use href="#shape{look.shape}" {place(p)} data-row="{p.row}"'
            + ("/>" if p.right else f' class="misread" data-read="{escape(p.read)}"/>')
            for p in points
            if p.value == value
        )
        if marks:
            groups.append(f'<g data-value="{escape(value)}" fill="{look.color}">{marks}</g>')
    wrong = sum(not p.right for p in points)
    said = (
        f"Map of the {name} space: {len(points)} garments, {wrong} of them read as another value. "
        "Use the arrow keys to step from garment to garment."
    )
    return _svg("chart map", MAP_WIDTH, height, said, "".join(groups), ' tabindex="0"')


def _fitted(points: Sequence[Point]) -> tuple[float, Callable[[Point], str]]:
    """The map's height, and where a point stands: one scale for both axes, as large as fits."""
    width = max((p.x for p in points), default=0.0) or 1.0
    height = max((p.y for p in points), default=0.0) or 1.0
    inner_width, inner_height = MAP_WIDTH - 2 * MAP_MARGIN, MOST_MAP_HEIGHT - 2 * MAP_MARGIN
    scale = min(inner_width / width, inner_height / height)
    left = MAP_MARGIN + (inner_width - scale * width) / 2

    def place(p: Point) -> str:
        return f'x="{left + scale * p.x:.1f}" y="{MAP_MARGIN + scale * p.y:.1f}"'

    return scale * height + 2 * MAP_MARGIN, place


def shapes() -> str:
    """The shapes and the gradient that maps and legends refer to; once in a page."""
    paths = "".join(f'<path id="shape{i}" d="{path}"/>' for i, path in enumerate(SHAPES))
    colors = (*PALETTE[3:0:-1], PALETTE[0])  # red, green, orange, blue
    stops = "".join(
        f'<stop offset="{i / (len(colors) - 1):.2f}" stop-color="{color}"/>'
        for i, color in enumerate(colors)
    )
    many = f'<linearGradient id="{MANY_COLORS}">{stops}</linearGradient>'
    return (
        '<svg class="shapes" width="0" height="0" aria-hidden="true">'
        f"<defs>{paths}{many}</defs></svg>"
    )


def colors() -> str:
    """The variables that colours come from, light and dark, as CSS for a page or one picture."""
    return (Path(__file__).parent / "colors.css").read_text(encoding="utf-8")


def key(look: Look) -> str:
    """A value's mark, for a legend."""
    return (
        '<svg class="key" viewBox="-8 -8 16 16" width="16" height="16" aria-hidden="true">'
        f'<use href="#shape{look.shape}" fill="{look.color}"/></svg>'
    )


def looks_of(values: Sequence[str]) -> dict[str, Look]:
    """A look for each value; where most values are names of colours, they look as they say."""
    named = [_color_named(value) for value in values]
    if sum(color is not None for color in named) > len(values) / 2:
        colors = [color or f"url(#{MANY_COLORS})" for color in named]
    else:
        colors = [PALETTE[i % len(PALETTE)] for i in range(len(values))]
    return {
        value: Look(shape=i % len(SHAPES), color=color)
        for i, (value, color) in enumerate(zip(values, colors, strict=True))
    }


def _color_named(value: str) -> str | None:
    name = value.lower()
    return name if name.isalpha() and name in ImageColor.colormap else None


def _named(marks: Sequence[Mark]) -> list[tuple[str, float]]:
    return [(mark.name, mark.at) for mark in marks]


def _mark(mark: Mark) -> str:
    x = min(max(mark.at * BAR_WIDTH, 1), BAR_WIDTH - 1)
    form = "mark dashed" if mark.dashed else "mark"
    title = f"<title>{escape(mark.name)} {mark.at:.3f}</title>"
    return f'<path class="{form}" d="M{x:.1f} -2V{BAR_HEIGHT + 2}">{title}</path>'


def _svg(kind: str, width: float, height: float, said: str, body: str, more: str = "") -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:.0f}" role="img" '
        f'aria-label="{escape(said)}"{more}>{body}</svg>'
    )
