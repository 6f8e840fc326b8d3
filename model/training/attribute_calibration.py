"""From cosines to probabilities of values, and of two garments having the same.

Fitted with the exported file itself, through the encoder that serves, so what is calibrated is
what runs: on the validation split, and on its photographs changed as photographs differ (turned,
cropped, dark, on another ground), since what is uploaded is seldom as near to the training
photographs as the validation split is (Tomani et al., CVPR 2021).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from api_schemas.card import AttributeCard, ModelCard, SameValueCalibration
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, Progress, embed_table, labelled_pairs
from model.labels import LabelTable
from model.robustness import CHANGES, Changed

CHANGED_AT_MOST: Final = 500
"""Photographs of valid that are changed, so that export stays quick."""
CALIBRATED_UNDER: Final = (
    "rotation by 15 degrees",
    "centre crop to 80 %",
    "Gaussian blur",
    "brightness 0.6",
    "brightness 1.5",
    "busy background",
)


def changed_pictures(valid: int) -> int:
    """How many pictures `embed_changed` embeds of a split of so many photographs."""
    return len(CALIBRATED_UNDER) * min(valid, CHANGED_AT_MOST)


def embed_changed(
    encoder: Encoder, valid: LabelTable, *, progress: Progress | None = None
) -> list[EmbeddedTable]:
    """The split under each of CALIBRATED_UNDER; photographs that cannot be changed stay."""
    some = valid.take(range(min(len(valid), CHANGED_AT_MOST)))
    readers = (Changed(CHANGES[name], encoder.card.preprocessing) for name in CALIBRATED_UNDER)
    return [embed_table(encoder, some, progress=progress, read=read) for read in readers]


def scaled(card: ModelCard, tables: Sequence[EmbeddedTable]) -> ModelCard:
    """The card with the scales that turn cosines to prototypes into probabilities of values."""
    attributes = tuple(
        attribute.model_copy(update={"scale": _fit_scale(attribute, tables, index)})
        for index, attribute in enumerate(card.attributes)
    )
    return card.model_copy(update={"attributes": attributes})


def calibrated(card: ModelCard, tables: Sequence[EmbeddedTable]) -> ModelCard:
    """The card with scales, and with what turns a cosine into "the same value".

    Args:
        card: gives attributes and prototypes.
        tables: photographs, and the same ones changed; pairs are within a table.
    """
    card = scaled(card, tables)
    attributes = tuple(
        attribute.model_copy(update={"same_value": _fit_same_value(attribute, tables, index)})
        for index, attribute in enumerate(card.attributes)
    )
    return card.model_copy(update={"attributes": attributes})


def _fit_scale(attribute: AttributeCard, tables: Sequence[EmbeddedTable], index: int) -> float:
    """Temperature scaling (Guo et al., ICML 2017): the scale of least log loss."""
    actual = np.concatenate(
        [t.table.value_indices(attribute.name, attribute.values) for t in tables]
    )
    rows = np.flatnonzero(actual >= 0)
    if len(rows) == 0:
        return attribute.scale
    vectors = np.concatenate([t.vectors[:, index] for t in tables])[rows]
    cosines = vectors @ np.array(attribute.prototypes, np.float32).T

    def log_loss(log_scale: float) -> float:
        logits = np.exp(log_scale) * cosines
        right = logits[np.arange(len(rows)), actual[rows]]
        return float(np.mean(logsumexp(logits, axis=1) - right))

    fit = minimize_scalar(log_loss, bounds=(np.log(0.5), np.log(100.0)), method="bounded")
    return float(np.exp(fit.x))


def _fit_same_value(
    attribute: AttributeCard, tables: Sequence[EmbeddedTable], index: int
) -> SameValueCalibration:
    """Logistic regression from cosine to "same value", over pairs by different photographers.

    Both pictures of a pair are changed in the same way, or neither.
    """
    pairs = [labelled_pairs(embedded, index, attribute) for embedded in tables]
    cosines = np.concatenate([each.similarities for each in pairs])
    same = np.concatenate([each.same for each in pairs])
    if same.all() or not same.any():
        return attribute.same_value
    fit = LogisticRegression(C=np.inf).fit(cosines[:, None], same)
    return SameValueCalibration(
        slope=float(fit.coef_[0, 0]),
        intercept=float(fit.intercept_[0]),
        pairs=len(same),
        fitted_on="valid",
    )
