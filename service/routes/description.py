"""GET /v1/model and /v1/attributes: what the loaded model is and tells apart."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api_schemas.attributes import AttributesAnswer, ModelAnswer
from service.routes.answers import answer
from service.routes.parameters import services_of

router = APIRouter(prefix="/v1", tags=["model"])

IncludeParameter = Annotated[
    list[Literal["prototypes"]],
    Query(description="adds one vector per value", examples=[["prototypes"]]),
]


@router.get("/model", summary="The model's card", response_model=ModelAnswer)
async def model(request: Request, include: IncludeParameter = []) -> Response:  # noqa: B006
    """Everything the model file says about itself: names, calibration, origin, quality."""
    encoder = services_of(request).encoder
    left_out = None if include else {"attributes": {"__all__": {"prototypes"}}}
    card = encoder.card.model_dump(mode="json", exclude=left_out)
    return answer({"fingerprint": encoder.fingerprint, "card": card})


@router.get("/attributes", summary="Attributes and values", response_model=AttributesAnswer)
async def attributes(request: Request) -> Response:
    """Names, values, and what each means."""
    services = services_of(request)
    described = [
        {
            "name": attribute.name,
            "description": attribute.description,
            "values": [
                {"name": value, "description": attribute.value_descriptions.get(value, "")}
                for value in attribute.values
            ],
        }
        for attribute in services.card.attributes
    ]
    return answer({"attributes": described, "model": services.identity})
