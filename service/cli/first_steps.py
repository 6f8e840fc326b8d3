"""A search that surely answers, for whoever has just started: made from what is stored now."""

import json
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from api_schemas.bases import DEFAULT_CATALOG
from model.similarity import VISIBLE_THRESHOLD
from service.catalog.store import GarmentRecord
from service.services import Services

DRAWINGS: Final = "drawings"
"""Folder within the store where `lapel demo` leaves its pictures and their table."""
FAVOURITES: Final = ("collar", "neckline", "sleeve_length")
"""Attributes that a garment for a first search should show, if the model has them."""
LOOKED_AT: Final = 100
LIMIT: Final = 3


@dataclass(frozen=True, slots=True)
class Example:
    """A stored garment, an attribute it shows, and its picture where that is a file."""

    catalog: str
    id: str
    attribute: str
    picture: Path | None


async def find_example(services: Services) -> Example | None:
    """A garment to search by; None when none is stored that shows anything."""
    names = services.card.attribute_names
    for catalog in await services.catalog.catalogs():
        records = await services.catalog.list(catalog, None, LOOKED_AT)
        for attribute in dict.fromkeys([*(n for n in FAVOURITES if n in names), *names]):
            for record in sorted(records, key=partial(_is_said_to_lack, attribute)):
                if _shows(record, names.index(attribute)):
                    drawing = _drawing(services.settings.store, record.id)
                    return Example(catalog, record.id, attribute, drawing)
    return None


def curl(example: Example | None, address: str) -> str:
    """The command line that puts the search to a service at `address`."""
    if example is None:
        return f"curl -s {address}/v1/attributes"
    where = "" if example.catalog == DEFAULT_CATALOG else f"?catalog={example.catalog}"
    url = shlex.quote(f"{address}/v1/search{where}")
    request = {"attributes": {example.attribute: 1}, "limit": LIMIT}
    if example.picture is not None:
        fields = (f"image=@{example.picture}", f"request={json.dumps(request)}")
        return f"curl -s {url} " + " ".join(f"-F {shlex.quote(field)}" for field in fields)
    body = json.dumps({"query": {"garment_id": example.id}, **request})
    return f"curl -s {url} -H 'content-type: application/json' -d {shlex.quote(body)}"


def _is_said_to_lack(attribute: str, record: GarmentRecord) -> bool:
    """Whether its metadata give no value: one that has a collar makes the better example."""
    return record.metadata.get(attribute) in (None, "none")


def _shows(record: GarmentRecord, attribute: int) -> bool:
    return bool(record.visible[attribute] >= VISIBLE_THRESHOLD)


def _drawing(store: Path, id: str) -> Path | None:
    return next(
        (file for file in sorted((store / DRAWINGS / "images").glob("*")) if file.stem == id), None
    )
