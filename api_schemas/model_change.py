"""Changing the model while the service answers."""

from typing import Literal

from pydantic import Field

from api_schemas.bases import AnswerModel, examples


class LeftOut(AnswerModel):
    """Garments that the new model cannot embed."""

    without_image: int = Field(description="their original bytes were not kept")
    unreadable: int = Field(description="their bytes are no image to the new model")
    examples: list[str] = Field(description="some of them, as catalog/id")


class Process(AnswerModel):
    """A process of the service."""

    name: str
    serving: str = Field(description="fingerprint of the model that it answers with")
    loaded: list[str] = Field(description="fingerprints of those it has open")
    fault: str | None = Field(description="why it cannot open one of the store's models")


class ModelChangeAnswer(AnswerModel):
    """Answer of /v1/model/change."""

    model_config = examples(
        {
            "state": "building",
            "active": "56cd0b00936140de",
            "next": "9b86f33480a5f44e",
            "previous": None,
            "force": False,
            "garments": 204,
            "built": 64,
            "left_out": {"without_image": 0, "unreadable": 0, "examples": []},
            "processes": [
                {
                    "name": "9deba3036ce0",
                    "serving": "56cd0b00936140de",
                    "loaded": ["56cd0b00936140de", "9b86f33480a5f44e"],
                    "fault": None,
                }
            ],
        }
    )

    state: Literal["idle", "building", "held", "switched"] = Field(
        description="held: all is built that can be, and the switch waits for those left out; "
        "switched: the former vectors are still kept"
    )
    active: str = Field(description="fingerprint of the model that answers")
    next: str | None = Field(description="of the one whose vectors are being built")
    previous: str | None = Field(description="of the one whose vectors are dropped soon")
    force: bool = Field(description="switch although garments are left out")
    garments: int
    built: int = Field(description="garments with vectors of `next`, or else of `active`")
    left_out: LeftOut
    processes: list[Process]
