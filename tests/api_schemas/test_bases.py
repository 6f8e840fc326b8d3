import json

import pytest
from pydantic import TypeAdapter, ValidationError

from api_schemas.bases import (
    MAX_INTEGER,
    MAX_METADATA_DEPTH,
    MAX_METADATA_TEXT,
    MAX_METADATA_VALUES,
    CatalogName,
    GarmentId,
    Metadata,
)

GARMENT_ID = TypeAdapter(GarmentId)
CATALOG = TypeAdapter(CatalogName)
METADATA = TypeAdapter(Metadata)


@pytest.mark.parametrize("name", ["a", "x" * 256, "hémd 17", "a.b", "...", "😀", "a\\b", "?#%"])
def test_a_garment_id_may_be_any_text_of_one_path_step(name: str):
    assert GARMENT_ID.validate_python(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 257, "a/b", "/", ".", "..", "a\nb", "\x00", "\x7f", "\x85", "a\n"]
)
def test_a_garment_id_that_a_path_or_a_log_would_break_on_is_refused(name: str):
    with pytest.raises(ValidationError):
        GARMENT_ID.validate_python(name)


@pytest.mark.parametrize("name", ["default", "0", "a_b-c", "x" * 64])
def test_a_catalog_has_a_plain_name(name: str):
    assert CATALOG.validate_python(name) == name


@pytest.mark.parametrize("name", ["", "Default", "-a", "_a", "a.b", "a b", "x" * 65, "a\n", "é"])
def test_a_catalog_of_another_name_is_refused(name: str):
    with pytest.raises(ValidationError):
        CATALOG.validate_python(name)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"a": nested(MAX_METADATA_DEPTH - 1)},
        {"a": [0] * (MAX_METADATA_VALUES - 1)},
        {"a": "x" * (MAX_METADATA_TEXT - 1)},
        {"a": MAX_INTEGER, "b": -MAX_INTEGER, "c": 1e308, "d": True, "e": None},
    ],
    ids=["empty", "deep", "many", "long", "large"],
)
def test_metadata_up_to_the_limits_comes_back_as_it_was(metadata: dict[str, object]):
    assert METADATA.validate_json(json.dumps(metadata)) == metadata


@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"a": nested(MAX_METADATA_DEPTH)}),
        json.dumps({"a": [0] * MAX_METADATA_VALUES}),
        json.dumps({"a": "x" * MAX_METADATA_TEXT}),
        json.dumps({"a": MAX_INTEGER + 1}),
        '{"a": NaN}',
        '{"a": [{"b": -Infinity}]}',
        '{"a": 1e999}',
        "[]",
        "null",
    ],
    ids=["deep", "many", "long", "large", "nan", "infinity", "overflow", "list", "null"],
)
def test_metadata_beyond_the_limits_is_refused(document: str):
    with pytest.raises(ValidationError):
        METADATA.validate_json(document)
