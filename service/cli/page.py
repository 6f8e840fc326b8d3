"""A search as one HTML file: the query and where the network looked, and a grid of hits.

The file needs nothing beside it: pictures are embedded, and there is no script.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Final

from pydantic import JsonValue

from service.cli.compare import NOT_VISIBLE

STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 0; display: grid; grid-template-columns: 260px 1fr; }
aside { padding: 20px; border-right: 1px solid #8884; }
.query { position: sticky; top: 20px; max-height: calc(100vh - 40px); overflow: auto; }
main { padding: 20px; display: grid; gap: 24px 20px;
  grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); align-content: start; }
h1 { font-size: 17px; margin: 0 0 12px; overflow-wrap: anywhere; }
h1 small { display: block; font-weight: normal; }
figure { margin: 0; }
aside figure { margin-bottom: 18px; }
img, .none { width: 100%; aspect-ratio: 1; border-radius: 6px; background: #fff; display: block; }
.none { background: #8883; }
figcaption { margin-top: 6px; }
.id { font-weight: 600; overflow-wrap: anywhere; }
.small { color: #777; font-size: 13px; overflow-wrap: anywhere; }
.like { display: flex; justify-content: space-between; gap: 8px; font-size: 13px; margin-top: 4px; }
.like b { font-weight: 600; }
.bar { height: 5px; border-radius: 3px; background: #8883; margin-bottom: 2px; }
.bar i { display: block; height: 100%; border-radius: 3px; background: #d94f1e; }
details { margin-top: 6px; }
@media (prefers-color-scheme: dark) { .small { color: #aaa; } }
@media (max-width: 700px) {
  body { display: block; }
  aside { padding: 14px; border-right: 0; border-bottom: 1px solid #8884; }
  .query { position: static; max-height: none; display: grid; gap: 12px;
    grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); }
  h1 { grid-column: 1 / -1; margin: 0; }
  aside figure { margin: 0; }
  main { padding: 14px; gap: 18px 12px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
"""

PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style></head>
<body><aside><div class="query"><h1>$name<small>$found</small></h1>$query</div></aside>
<main>$hits</main></body></html>
""")


@dataclass(frozen=True, slots=True)
class QueryView:
    """The query: its name, its picture, and per attribute what it reads as and an overlay."""

    name: str
    picture: str
    attributes: Sequence[tuple[str, str, str]]
    """(attribute, what it reads as, data URI of the overlay)"""


@dataclass(frozen=True, slots=True)
class Likeness:
    """One attribute of a hit: what it reads as and how similar it is; None: not visible."""

    attribute: str
    value: str | None
    similarity: float | None


@dataclass(frozen=True, slots=True)
class HitView:
    """One garment found; picture None when its bytes were not kept."""

    id: str
    score: float
    picture: str | None
    likenesses: Sequence[Likeness]
    metadata: Mapping[str, JsonValue]


def render(query: QueryView, hits: Sequence[HitView], total: int) -> str:
    """The whole page."""
    found = f"{len(hits)} of {total} garments"
    return PAGE.substitute(
        title=escape(f"{query.name}: {found}"),
        name=escape(query.name),
        found=found,
        style=STYLE,
        query=_figure(query.picture, "the query")
        + "".join(_looked(*each) for each in query.attributes),
        hits="".join(map(_hit, hits)) or "<p>No garment passes the filter.</p>",
    )


def plain(value: JsonValue) -> str:
    """A value of the metadata as people write it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _looked(attribute: str, reading: str, overlay: str) -> str:
    caption = f'<span class="id">{escape(attribute)}</span> {escape(reading)}'
    return _figure(overlay, caption)


def _hit(hit: HitView) -> str:
    words = "<br>".join(
        f"{escape(name)}: {escape(plain(value))}" for name, value in hit.metadata.items()
    )
    caption = (
        f'<div class="like"><span class="id">{escape(hit.id)}</span>'
        f'<span title="score">{hit.score:.3f}</span></div>'
        + "".join(map(_likeness, hit.likenesses))
        + (f'<details class="small"><summary>metadata</summary>{words}</details>' if words else "")
    )
    return _figure(hit.picture, caption)


def _likeness(each: Likeness) -> str:
    width = 0 if each.similarity is None else round(100 * max(0.0, each.similarity))
    figure = "" if each.similarity is None else f"{each.similarity:.2f}"
    return (
        f'<div class="like"><span>{escape(each.attribute)} '
        f"<b>{escape(each.value or NOT_VISIBLE)}</b></span><span>{figure}</span></div>"
        f'<div class="bar"><i style="width:{width}%"></i></div>'
    )


def _figure(picture: str | None, caption: str) -> str:
    image = f'<img alt="" src="{picture}">' if picture else '<div class="none"></div>'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
