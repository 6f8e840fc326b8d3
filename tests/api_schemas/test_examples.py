import importlib
import json
import pkgutil

import pytest
from pydantic import BaseModel

import api_schemas


def models_with_examples() -> list[type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for module in pkgutil.iter_modules(api_schemas.__path__):
        for value in vars(importlib.import_module(f"api_schemas.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, BaseModel):
                extra = value.model_config.get("json_schema_extra")
                if isinstance(extra, dict) and "examples" in extra:
                    found[value.__name__] = value
    return list(found.values())


@pytest.mark.parametrize("model", models_with_examples(), ids=lambda model: model.__name__)
def test_every_example_is_valid_for_its_own_model(model: type[BaseModel]):
    extra = model.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    examples = extra["examples"]
    assert isinstance(examples, list)
    assert examples
    for example in examples:
        model.model_validate_json(json.dumps(example))


def test_requests_and_answers_of_every_route_have_examples():
    names = {model.__name__ for model in models_with_examples()}
    assert {name for name in names if name.endswith("Request")} == {
        "CompareBatchRequest",
        "CompareRequest",
        "EmbeddingsRequest",
        "EvidenceRequest",
        "GarmentRequest",
        "ImportRequest",
        "RerankRequest",
        "ScreenRequest",
        "SearchRequest",
    }
    assert len(names) > 15
