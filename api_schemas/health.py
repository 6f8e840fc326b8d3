"""Whether the process runs, and whether it can answer."""

from typing import Literal

from pydantic import Field

from api_schemas.bases import AnswerModel, examples


class Health(AnswerModel):
    """Answer of GET /healthz: the process runs."""

    model_config = examples({"status": "ok"})

    status: Literal["ok"] = "ok"


class Readiness(AnswerModel):
    """Answer of GET /readyz: the model is loaded and the catalog answers."""

    model_config = examples(
        {
            "status": "ready",
            "garments": 204,
            "stale_garments": 0,
            "model": "56cd0b00936140de",
            "fault": None,
        }
    )

    status: Literal["ready"] = "ready"
    garments: int
    stale_garments: int = Field(
        description="embedded by another model file: kept, not searched until `lapel reindex`"
    )
    model: str = Field(description="fingerprint of the model that answers")
    fault: str | None = Field(description="why the store's model cannot be opened")
