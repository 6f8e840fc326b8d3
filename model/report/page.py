"""The report as one HTML page that needs nothing beside it.

What each part shows is `findings`; how it looks is `page.html.j2`, `colors.css`, `page.css` and
`page.js`, which lie here and are put into the page. Values and descriptions are the user's words:
the template escapes them.
"""

import json
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from api_schemas.card import AttributeQuality
from model.further import FurtherQuality
from model.report import charts
from model.report.charts import Mark
from model.report.extras import require
from model.report.findings import AttributeFindings, Confusion, Findings
from model.report.queries import Query
from model.report.tiles import TILE_PIXELS, Tiles

KINDS: Final = {
    "worst": ("Worst queries", "lowest average precision (AP)"),
    "typical": ("Typical queries", "near the median"),
    "best": ("Best queries", "highest average precision"),
}
MISTAKES: Final = 3
"""The commonest, told in words."""

_FOLDER: Final = Path(__file__).parent

Fields = dict[str, Any]
"""What the template reads by name."""


def render(findings: Findings, tiles: Tiles) -> str:
    """The page.

    Args:
        findings: what it shows.
        tiles: the pictures of the rows that findings speak of.

    Raises:
        MissingLibraryError: Jinja2 is not installed.
        UndecodableImage: a row's file is no image any more.
    """
    page = _template()
    rows = {name: _figures(name, each) for name, each in findings.quality.attributes.items()}
    sections = [_section(found, rows[found.card.name], tiles) for found in findings.attributes]
    # After the sections: thumbnails take what room their pictures have left.
    pointed = sorted({point.row for found in findings.attributes for point in found.points})
    thumbnails = tiles.thumbnails(pointed)
    text: str = page.render(
        findings=findings,
        card=findings.card,
        quality=findings.quality,
        further=findings.further,
        means=_means(list(rows.values())),
        rows=list(rows.values()),
        linked=[found.card.name for found in findings.attributes],
        sections=sections,
        **_changes(findings.further),
        attention=_attention(findings.further),
        side=TILE_PIXELS,
        shapes=charts.shapes(),
        thumbnails=json.dumps(thumbnails),
        style=charts.colors() + (_FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(_FOLDER / "page.js").read_text(encoding="utf-8"),
    )
    return text + "\n"


def _template() -> Any:
    jinja2 = require("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["title"] = _title
    return environment.get_template("page.html.j2")


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _figures(name: str, measured: AttributeQuality) -> Fields:
    """One row of the first table."""
    own = measured.retrieval
    random, general = measured.retrieval_random_order, measured.retrieval_global_embedding
    return {
        "name": name,
        "id": "attribute-" + re.sub(r"\W+", "-", name),
        "map": own.map_other_photographers,
        "random": random.map_other_photographers,
        "general": general.map_other_photographers,
        "recall": own.recall_at_1,
        "accuracy": measured.value_accuracy,
        "majority": measured.majority_accuracy,
        "visible": measured.visible_roc_auc,
        "own": measured.same_photographer and measured.same_photographer.times_chance,
        "queries": measured.queries,
        "map_bar": charts.bar(
            "MAP",
            own.map_other_photographers,
            (
                Mark("random order", random.map_other_photographers),
                Mark("one vector for all", general.map_other_photographers, dashed=True),
            ),
        ),
        "recall_bar": charts.bar(
            "Recall@1",
            own.recall_at_1,
            (
                Mark("random order", random.recall_at_1),
                Mark("one vector for all", general.recall_at_1, dashed=True),
            ),
        ),
        "accuracy_bar": charts.bar(
            "accuracy",
            measured.value_accuracy,
            (Mark("commonest value", measured.majority_accuracy),),
        ),
    }


def _means(rows: Sequence[Fields]) -> Fields:
    names = ("random", "general", "recall", "accuracy", "majority")
    means: Fields = {name: float(np.mean([row[name] for row in rows])) for name in names}
    return means | {"queries": sum(row["queries"] for row in rows)}


def _section(found: AttributeFindings, figures: Fields, tiles: Tiles) -> Fields:
    name = found.card.name
    occurring = [*found.card.values, *_unlearnt(found.confusion)]
    looks = charts.looks_of(occurring)
    counts = {value: sum(p.value == value for p in found.points) for value in occurring}
    return {
        "found": found,
        "figures": figures,
        "kinds": [
            (*KINDS[kind], [_query(query, tiles) for query in queries])
            for kind, queries in groupby(found.queries, key=lambda query: query.kind)
        ],
        "map": charts.space_map(_words(name), found.points, looks),
        "legend": [
            {"name": value, "count": counts[value], "key": charts.key(looks[value])}
            for value in occurring
            if counts[value]
        ],
        "unlearnt": _unlearnt(found.confusion),
        "confusion": _confusion(found.confusion),
        "mistakes": found.confusion.mistakes()[:MISTAKES],
        "value_diagram": charts.reliability_diagram(
            "the value's probability",
            found.value_reliability,
            found.quality.value_calibration_error,
        ),
        "same_diagram": charts.reliability_diagram(
            "the probability that two garments share a value",
            found.same_value_reliability,
            found.quality.same_value_calibration_error,
        ),
    }


def _words(name: str) -> str:
    return name.replace("_", " ")


def _query(query: Query, tiles: Tiles) -> Fields:
    return {
        "of": query,
        "picture": tiles.tile(query.row),
        "looked": tiles.attended(query.row, query.attention),
        "hits": [{"of": hit, "picture": tiles.tile(hit.row)} for hit in query.hits],
    }


def _unlearnt(confusion: Confusion) -> list[str]:
    return [value for value in confusion.labelled if value not in confusion.read]


def _confusion(confusion: Confusion) -> list[Fields]:
    rows = []
    for value, counts in zip(confusion.labelled, confusion.counts, strict=True):
        total = int(counts.sum())
        cells = [
            {"count": int(count), "share": count / total, "same": read == value, "read": read}
            for read, count in zip(confusion.read, counts, strict=True)
        ]
        right = sum(cell["share"] for cell in cells if cell["same"])
        learnt = value in confusion.read
        rows.append(
            {"value": value, "total": total, "cells": cells, "right": right, "learnt": learnt}
        )
    return rows


def _changes(further: FurtherQuality) -> Fields:
    """Robustness: a row per change, and the attributes that are its columns."""
    measured = dict(further.robustness or {})
    if further.drawn_background is not None:
        measured["busy background, drawn garments"] = further.drawn_background
    names = list(dict.fromkeys(name for each in measured.values() for name in each.changed))
    rows = [
        {
            "name": change,
            "of": each,
            "bar": charts.bar(
                "mean MAP", each.mean_changed, (Mark("unchanged pictures", each.mean_clean),)
            ),
            "lost": [
                100 * (each.clean[name] - each.changed[name]) if name in each.changed else None
                for name in names
            ],
        }
        for change, each in measured.items()
    ]
    return {"changes": rows, "change_names": names}


def _attention(further: FurtherQuality) -> list[Fields]:
    """What hiding and drawn parts say of attention: a row per attribute."""
    hiding, peaks = further.hiding or {}, further.peaks or {}
    rows = []
    for name in dict.fromkeys([*hiding, *peaks]):
        hidden, peak = hiding.get(name), peaks.get(name)
        rows.append(
            {
                "name": name,
                "hiding": hidden,
                "hiding_bar": hidden
                and charts.bar("changed", hidden.attended, (Mark("elsewhere", hidden.elsewhere),)),
                "peaks": peak,
                "peaks_bar": peak
                and charts.bar("inside", peak.inside, (Mark("by chance", peak.by_chance),)),
            }
        )
    return rows
