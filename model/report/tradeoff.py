"""Quality against cost as one SVG file: a named mark for each, and the front of the best joined.

The front is drawn in steps: at a given cost, the best quality that was measured at no more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from model.report.axes import Axis
from model.report.charts import SHAPES
from model.report.labelling import Box, Label, place_labels
from model.report.plot import LEFT, PLOT_HEIGHT, RIGHT, TOP, WIDTH, frame, svg_file

LINE: Final = 18
"""Height of a line of the notes below."""
BELOW: Final = 62
"""Room for the lower axis' numbers and name."""
MARK: Final = 7
"""Half a mark's side."""
CAP: Final = 4
"""Half the width of an error bar's ends."""

_DISC, _DIAMOND = SHAPES[0], SHAPES[3]
_STYLE: Final = """\
.front { stroke: var(--accent); stroke-width: 2; fill: none; }
.spread, .leader { stroke: var(--soft); stroke-width: 1.3; fill: none; }
.leader { stroke-dasharray: 2 2; }
.mark { fill: var(--paper); stroke: var(--soft); stroke-width: 2; }
.best .mark { fill: var(--accent); stroke: var(--accent); }
.label { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
.best .label { font-weight: 600; }
"""


@dataclass(frozen=True)
class Candidate:
    """Something to choose.

    Attributes:
        name: shown beside its mark.
        cost: the less the better, above 0.
        quality: the more the better.
        spread: of the quality, drawn to either side; None where it is of one run.
        own: marked by a diamond rather than a disc.
    """

    name: str
    cost: float
    quality: float
    spread: float | None = None
    own: bool = False


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other beats: none is as cheap and better, or as good and cheaper.

    Returns:
        The cheapest first; of several that are equal in both, the first given.
    """
    best: list[Candidate] = []
    for each in sorted(candidates, key=lambda one: (one.cost, -one.quality)):
        if not best or each.quality > best[-1].quality:
            best.append(each)
    return best


def picture(
    candidates: Sequence[Candidate], *, title: str, cost: str, quality: str, notes: Sequence[str]
) -> str:
    """The SVG file's text.

    Args:
        candidates: at least one.
        title: above.
        cost: name of the lower axis, with its unit.
        quality: name of the left axis.
        notes: lines below, short enough for the width.

    Raises:
        ValueError: there is no candidate, or one whose cost is not above 0.
    """
    if not candidates or any(each.cost <= 0 for each in candidates):
        raise ValueError("a picture needs candidates, each with a cost above 0")
    plane = _Plane(candidates)
    best = front(candidates)
    said = f"{title}. " + "; ".join(
        f"{each.name}: {quality} {each.quality:.3f}"
        + (f" ± {each.spread:.3f}" if each.spread is not None else "")
        + f", {each.cost:.2f} {cost}"
        + (", on the front" if each in best else "")
        for each in candidates
    )
    return svg_file(
        [plane.axes(cost, quality), plane.front(best), *plane.marks(best)],
        title=title,
        said=said,
        style=_STYLE,
        notes=notes,
        notes_at=TOP + PLOT_HEIGHT + BELOW,
        line=LINE,
        margin=8,
    )


class _Plane:
    """Where candidates stand, in pixels, and what is drawn there."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates
        spreads = [(each.quality, each.spread or 0.0) for each in candidates]
        self._across = Axis.around(
            [each.cost for each in candidates], LEFT, WIDTH - RIGHT, may_be_log=True
        )
        self._up = Axis.around(
            [q - s for q, s in spreads] + [q + s for q, s in spreads], TOP + PLOT_HEIGHT, TOP
        )

    def axes(self, cost: str, quality: str) -> str:
        scale = ", logarithmic" if self._across.log else ""
        return frame(
            self._across.ticks(),
            self._up.ticks(),
            across_name=cost + scale,
            up_name=quality,
            name_below=38,
        )

    def front(self, best: Sequence[Candidate]) -> str:
        corners = "".join(
            f"M{x:.1f} {y:.1f}" if not step else f"H{x:.1f}V{y:.1f}"
            for step, (x, y) in enumerate(map(self._at, best))
        )
        return f'<path class="front" d="{corners}H{WIDTH - RIGHT}"/>\n'

    def marks(self, best: Sequence[Candidate]) -> list[str]:
        labels = self._labels(best)
        return [
            f'<g class="candidate{" best" if each in best else ""}">'
            + self._spread(each)
            + self._mark(each)
            + self._label(each, label)
            + "</g>\n"
            for each, label in zip(self._candidates, labels, strict=True)
        ]

    def _at(self, each: Candidate) -> tuple[float, float]:
        return self._across.at(each.cost), self._up.at(each.quality)

    def _ends(self, each: Candidate) -> tuple[float, float]:
        """Of the error bar: its upper and lower pixel."""
        spread = each.spread or 0.0
        return self._up.at(each.quality + spread), self._up.at(each.quality - spread)

    def _spread(self, each: Candidate) -> str:
        if each.spread is None:
            return ""
        (x, _), (upper, lower) = self._at(each), self._ends(each)
        ends = "".join(f"M{x - CAP:.1f} {y:.1f}h{2 * CAP}" for y in (upper, lower))
        return f'<path class="spread" d="M{x:.1f} {upper:.1f}V{lower:.1f}{ends}"/>'

    def _mark(self, each: Candidate) -> str:
        x, y = self._at(each)
        shape = _DIAMOND if each.own else _DISC
        return f'<path class="mark" transform="translate({x:.1f} {y:.1f})" d="{shape}"/>'

    def _label(self, each: Candidate, label: Label) -> str:
        x, y = self._at(each)
        start, anchor = _anchored(label.box, x)
        text = (
            f'<text class="label" x="{start:.1f}" y="{label.baseline:.1f}" '
            f'text-anchor="{anchor}">{escape(each.name)}</text>'
        )
        if not label.far:
            return text
        to_x, to_y = label.box.nearest(x, y)
        away = math.hypot(to_x - x, to_y - y)
        from_x, from_y = x + MARK * (to_x - x) / away, y + MARK * (to_y - y) / away
        return f'<path class="leader" d="M{from_x:.1f} {from_y:.1f}L{to_x:.1f} {to_y:.1f}"/>' + text

    def _labels(self, best: Sequence[Candidate]) -> list[Label]:
        places = [self._at(each) for each in self._candidates]
        taken = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in places]
        for each, (x, _) in zip(self._candidates, places, strict=True):
            upper, lower = self._ends(each)
            taken.append(Box(x - CAP, upper, x + CAP, lower))
        return place_labels(
            [each.name for each in self._candidates],
            places,
            taken=taken,
            crossed=self._steps(best),
            frame=Box(LEFT + 2, TOP + 2, WIDTH - RIGHT, TOP + PLOT_HEIGHT - 2),
        )

    def _steps(self, best: Sequence[Candidate]) -> list[Box]:
        """The front's line as boxes without breadth."""
        corners = [self._at(each) for each in best]
        ends = [*(x for x, _ in corners[1:]), WIDTH - RIGHT]
        level = [Box(x, y, end, y) for (x, y), end in zip(corners, ends, strict=True)]
        upright = [Box(x, y, x, before) for (_, before), (x, y) in pairwise(corners)]
        return [*level, *upright]


def _anchored(box: Box, x: float) -> tuple[float, str]:
    """Where a text begins or ends: on the side of its mark, for a box is wider than its text."""
    if box.right <= x:
        return box.right, "end"
    if box.left >= x:
        return box.left, "start"
    return (box.left + box.right) / 2, "middle"
