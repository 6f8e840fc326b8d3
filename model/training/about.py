"""What a card says before anything is fitted: what people tell of a model, and what its run knows.

Figures that are fitted later have neutral values until then, since no card is valid without them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from api_schemas.card import (
    AttributeCard,
    DesignSpace,
    ModelCard,
    Provenance,
    SameValueCalibration,
)
from model.training.asen import INITIAL_SCALE, ValueHead
from model.training.designs.registry import design_named
from model.training.runs import Run

_UNFITTED: Final = SameValueCalibration(slope=1.0, intercept=0.0, pairs=0, fitted_on="nothing")
_UNFITTED_DESIGN: Final = DesignSpace(
    slope=1.0,
    intercept=0.0,
    direction_slope=0.0,
    direction_margin=0.0,
    threshold=1.0,
    false_accusation_rate=0.0,
    false_accusation_rate_any_pair=0.0,
    detection_rate=0.0,
    wrong_direction_rate=0.0,
    compared_with=0,
    pairs=0,
    fitted_on="nothing",
)


class AttributeAbout(BaseModel):
    """What an attribute and its values mean, for people."""

    model_config = ConfigDict(extra="forbid")

    description: str = ""
    values: dict[str, str] = {}


class About(BaseModel):
    """What no training run can know of its model: names, licences, meanings. A JSON file."""

    model_config = ConfigDict(extra="forbid")

    name: str = "lapel-custom"
    version: str = "1"
    licence: str = "unspecified"
    data: str = "unspecified"
    data_licence: str = "unspecified"
    attributes: dict[str, AttributeAbout] = {}

    @classmethod
    def read(cls, path: Path | None) -> "About":
        """Read the file; without one, the defaults.

        Raises:
            ValueError: the file is not there or not of this form.
        """
        if path is None:
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as exc:
            raise ValueError(f"cannot use {path}: {exc}") from exc


def first_card(run: Run, about: About) -> ModelCard:
    """The card of a run whose spaces are not fitted yet."""
    dimension = design_named(run.config.design).branches * run.config.embedding_dimension
    prototypes, scales = _first_prototypes(run, dimension)
    attributes = tuple(
        _attribute_card(name, names, prototypes[row, : len(names)], scales[row], about.attributes)
        for row, (name, names) in enumerate(zip(run.attributes, run.value_names, strict=True))
    )
    return ModelCard(
        name=about.name,
        version=about.version,
        licence=about.licence,
        design=run.config.design,
        backbone=run.config.backbone,
        embedding_dimension=dimension,
        preprocessing=run.config.preprocessing(),
        attributes=attributes,
        provenance=Provenance(
            data=about.data,
            data_licence=about.data_licence,
            training_images=run.training_images,
            pretrained="torchvision default" if run.config.pretrained else "none",
            left_out_values=run.left_out_values,
        ),
        design_space=None if run.design_head is None else _UNFITTED_DESIGN,
    )


def _first_prototypes(run: Run, dimension: int) -> tuple[NDArray[np.float32], list[float]]:
    """(A, V, D) and a scale per attribute: the value head's, or mere places for fitted ones."""
    head = getattr(run.network, "values", None)
    if isinstance(head, ValueHead):
        return head.unit_prototypes().detach().numpy(), head.log_scale.detach().exp().tolist()
    most = max(len(names) for names in run.value_names)
    prototypes = np.zeros((len(run.attributes), most, dimension), np.float32)
    return prototypes, [INITIAL_SCALE] * len(run.attributes)


def _attribute_card(
    name: str,
    values: tuple[str, ...],
    prototypes: NDArray[np.float32],
    scale: float,
    meanings: Mapping[str, AttributeAbout],
) -> AttributeCard:
    meaning = meanings.get(name, AttributeAbout())
    return AttributeCard(
        name=name,
        description=meaning.description,
        values=values,
        value_descriptions={v: meaning.values[v] for v in values if v in meaning.values},
        prototypes=tuple(tuple(round(float(x), 6) for x in row) for row in prototypes),
        scale=scale,
        same_value=_UNFITTED,
    )
