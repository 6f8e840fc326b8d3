"""A search that surely answers, for whoever has just started: made from what is stored now."""

import json
import shlex
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from api_schemas.bases import DEFAULT_CATALOG
from api_schemas.card import ModelCard
from model.similarity import ValueReading, read_values
from service.catalog.store import GarmentRecord
from service.services import Services
from service.stored import as_embedding

DRAWINGS: Final = "drawings"
"""Folder within the store where `lapel demo` leaves its pictures and their table."""
FAVOURITES: Final = ("collar", "neckline", "sleeve_length")
"""Attributes that a garment for a first search should show, if the model has them."""
PICTURES: Final = Path(__file__).parents[2] / "docs" / "examples"
"""In a clone: pictures to compare while nothing is stored."""
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
        read = [
            (record, dict(zip(names, _readings(record, services.card), strict=True)))
            for record in records
        ]
        for attribute in dict.fromkeys([*(n for n in FAVOURITES if n in names), *names]):
            showing = [
                _Candidate(record, record.metadata.get(attribute), values[attribute])
                for record, values in read
                if values[attribute].value
            ]
            if showing:
                alike = Counter(each.read.value for each in showing if each.is_right)
                record = max(showing, key=partial(_suitability, alike)).record
                store = services.settings.store
                drawing = _drawing(store, record.id) if isinstance(store, Path) else None
                return Example(catalog, record.id, attribute, drawing)
    return None


def curl(example: Example | None, address: str) -> str:
    """The command line that puts the search to a service at `address`.

    Without an example it compares two pictures of the clone, or asks what the model knows.
    """
    if example is None:
        return _compare_line(address)
    where = "" if example.catalog == DEFAULT_CATALOG else f"?catalog={example.catalog}"
    url = shlex.quote(f"{address}/v1/search{where}")
    request = {"attributes": {example.attribute: 1}, "limit": LIMIT}
    if example.picture is not None:
        fields = (f"image=@{example.picture}", f"request={json.dumps(request)}")
        return f"curl -s {url} " + " ".join(f"-F {shlex.quote(field)}" for field in fields)
    body = json.dumps({"query": {"garment_id": example.id}, **request})
    return f"curl -s {url} -H 'content-type: application/json' -d {shlex.quote(body)}"


def _compare_line(address: str) -> str:
    pictures = sorted(PICTURES.glob("*.jpg"))[:2]
    if len(pictures) < 2:
        return f"curl -s {address}/v1/attributes"
    here = Path.cwd()
    a, b = (path.relative_to(here) if path.is_relative_to(here) else path for path in pictures)
    fields = (f"image_a=@{a}", f"image_b=@{b}")
    return f"curl -s {address}/v1/compare " + " ".join(f"-F {shlex.quote(f)}" for f in fields)


def _readings(record: GarmentRecord, card: ModelCard) -> list[ValueReading]:
    return read_values(as_embedding(record), card)


@dataclass(frozen=True, slots=True)
class _Candidate:
    record: GarmentRecord
    said: JsonValue
    read: ValueReading

    @property
    def is_there(self) -> bool:
        return self.said not in (None, "none")

    @property
    def is_right(self) -> bool:
        return self.is_there and self.said == self.read.value


def _suitability(
    alike: Counter[str | None], candidate: _Candidate
) -> tuple[bool, bool, int, float]:
    """A garment with a collar makes the better example.

    The best is read rightly, and has others like it to be found.
    """
    read = candidate.read
    return candidate.is_right, candidate.is_there, alike[read.value], read.probability


def _drawing(store: Path, id: str) -> Path | None:
    return next(
        (file for file in sorted((store / DRAWINGS / "images").glob("*")) if file.stem == id), None
    )
