"""What charts that are a file of their own have in common: size, colours, frame, title, notes.

The file needs nothing beside it, and is light or dark as its reader's screen is.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from model.report.charts import colors

WIDTH: Final = 760
PLOT_HEIGHT: Final = 360
LEFT: Final = 66
RIGHT: Final = 24
TOP: Final = 44

_STYLE: Final = """
text { fill: var(--ink); font-size: 13px; }
.paper { fill: var(--paper); }
.title { font-size: 16px; font-weight: 600; }
.tick, .note { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--soft); fill: none; }
"""

Ticks = Iterable[tuple[float, str]]
"""Pixels, and what is written there."""


def svg_file(
    drawn: Iterable[str],
    *,
    title: str,
    said: str,
    style: str,
    notes: Sequence[str],
    notes_at: int,
    line: int,
    margin: int = 0,
) -> str:
    """The file's text.

    Args:
        drawn: elements between title and notes, each with its line break.
        title: above.
        said: the whole chart in words, for who cannot see it.
        style: CSS of what is drawn.
        notes: lines below, short enough for the width.
        notes_at: baseline of the first, in pixels from the top.
        line: height of one.
        margin: below the last.
    """
    height = notes_at + line * len(notes) + margin
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(said)}">\n',
            f"<style>\n{colors()}{_STYLE}{style}</style>\n",
            f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>\n',
            f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>\n',
            *drawn,
            *(
                f'<text class="note" x="{LEFT}" y="{notes_at + line * row}">{escape(note)}</text>\n'
                for row, note in enumerate(notes)
            ),
            "</svg>\n",
        ]
    )


def frame(across: Ticks, up: Ticks, *, across_name: str, up_name: str, name_below: int) -> str:
    """Both axes with their grids and names.

    Args:
        across: of the lower axis.
        up: of the left axis.
        across_name: of the lower axis.
        up_name: of the left axis.
        name_below: pixels from the lower axis to its name.
    """
    bottom, right = TOP + PLOT_HEIGHT, WIDTH - RIGHT
    parts = [
        f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>'
        f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{text}</text>'
        for x, text in across
    ]
    parts += [
        f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        for y, text in up
    ]
    middle = TOP + PLOT_HEIGHT / 2
    parts += [
        f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>',
        f'<text x="{(LEFT + right) / 2:.1f}" y="{bottom + name_below}" text-anchor="middle">'
        f"{escape(across_name)}</text>",
        f'<text transform="translate(17 {middle:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(up_name)}</text>",
    ]
    return "\n".join(parts) + "\n"
