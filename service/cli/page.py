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

STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 0; display: grid; grid-template-columns: 260px 1fr; }
aside { padding: 20px; border-right: 1px solid #8884; }
aside > div { position: sticky; top: 20px; max-height: calc(100vh - 40px); overflow: auto; }
main { padding: 20px; display: grid; gap: 20px;
  grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); align-content: start; }
h1 { font-size: 17px; margin: 0 0 12px; }
figure { margin: 0 0 18px; }
img, .none { width: 100%; aspect-ratio: 1; border-radius: 6px; background: #fff; display: block; }
.none { background: #8883; }
figcaption { margin-top: 6px; }
.id { font-weight: 600; overflow-wrap: anywhere; }
.small { color: #888; font-size: 13px; overflow-wrap: anywhere; }
.bar { display: grid; grid-template-columns: 7em 1fr 2.6em; gap: 6px; font-size: 13px; }
.bar i { align-self: center; height: 7px; border-radius: 4px; background: #8883; }
.bar b { display: block; height: 100%; border-radius: 4px; background: #d94f1e; }
.bar span { overflow: hidden; text-overflow: ellipsis; }
.bar em { text-align: right; font-style: normal; }
@media (max-width: 700px) { body { display: block; } aside > div { position: static; } }
"""

PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style></head>
<body><aside><div><h1>$title</h1>$query</div></aside><main>$hits</main></body></html>
""")


@dataclass(frozen=True, slots=True)
class QueryView:
    """The query: its name, its picture, and per attribute what it reads as and an overlay."""

    name: str
    picture: str
    attributes: Sequence[tuple[str, str, str]]
    """(attribute, what it reads as, data URI of the overlay)"""


@dataclass(frozen=True, slots=True)
class HitView:
    """One garment found; picture None when its bytes were not kept."""

    id: str
    score: float
    picture: str | None
    similarities: Mapping[str, float | None]
    metadata: Mapping[str, JsonValue]


def render(query: QueryView, hits: Sequence[HitView], total: int) -> str:
    """The whole page."""
    return PAGE.substitute(
        title=escape(f"{query.name}: {len(hits)} of {total} garments"),
        style=STYLE,
        query=_figure(query.picture, "") + "".join(_looked(*each) for each in query.attributes),
        hits="".join(map(_hit, hits)) or "<p>No garment passes the filter.</p>",
    )


def _looked(attribute: str, reading: str, overlay: str) -> str:
    caption = f'<span class="id">{escape(attribute)}</span> {escape(reading)}'
    return _figure(overlay, caption)


def _hit(hit: HitView) -> str:
    bars = "".join(_bar(name, similarity) for name, similarity in hit.similarities.items())
    words = ", ".join(f"{name}: {_plain(value)}" for name, value in hit.metadata.items())
    caption = (
        f'<div class="id">{escape(hit.id)}</div>{bars}'
        f'<div class="small">score {hit.score:.3f}{escape(" · " + words) if words else ""}</div>'
    )
    return _figure(hit.picture, caption)


def _bar(name: str, similarity: float | None) -> str:
    width = 0 if similarity is None else round(100 * max(0.0, similarity))
    figure = "unseen" if similarity is None else f"{similarity:.2f}"
    return (
        f'<div class="bar"><span title="{escape(name)}">{escape(name)}</span>'
        f'<i><b style="width:{width}%"></b></i><em>{figure}</em></div>'
    )


def _figure(picture: str | None, caption: str) -> str:
    image = f'<img alt="" src="{picture}">' if picture else '<div class="none"></div>'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
