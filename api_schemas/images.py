"""How a JSON request names an image.

A URL is only a text here: whether it may be fetched is the service's to say.
"""

from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from api_schemas.bases import AttributeName, CatalogName, GarmentId, RequestModel

MAX_URL_LENGTH = 4096
"""Characters; signed addresses of object stores reach about 2,000."""


def _exactly_one_of(*names: str) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names]}


class ImageReference(RequestModel):
    """An image: its bytes, where they are on the web, or a garment in a catalog."""

    model_config = ConfigDict(json_schema_extra=_exactly_one_of("base64", "url", "garment_id"))

    base64: str | None = Field(
        default=None, description="the image file's bytes, base64 (RFC 4648 section 4)"
    )
    url: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="http or https, on a public host; where the service allows it",
        json_schema_extra={"format": "uri"},
    )
    garment_id: GarmentId | None = Field(default=None, description="a garment in a catalog")
    catalog: CatalogName | None = Field(
        default=None, description="the garment's catalog; the request's own when left out"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = self._sources()
        if len(given) != 1:
            raise ValueError(f"give exactly one of base64, url, garment_id; got {_listed(given)}")
        self._check_catalog()
        return self

    def _sources(self) -> list[str]:
        names = ("base64", "url", "garment_id")
        return [name for name in names if getattr(self, name) is not None]

    def _check_catalog(self) -> None:
        if self.catalog is not None and self.garment_id is None:
            raise ValueError("catalog only goes with garment_id")


class QueryReference(ImageReference):
    """What to look for: an image, an image with some values swapped, or values alone.

    Beside a multipart image only `replace` may be given.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [n]} for n in ("base64", "url", "garment_id", "values", "replace")
            ]
        }
    )

    values: dict[AttributeName, str] | None = Field(
        default=None, min_length=1, description="no image: the value wanted for each attribute"
    )
    replace: dict[AttributeName, str] | None = Field(
        default=None,
        min_length=1,
        description="values to swap in, the rest of the image staying as it is",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = self._sources()
        if len(given) > 1:
            raise ValueError(f"give one of base64, url, garment_id, values; got {_listed(given)}")
        if self.values is not None and self.replace is not None:
            raise ValueError("replace goes with an image; put the value into values instead")
        self._check_catalog()
        return self

    def _sources(self) -> list[str]:
        names = ("base64", "url", "garment_id", "values")
        return [name for name in names if getattr(self, name) is not None]

    @property
    def has_source(self) -> bool:
        """Whether the reference stands alone, without a multipart image beside it."""
        return bool(self._sources())


def _listed(names: list[str]) -> str:
    return " and ".join(names) or "none"
