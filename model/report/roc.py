"""Detection against false accusations as one SVG file: a line for each kind of pair.

The lower axis is logarithmic, since what matters lies at its left end. Lines differ in colour, in
dashes and in the marks of their legend.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.report.axes import Axis
from model.report.charts import PALETTE, SHAPES
from model.report.plot import LEFT, PLOT_HEIGHT, RIGHT, TOP, WIDTH, frame, svg_file

LINE: Final = 20
"""Height of a line of the legend and of the notes."""
BELOW: Final = 66
LEAST_RATE: Final = 1e-4
STEPS: Final = 120
"""Points of a line."""

_DASHES: Final = ("", "9 4", "3 3", "12 3 3 3", "1 4")
_STYLE: Final = """\
.line { stroke-width: 2.2; fill: none; }
.mark { stroke: var(--paper); stroke-width: 1; }
"""


@dataclass(frozen=True, eq=False)
class Curve:
    """One kind of pair.

    Attributes:
        name: in the legend.
        scores: (P,) the more, the surer; NaN where there is none.
        mark: false-accusation rate and share found of a policy; None for none.
    """

    name: str
    scores: NDArray[np.float64]
    mark: tuple[float, float] | None = None


def roc(unrelated: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a curve, (STEPS, 2): false-accusation rate, and share of the pairs above it.

    Args:
        unrelated: (N,) scores of pairs that are to be called alike as seldom as possible.
        scores: (P,) of the others. Pairs without a score are never called alike.
    """
    falling = np.sort(np.where(np.isnan(unrelated), -np.inf, unrelated))[::-1]
    known = np.sort(np.where(np.isnan(scores), -np.inf, scores))
    rates = np.geomspace(LEAST_RATE, 1.0, STEPS)
    thresholds = falling[np.minimum((rates * len(falling)).astype(int), len(falling) - 1)]
    above = len(known) - np.searchsorted(known, thresholds, side="right")
    return np.stack([rates, above / len(known)], axis=1)


def picture(
    unrelated: NDArray[np.float64], curves: Sequence[Curve], *, title: str, notes: Sequence[str]
) -> str:
    """The SVG file's text.

    Args:
        unrelated: (N,) scores of unrelated pairs.
        curves: at most five.
        title: above.
        notes: lines below, short enough for the width.

    Raises:
        ValueError: there are no scores of unrelated pairs, or more curves than looks.
    """
    if not len(unrelated) or len(curves) > len(_DASHES):
        raise ValueError(
            f"a picture needs unrelated pairs and at most {len(_DASHES)} curves; "
            f"there are {len(unrelated)} and {len(curves)}"
        )
    points = [roc(unrelated, curve.scores) for curve in curves]
    across = Axis(LEAST_RATE, 1.0, LEFT, WIDTH - RIGHT, log=True)
    up = Axis(0.0, 1.0, TOP + PLOT_HEIGHT, TOP, log=False)
    legend = TOP + PLOT_HEIGHT + BELOW
    drawn = [
        _axes(across, up),
        *(_line(number, each, across, up) for number, each in enumerate(points)),
        *(_mark(number, curve, across, up) for number, curve in enumerate(curves)),
        *(
            _legend(number, curve.name, legend + LINE * number)
            for number, curve in enumerate(curves)
        ),
    ]
    return svg_file(
        drawn,
        title=title,
        said=_said(title, curves, points),
        style=_STYLE,
        notes=notes,
        notes_at=legend + LINE * len(curves) + 6,
        line=LINE,
    )


def _said(title: str, curves: Sequence[Curve], points: Sequence[NDArray[np.float64]]) -> str:
    """For who cannot see it: what is found at 1 %."""
    found = [np.interp(0.01, each[:, 0], each[:, 1]) for each in points]
    parts = [
        f"{curve.name}: {share:.3f} at 1 %" for curve, share in zip(curves, found, strict=True)
    ]
    return f"{title}. " + "; ".join(parts)


def _axes(across: Axis, up: Axis) -> str:
    return frame(
        [(across.at(rate), f"{100 * rate:g} %") for rate in _decades()],
        up.ticks(),
        across_name="unrelated pairs called alike, logarithmic",
        up_name="share called alike",
        name_below=40,
    )


def _decades() -> list[float]:
    return [10.0**power for power in range(round(np.log10(LEAST_RATE)), 1)]


def _line(number: int, points: NDArray[np.float64], across: Axis, up: Axis) -> str:
    path = "L".join(f"{across.at(x):.1f} {up.at(y):.1f}" for x, y in points.tolist())
    return f'<path class="line" {_look(number)} d="M{path}"/>\n'


def _mark(number: int, curve: Curve, across: Axis, up: Axis) -> str:
    if curve.mark is None:
        return ""
    x, y = across.at(max(LEAST_RATE, curve.mark[0])), up.at(curve.mark[1])
    return (
        f'<path class="mark" transform="translate({x:.1f} {y:.1f})" fill="{PALETTE[number]}" '
        f'd="{SHAPES[number]}"/>\n'
    )


def _legend(number: int, name: str, y: float) -> str:
    return (
        f'<path class="line" {_look(number)} d="M{LEFT} {y - 4:.1f}h44"/>'
        f'<path class="mark" transform="translate({LEFT + 22} {y - 4:.1f})" '
        f'fill="{PALETTE[number]}" d="{SHAPES[number]}"/>'
        f'<text x="{LEFT + 54}" y="{y:.1f}">{escape(name)}</text>\n'
    )


def _look(number: int) -> str:
    dashes = f' stroke-dasharray="{_DASHES[number]}"' if _DASHES[number] else ""
    return f'stroke="{PALETTE[number]}"{dashes}'
