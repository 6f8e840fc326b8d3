"""A chart as a drawing of ReportLab."""

from typing import Any

from reportlab.graphics import shapes
from reportlab.lib.colors import HexColor

from service.evidence.report.hatching import hatch
from service.evidence.report.parts import Box, Chart, Line, Words
from service.evidence.report.pdf_type import REGULAR, STRONG, printable

BROADER = 0.88
"""Charts are laid out for the letters of an HTML page; these are broader."""


def drawn(chart: Chart, width: float) -> Any:
    """The chart, no wider than `width` points."""
    scale = min(1.0, width / chart.width)
    drawing = shapes.Drawing(chart.width, chart.height)
    for mark in chart.marks:
        for shape in _shapes(mark, chart.height):
            drawing.add(shape)
    drawing.scale(scale, scale)
    drawing.width, drawing.height = chart.width * scale, chart.height * scale
    drawing.hAlign = "LEFT"
    return drawing


def _shapes(mark: Box | Line | Words, height: float) -> list[Any]:
    """A mark with `y` counted upwards, as PDF has it."""
    match mark:
        case Box():
            box = shapes.Rect(
                *(mark.x, height - mark.y - mark.height, mark.width, mark.height),
                fillColor=mark.fill and HexColor(mark.fill),
                strokeColor=mark.stroke and HexColor(mark.stroke),
                strokeWidth=0.75,
            )
            lines = hatch(mark) if mark.hatched else ()
            return [box, *(shape for line in lines for shape in _shapes(line, height))]
        case Line():
            points = [at for x, y in mark.points for at in (x, height - y)]
            dashes = [3, 2] if mark.dashed else None
            color = HexColor(mark.color)
            return [
                shapes.PolyLine(
                    points, strokeColor=color, strokeWidth=mark.width, strokeDashArray=dashes
                )
            ]
        case Words():
            return [
                shapes.String(
                    mark.x,
                    height - mark.y,
                    printable(mark.text),
                    fontSize=BROADER * mark.size,
                    fontName=STRONG if mark.strong else REGULAR,
                    textAnchor=mark.anchor,
                    fillColor=HexColor(mark.color),
                )
            ]
