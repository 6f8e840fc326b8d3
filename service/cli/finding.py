"""One search of the store in this process, by the rules of POST /v1/search."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from api_schemas.images import QueryReference
from model.similarity import ValueReading, read_values
from service.catalog.store import Hit, Query, SearchResult
from service.catalog.where import parse_where
from service.cli.opening import Workplace
from service.queries import Subject, Weighting, read_subject, weigh
from service.services import Services


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search as a user writes it; weights None stands for every visible attribute."""

    image: bytes
    weights: Mapping[str, float] | None
    where: Mapping[str, JsonValue]
    replace: dict[str, str] | None
    catalog: str
    limit: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What came of it.

    Attributes:
        names: attributes that counted, in the order of the hits' similarities.
        skipped: attributes asked for that the query does not show.
        all_names: the model's attributes.
        readings: what the query reads as, for all of the model's attributes.
        attention: (A, h, w) where the network looked in the query.
    """

    hits: list[Hit]
    total: int
    names: list[str]
    skipped: list[str]
    all_names: tuple[str, ...]
    readings: list[ValueReading]
    attention: NDArray[np.float32]


def find(workplace: Workplace, wanted: Wanted) -> Found:
    """Search.

    Raises:
        ServiceError, InvalidFilter, UnknownAttribute, UnknownValue: as POST /v1/search tells.
    """
    services = workplace.services
    where = parse_where(wanted.where) if wanted.where else None
    swap = QueryReference(replace=wanted.replace) if wanted.replace else None
    subject = workplace.run(
        read_subject(swap, wanted.image, services.images, services.card, wanted.catalog)
    )
    weighting = weigh(wanted.weights, subject, services.card)
    query = Query(
        vectors=subject.embedding.vectors[list(weighting.attributes)],
        attributes=weighting.attributes,
        weights=weighting.weights,
        where=where,
        limit=wanted.limit,
    )
    result = workplace.run(services.catalog.search(wanted.catalog, query))
    return _found(result, subject, weighting, services)


def _found(
    result: SearchResult, subject: Subject, weighting: Weighting, services: Services
) -> Found:
    names = services.card.attribute_names
    return Found(
        hits=result.hits,
        total=result.total,
        names=[names[index] for index in weighting.attributes],
        skipped=weighting.skipped,
        all_names=names,
        readings=read_values(subject.embedding, services.card),
        attention=subject.embedding.attention,
    )
