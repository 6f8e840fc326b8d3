"""A webhook's change carried out: products stored, what else there is of the product deleted."""

import numpy as np
from pydantic import JsonValue

from service.catalog.store import Catalog, Query
from service.catalog.where import parse_where
from service.errors import as_service_error
from service.feeds.deliveries import Change
from service.imports.describing import GROUP, SHOP_ID
from service.imports.records import Fault, fault_of
from service.imports.storing import Storing

PAGE = 500
"""Garments of one product deleted at a time."""


async def apply_change(
    change: Change, name: str, storing: Storing, catalog: Catalog, dimension: int
) -> list[Fault]:
    """Carry out a change; doing it twice does no harm.

    Args:
        change: what the webhook says.
        name: of the catalog.
        storing: stores products.
        catalog: where the garments are.
        dimension: D of the model in use.

    Returns:
        What could not be done. A garment whose image cannot be had stays as it was.

    Raises:
        ServiceError: the store is away or the service too busy; do it again later.
    """
    faults = [fault_of(problem) for problem in change.problems]
    if change.products:
        faults += (await storing.store(name, change.products)).faults
    elif change.problems:
        return faults
    stay = change.keep | {product.id for product in change.products}
    try:
        if change.garment is not None and change.garment not in stay:
            await catalog.delete(name, change.garment)
        while others := await _others(change, name, catalog, stay, dimension):
            for id in others:
                await catalog.delete(name, id)
    except Exception as exc:
        raise as_service_error(exc) from exc
    return faults


async def _others(
    change: Change, name: str, catalog: Catalog, stay: frozenset[str], dimension: int
) -> list[str]:
    """Garments of the product that are not to stay.

    A search is the way to ask by metadata. What it compares with does not matter: every garment
    that passes the filter is a hit.
    """
    either: list[JsonValue] = [{SHOP_ID: change.shop_id}]
    if change.garment is not None:
        either.append({GROUP: change.garment})
    query = Query(
        vectors=np.ones((1, dimension), np.float32),
        attributes=(0,),
        weights=(1.0,),
        where=parse_where({"any": either}),
        limit=PAGE,
        exclude=stay,
    )
    return [hit.id for hit in (await catalog.search(name, query)).hits]
