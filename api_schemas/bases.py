"""What every request and every answer has in common, and what garments and catalogs may be called.

Requests are strict: an unknown field or a number written as text is refused, so that a typing
error is heard of instead of being ignored. Answers forbid unknown fields too, which lets a test
hold each real answer against its documented schema.
"""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

DEFAULT_CATALOG = "default"
CATALOG_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
GARMENT_ID_PATTERN = r"^[^/\x00-\x1f\x7f-\x9f]{1,256}$"
MAX_METADATA_DEPTH = 16
MAX_METADATA_VALUES = 2_000
"""Names, texts and numbers in one garment's metadata."""
MAX_METADATA_TEXT = 65_536
"""Characters of all names and texts in one garment's metadata together."""
MAX_INTEGER = 2**63 - 1


class RequestModel(BaseModel):
    """Base of request bodies and their parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AnswerModel(BaseModel):
    """Base of response bodies and their parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def examples(*documents: Any) -> ConfigDict:
    """A model's configuration that shows `documents` in OpenAPI."""
    return ConfigDict(json_schema_extra={"examples": list(documents)})


def check_garment_id(value: str) -> str:
    """Refuse the two names that HTTP clients rewrite as steps in a path."""
    if value in (".", ".."):
        raise ValueError(f"{value!r} cannot be a garment id: clients rewrite it in a path")
    return value


def check_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse metadata that could not be given back as it came: NaN, huge numbers, deep nesting."""
    values = text = 0
    pending: list[tuple[object, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        values += 1
        if depth > MAX_METADATA_DEPTH:
            raise ValueError(f"nested deeper than the {MAX_METADATA_DEPTH} levels allowed")
        if isinstance(item, dict):
            text += sum(map(len, item))
            pending.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            pending.extend((inner, depth + 1) for inner in item)
        elif isinstance(item, str):
            text += len(item)
        else:
            _check_number(item)
    if values - 1 > MAX_METADATA_VALUES:
        raise ValueError(f"holds {values - 1} values, {MAX_METADATA_VALUES} are allowed")
    if text > MAX_METADATA_TEXT:
        raise ValueError(f"holds {text} characters, {MAX_METADATA_TEXT} are allowed")
    return value


def _check_number(item: object) -> None:
    if isinstance(item, float) and not math.isfinite(item):
        raise ValueError(f"{item} is not a number JSON can carry")
    if isinstance(item, int) and abs(item) > MAX_INTEGER:
        raise ValueError("holds an integer of more than 63 bits")


CatalogName = Annotated[
    str,
    StringConstraints(pattern=CATALOG_PATTERN),
    Field(description="1 to 64 of a-z, 0-9, _ and -, the first a letter or digit"),
]
GarmentId = Annotated[
    str,
    StringConstraints(pattern=GARMENT_ID_PATTERN),
    AfterValidator(check_garment_id),
    Field(description="1 to 256 characters, no slash, no control characters"),
]
Metadata = Annotated[
    dict[str, JsonValue],
    AfterValidator(check_metadata),
    Field(description="any JSON object; `where` filters read it"),
]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Weight = Annotated[
    float, Field(gt=0, le=1000, description="how much the attribute counts, relative to others")
]
