import json

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from service.validation import told


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: int


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    either: dict[str, float] | list[str] | None = None
    parts: list[str | Part] = []


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ({"either": {"collar": "x"}}, [["either", "collar"]]),
        ({"either": ["a", 5]}, [["either", 1]]),
        ({"either": 7}, [["either"], ["either"]]),
        ({"parts": ["a", {"size": "x"}]}, [["parts", 1, "size"]]),
        ({"parts": [{}]}, [["parts", 0, "size"]]),
        ({"parts": [{"size": 1, "colour": 2}]}, [["parts", 0, "colour"]]),
        ({"parts": [8]}, [["parts", 0], ["parts", 0]]),
        ({"partz": 1, "either": {"x": "x"}}, [["either", "x"], ["partz"]]),
        ([], [[]]),
    ],
)
def test_faults_stand_where_they_are_in_the_document(document: object, places: list[object]):
    text = json.dumps(document).encode()
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate_json(text)
    errors = told(caught.value, text, Whole)
    assert [error["loc"] for error in errors] == places


def test_an_unknown_field_is_told_with_those_of_the_model_it_is_in():
    text = b'{"parts": [{"size": 1, "colour": 2}]}'
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate_json(text)
    (error,) = told(caught.value, text, Whole)
    assert error["msg"] == "unknown field; allowed: size"
