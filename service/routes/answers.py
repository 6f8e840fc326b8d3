"""Rendering answers: plain dicts of the shapes in `api_schemas`, written as JSON in one step.

Building the answer models first would double the cost of a cached comparison; tests hold every
real answer against its model instead.
"""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import Response
from pydantic_core import to_json

from api_schemas.card import ModelCard
from model.encoder import Encoder
from model.similarity import AttributeComparison, ValueReading

JSON_MEDIA_TYPE = "application/json"

Document = dict[str, Any]


def answer(document: Document, status: int = 200) -> Response:
    """A JSON response; the document may hold whatever a garment's metadata may."""
    return Response(to_json(document), status, media_type=JSON_MEDIA_TYPE)


def answer_figures(document: Document) -> Response:
    """A JSON response of our own names and figures, with NumPy arrays as they are.

    orjson takes a fifth of the time that pydantic's writer takes for vectors, and writes a float32
    with the digits it needs, no more. Metadata stays away from it: integers end at 64 bits here.
    """
    content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, media_type=JSON_MEDIA_TYPE)


def identity(encoder: Encoder) -> dict[str, str]:
    """As `ModelIdentity`."""
    card = encoder.card
    return {"name": card.name, "version": card.version, "fingerprint": encoder.fingerprint}


def reading(read: ValueReading) -> Document:
    """As `ValueReading`."""
    return {"value": read.value, "probability": read.probability, "visible": read.visible}


def readings(read: Iterable[ValueReading], card: ModelCard) -> dict[str, Document]:
    """One reading per attribute of the card, by name."""
    return {name: reading(r) for name, r in zip(card.attribute_names, read, strict=True)}


def comparisons(compared: Iterable[AttributeComparison]) -> dict[str, Document]:
    """As `AttributeComparison`, by name."""
    return {
        name: {
            "similarity": similarity,
            "same_value_probability": probability,
            "a": reading(a),
            "b": reading(b),
        }
        for name, similarity, probability, a, b in compared
    }
