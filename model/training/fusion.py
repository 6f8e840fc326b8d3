"""Late fusion: an attribute that few labels teach leans on the global vector.

A head taught by a few hundred photographs learns them by heart. The trunk's pooled feature, which
all attributes taught, says less of any one of them, and holds for photographs never seen. Both are
centred and laid side by side, so that the cosine of two fused vectors is the weighted mean of both
cosines; principal components of the training vectors bring them back to ``D`` numbers. How much an
attribute leans, and whether its vectors are still drawn towards values that may be named badly,
is decided by retrieval on valid.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from api_schemas.card import AttributeCard, ModelCard
from model.evaluate import EmbeddedTable
from model.labels import LabelTable
from model.metrics import retrieval_score
from model.training.attribute_calibration import scaled
from model.training.prototypes import centre_of_values, with_prototypes
from model.training.serving import VALUE_PULL, Fusion, Serving

FEW_LABELS: Final = 1000
"""Training photographs with a value, from which on an attribute stands by itself."""
WEIGHTS: Final = (0.0, 0.1, 0.2, 0.5, 1.0)
"""Of the global cosine, beside 1 for the attribute's own."""
LEAST_GAIN: Final = 0.005
"""Of mean average precision on valid, for which more is borrowed."""


def fuse_best(
    serving: Serving, train: EmbeddedTable, valid: EmbeddedTable, card: ModelCard
) -> tuple[Fusion, ...]:
    """Fuse each attribute in the way that finds most on valid among photographs by others.

    Args:
        serving: centred; is fused when this returns.
        train: what the network says of the training rows, neither centred nor fused.
        valid: the same of the validation rows.
        card: gives attributes and values.

    Returns:
        What was chosen, in the card's order.
    """
    apart = _apart(train)
    few = [
        index
        for index, a in enumerate(card.attributes)
        if (_values(train, a) >= 0).sum() < FEW_LABELS
    ]
    chosen = [apart] * len(card.attributes)
    best = dict.fromkeys(few, -np.inf)
    for weight in WEIGHTS if few else ():
        tried = list(chosen)
        for index in few:
            tried[index] = _fusion(serving, train, card.attributes[index], index, weight) or apart
        serving.fuse(tried)
        near, far = gathered(serving, train), gathered(serving, valid)
        serving.draw_towards(scaled(with_prototypes(card, near), [far]).attributes)
        # Drawn by the full step in the first trial, as spaces of many labels are.
        drawn = serving.drawn(torch.from_numpy(far.vectors)).numpy()
        for index in few:
            for pull, vectors in ((VALUE_PULL, drawn), (0.0, far.vectors)):
                found = _found(vectors[:, index], valid.table, card.attributes[index])
                if found >= best[index] + LEAST_GAIN:
                    best[index] = found
                    chosen[index] = replace(tried[index], pull=pull)
    serving.fuse(chosen)
    return tuple(chosen)


def with_global_shares(card: ModelCard, fusions: Sequence[Fusion]) -> ModelCard:
    """The card saying how much of each attribute's vectors is of the whole picture."""
    attributes = tuple(
        attribute.model_copy(update={"global_share": fusion.weight / (1.0 + fusion.weight)})
        for attribute, fusion in zip(card.attributes, fusions, strict=True)
    )
    return card.model_copy(update={"attributes": attributes})


def gathered(serving: Serving, embedded: EmbeddedTable) -> EmbeddedTable:
    """The attributes' rows around their centres and fused, without the space ``design``."""
    attributes = torch.from_numpy(embedded.vectors[:, : len(serving.centres)])
    vectors = serving.centred(attributes)
    if serving.fuses:
        vectors, _ = serving.fused(vectors, torch.from_numpy(embedded.global_vectors))
    return replace(embedded, vectors=vectors.numpy())


def _apart(train: EmbeddedTable) -> Fusion:
    """An attribute that stands by itself."""
    dimension, channels = train.vectors.shape[2], train.global_vectors.shape[1]
    return Fusion(
        own_part=np.eye(dimension, dtype=np.float32),
        whole_part=np.zeros((channels, dimension), np.float32),
        centre=np.zeros(channels, np.float32),
    )


def _fusion(
    serving: Serving, train: EmbeddedTable, attribute: AttributeCard, index: int, weight: float
) -> Fusion | None:
    """None where nothing is borrowed, or the labels are fewer than the dimensions."""
    actual = _values(train, attribute)
    rows = actual >= 0
    dimension = train.vectors.shape[2]
    if weight == 0.0 or rows.sum() < dimension:
        return None
    own = _unit(train.vectors[rows, index] - serving.centres[index].numpy())
    centre = centre_of_values(train.global_vectors, actual)
    whole = np.sqrt(np.float32(weight)) * _unit(train.global_vectors[rows] - centre)
    components = np.linalg.svd(np.hstack([own, whole]), full_matrices=False)[2][:dimension]
    return Fusion(
        own_part=np.ascontiguousarray(components[:, :dimension].T),
        whole_part=np.sqrt(np.float32(weight)) * components[:, dimension:].T,
        centre=centre,
        weight=weight,
    )


def _found(vectors: NDArray[np.float32], table: LabelTable, attribute: AttributeCard) -> float:
    """Mean average precision among photographs by others, for every value of the table."""
    values = table.value_indices(attribute.name, table.values(attribute.name))
    return retrieval_score(vectors @ vectors.T, values, table.groups).mean_average_precision


def _values(embedded: EmbeddedTable, attribute: AttributeCard) -> NDArray[np.int64]:
    return embedded.table.value_indices(attribute.name, attribute.values)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-6))
    return unit
