"""The one shape of every error: a problem document (RFC 9457)."""

from pydantic import Field

from api_schemas.bases import AnswerModel, examples


class FieldError(AnswerModel):
    """One field at fault."""

    loc: list[str | int] = Field(description="the way to the field, outermost first")
    msg: str
    type: str


class Problem(AnswerModel):
    """Why a request, or one part of it, was not answered."""

    model_config = examples(
        {
            "type": "urn:lapel:problem:unknown_attribute",
            "title": "The model has no such attribute",
            "status": 422,
            "detail": "unknown attribute 'colar'; the model has: collar, color",
            "instance": "/v1/compare",
            "code": "unknown_attribute",
            "request_id": "5f1c4c1e0e7c4b1c8f0c9b1f6f0d3a52",
        }
    )

    type: str = Field(description="urn:lapel:problem: followed by the code")
    title: str
    status: int
    detail: str
    code: str = Field(description="stable; what a program should look at")
    instance: str | None = Field(default=None, description="the path that was asked for")
    request_id: str | None = Field(default=None, description="also in the X-Request-ID header")
    errors: list[FieldError] | None = Field(default=None, description="each field at fault")
