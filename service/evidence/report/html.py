"""A report as one HTML file that needs nothing beside it: no script, no font, no address.

Texts come from file names, garments and the user's own attributes: all of them are escaped, here
and nowhere else.
"""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from service.evidence.report.hatching import hatch
from service.evidence.report.parts import (
    Box,
    Boxed,
    Chart,
    Columns,
    Facts,
    Items,
    Line,
    Part,
    Picture,
    Report,
    Section,
    Table,
    Text,
    Words,
)

MEDIA_TYPE: Final = "text/html"
CSS: Final = Path(__file__).with_name("page.css")
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What the page may load, should an escape ever be forgotten: nothing."""

_TAGS: Final = {"body": "p", "lead": "p", "note": "p", "small": "p", "head": "h3"}


def render_html(report: Report) -> str:
    """The page."""
    sections = "".join(map(_section, report.sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title>"
        f"<style>{CSS.read_text(encoding='utf-8')}</style></head>\n<body>"
        f'<header><h1>{escape(report.title)}</h1><p class="subtitle">{escape(report.subtitle)}'
        f"</p></header>\n{sections}<footer>{escape(report.footer)}</footer></body></html>\n"
    )


def _section(section: Section) -> str:
    return (
        f'<section><div class="together"><h2>{escape(section.title)}</h2>'
        f"{_parts(section.opening)}</div>{_parts(section.rest)}</section>\n"
    )


def _parts(parts: Sequence[Part]) -> str:
    return "".join(map(_part, parts))


def _part(part: Part) -> str:
    match part:
        case Text():
            tag = _TAGS[part.kind]
            return f'<{tag} class="{part.kind}">{escape(part.words)}</{tag}>'
        case Items():
            return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in part.sentences)}</ul>"
        case Facts():
            rows = "".join(
                f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in part.rows
            )
            return f"<dl>{rows}</dl>"
        case Table():
            return _table(part)
        case Boxed():
            return f'<div class="boxed">{_parts(part.parts)}</div>'
        case Columns():
            return _columns(part)
        case Picture():
            return _picture(part)
        case Chart():
            return _chart(part)


def _table(table: Table) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=figure' if place in table.figures else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(row)
        )

    columns = "".join(f'<col style="width:{100 * width:.1f}%">' for width in table.widths)
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in table.rows)
    return (
        f"<table><colgroup>{columns}</colgroup><thead><tr>{cells(table.header, 'th')}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _columns(part: Columns) -> str:
    widths = " ".join(f"minmax(0, {width:g}fr)" for width in part.widths)
    columns = "".join(f"<div>{_parts(column)}</div>" for column in part.columns)
    return f'<div class="columns" style="grid-template-columns:{widths}">{columns}</div>'


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.jpeg).decode()
    width, height = picture.size
    return (
        f'<figure><img alt="{escape(picture.said)}" width="{width}" height="{height}" '
        f'src="data:image/jpeg;base64,{data}"><figcaption>{escape(picture.caption)}</figcaption>'
        "</figure>"
    )


def _chart(chart: Chart) -> str:
    return (
        f'<svg role="img" aria-label="{escape(chart.said)}" '
        f'viewBox="0 0 {chart.width:g} {chart.height:g}" '
        f'style="max-width:{1.4 * chart.width:g}px">{"".join(map(_mark, chart.marks))}</svg>'
    )


def _mark(mark: Box | Line | Words) -> str:
    match mark:
        case Box():
            lines = "".join(map(_mark, hatch(mark))) if mark.hatched else ""
            return (
                f'<rect x="{mark.x:.2f}" y="{mark.y:.2f}" width="{mark.width:.2f}" '
                f'height="{mark.height:.2f}" fill="{mark.fill or "none"}" '
                f'stroke="{mark.stroke or "none"}" stroke-width=".75"/>{lines}'
            )
        case Line():
            points = " ".join(f"{x:.2f},{y:.2f}" for x, y in mark.points)
            dashes = ' stroke-dasharray="3 2"' if mark.dashed else ""
            return (
                f'<polyline points="{points}" fill="none" stroke="{mark.color}" '
                f'stroke-width="{mark.width:g}"{dashes}/>'
            )
        case Words():
            weight = ' font-weight="700"' if mark.strong else ""
            return (
                f'<text x="{mark.x:.2f}" y="{mark.y:.2f}" font-size="{mark.size:g}" '
                f'text-anchor="{mark.anchor}" fill="{mark.color}"{weight}>{escape(mark.text)}'
                "</text>"
            )
