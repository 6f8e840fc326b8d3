"""What pydantic says of a request, in words and places that its sender knows.

Where a value may be of several types, pydantic names the types it tried, and complains of each. A
sender has never heard of them, and meant one: only what is wrong with that one is told.
"""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from api_schemas.bases import CATALOG_PATTERN, GARMENT_ID_PATTERN
from api_schemas.imports import CURRENCY_PATTERN

_PATTERNS = {
    GARMENT_ID_PATTERN: "a garment's id has 1 to 256 characters, no slash, no control characters",
    CATALOG_PATTERN: "a catalog has 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit",
    CURRENCY_PATTERN: "a currency is an ISO 4217 code, as EUR or USD",
}


def told(exc: ValidationError, document: bytes, model: type[BaseModel]) -> list[dict[str, Any]]:
    """Every fault of a JSON document, and the allowed fields beside an unknown one.

    Args:
        exc: what `model` said of the document.
        document: UTF-8 text.
        model: what it should be.

    Returns:
        At least one {"loc", "msg", "type"}.
    """
    errors = []
    for error in exc.errors(include_url=False, include_input=False):
        message = in_words(error)
        if error["type"] == "extra_forbidden":
            message = f"unknown field; allowed: {', '.join(_fields_at(model, error['loc']))}"
        place = _place_in(document, error["loc"], missing=error["type"] == "missing")
        errors.append({"loc": place, "msg": message, "type": error["type"]})
    return _of_the_type_meant(errors)


def in_words(error: Mapping[str, Any]) -> str:
    """What pydantic says of one value, without the words that are meant for programmers."""
    pattern = error.get("ctx", {}).get("pattern")
    if error["type"] == "string_pattern_mismatch" and pattern in _PATTERNS:
        return _PATTERNS[pattern]
    return str(error["msg"]).removeprefix("Value error, ")


def _place_in(
    document: bytes, location: tuple[int | str, ...], *, missing: bool
) -> list[int | str]:
    """The steps of `location` that lead through the document; the others name types."""
    if not location:
        return []
    value, place = from_json(document), []
    for step in location:
        is_in = isinstance(value, dict) and step in value
        if is_in or (isinstance(value, list) and isinstance(step, int)):
            value = value[step]
            place.append(step)
    return [*place, location[-1]] if missing else place


def _of_the_type_meant(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that say no more than that a value is not of a type.

    Unless that is all there is to say of it: a type that the value does have complains of
    something within the value, or of what it is.
    """
    explained: set[tuple[int | str, ...]] = set()
    for error in errors:
        place = tuple(error["loc"])
        explained.update(place[:depth] for depth in range(len(place)))
        if not error["type"].endswith("_type"):
            explained.add(place)
    return [
        error
        for error in errors
        if not error["type"].endswith("_type") or tuple(error["loc"]) not in explained
    ]


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Fields of the innermost model on the way to `location`."""
    for step in location[:-1]:
        field = model.model_fields.get(str(step))
        if field is not None:
            model = _model_in(field.annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)
