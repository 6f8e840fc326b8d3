"""What is done on export for the spaces that few labels taught.

A head taught by a few hundred photographs knows them by heart, with whatever told their
photographers apart. Three things help it on photographs by others, and retrieval on valid decides
which: directions in which photographers differ within a value are made short (within-class
covariance normalisation; Hatch et al., Interspeech 2006); the trunk's pooled feature, which all
attributes taught, joins the vector, so that a cosine is the weighted mean of both cosines, in the
same number of dimensions by principal components; and the step towards values, which may be named
badly, is left out.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
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
from model.training.serving import VALUE_PULL, Refinement, Serving

FEW_LABELS: Final = 1000
"""Training photographs with a value, from which on an attribute stands by itself."""
WEIGHTS: Final = (0.0, 0.2, 0.5, 1.0)
"""Of the global cosine, beside 1 for the attribute's own."""
RIDGE: Final = 0.3
"""Added to each eigenvalue of the photographers' covariance, in units of their mean."""
LEAST_GAIN: Final = 0.005
"""Of mean average precision on valid, for which a space is refined further."""


def refine_spaces(
    serving: Serving, train: EmbeddedTable, valid: EmbeddedTable, card: ModelCard
) -> tuple[Refinement, ...]:
    """Refine each space in the way that finds most on valid among photographs by others.

    Args:
        serving: centred; is refined when this returns, unless all labels are many.
        train: what the network says of the training rows, neither centred nor refined.
        valid: the same of the validation rows.
        card: gives attributes and values.

    Returns:
        What was chosen, in the card's order; empty where all labels are many.
    """
    labels = [(_values(train, attribute) >= 0).sum() for attribute in card.attributes]
    few = [index for index, count in enumerate(labels) if count < FEW_LABELS]
    if not few:
        return ()
    own = gathered(serving, train)
    plain = _plain(train)
    chosen = [plain] * len(labels)
    best = dict.fromkeys(few, -np.inf)
    for weight, whiten in product(WEIGHTS, (False, True)):
        tried = [plain] * len(labels)
        for index in few:
            tried[index] = _refinement(own, card.attributes[index], index, weight, whiten=whiten)
        serving.refine(tried)
        near, far = gathered(serving, train), gathered(serving, valid)
        serving.draw_towards(scaled(with_prototypes(card, near), [far]).attributes)
        drawn = serving.drawn(torch.from_numpy(far.vectors)).numpy()
        for index in few:
            for pull, vectors in ((VALUE_PULL, drawn), (0.0, far.vectors)):
                found = _found(vectors[:, index], valid.table, card.attributes[index])
                if found >= best[index] + LEAST_GAIN:
                    best[index] = found
                    chosen[index] = replace(tried[index], pull=pull)
    serving.refine(chosen)
    return tuple(chosen)


def with_global_shares(card: ModelCard, refinements: Sequence[Refinement]) -> ModelCard:
    """The card saying how much of each attribute's vectors is of the whole picture."""
    attributes = tuple(
        attribute.model_copy(update={"global_share": each.weight / (1.0 + each.weight)})
        for attribute, each in zip(card.attributes, refinements, strict=True)
    )
    return card.model_copy(update={"attributes": attributes})


def gathered(serving: Serving, embedded: EmbeddedTable) -> EmbeddedTable:
    """The attributes' rows around their centres and refined, without the space ``design``."""
    attributes = torch.from_numpy(embedded.vectors[:, : len(serving.centres)])
    vectors = serving.centred(attributes)
    if serving.refines:
        vectors, _ = serving.refined(vectors, torch.from_numpy(embedded.global_vectors))
    return replace(embedded, vectors=vectors.numpy())


def _plain(train: EmbeddedTable) -> Refinement:
    """A space as it is."""
    dimension, channels = train.vectors.shape[2], train.global_vectors.shape[1]
    return Refinement(
        whitening=np.eye(dimension, dtype=np.float32),
        own_part=np.eye(dimension, dtype=np.float32),
        whole_part=np.zeros((channels, dimension), np.float32),
        centre=np.zeros(channels, np.float32),
    )


def _refinement(
    train: EmbeddedTable, attribute: AttributeCard, index: int, weight: float, *, whiten: bool
) -> Refinement:
    """Fitted to centred vectors; a space as it is where labels are fewer than dimensions."""
    plain, actual = _plain(train), _values(train, attribute)
    rows, dimension = actual >= 0, train.vectors.shape[2]
    if rows.sum() < dimension:
        return plain
    own = train.vectors[rows, index]
    if whiten:
        plain = replace(plain, whitening=_whitening(own, actual[rows], train.table.groups[rows]))
    if weight == 0.0:
        return plain
    centre = centre_of_values(train.global_vectors, actual)
    root = np.float32(np.sqrt(weight))
    both = [_unit(own @ plain.whitening), root * _unit(train.global_vectors[rows] - centre)]
    components = np.linalg.svd(np.hstack(both), full_matrices=False)[2][:dimension]
    return replace(
        plain,
        own_part=np.ascontiguousarray(components[:, :dimension].T),
        whole_part=root * components[:, dimension:].T,
        centre=centre,
        weight=weight,
    )


def _whitening(
    own: NDArray[np.float32], actual: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(D, D): to the inverse root of how photographers' means differ from their value's mean.

    Args:
        own: (N, D), centred.
        actual: (N,) value indices.
        groups: (N,) photographers.
    """
    covariance = np.zeros((own.shape[1], own.shape[1]))
    for value in np.unique(actual):
        of_value = own[actual == value] - own[actual == value].mean(axis=0)
        people = groups[actual == value]
        for person in np.unique(people):
            mean = of_value[people == person].mean(axis=0)
            covariance += (people == person).sum() * np.outer(mean, mean)
    spread, directions = np.linalg.eigh(covariance / len(own))
    lengths = np.sqrt(spread.clip(min=0.0) + RIDGE * spread.mean() + 1e-12)
    # Turned back, so that where nothing differs nothing changes but the length.
    whitening: NDArray[np.float32] = ((directions / lengths) @ directions.T).astype(np.float32)
    return whitening


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
