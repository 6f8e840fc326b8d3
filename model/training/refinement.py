"""What is done on export to the spaces that gain by it, as retrieval on valid decides.

A head learns its photographs by heart, and with them what tells their photographers apart, the
more so the fewer its labels are. Where it helps on photographs by others, directions in which
photographers differ within a value are made short (within-class covariance normalisation; Hatch et
al., Interspeech 2006), and the step towards values, which may be named badly, is left out.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from api_schemas.card import AttributeCard, ModelCard
from model.evaluate import EmbeddedTable, cross_photographer_map
from model.training.attribute_calibration import scaled
from model.training.prototypes import with_prototypes
from model.training.serving import VALUE_PULL, Refinement, Serving

RIDGE: Final = 0.3
"""Added to each eigenvalue of the photographers' covariance, in units of their mean."""
LEAST_GAIN: Final = 0.005
"""Of mean average precision on valid, for which a space is changed."""


def refine_spaces(
    serving: Serving, train: EmbeddedTable, valid: EmbeddedTable, card: ModelCard
) -> tuple[Refinement, ...]:
    """Refine each space in the way that finds most on valid among photographs by others.

    Args:
        serving: centred; is refined when this returns.
        train: what the network says of the training rows, not yet centred.
        valid: the same of the validation rows.
        card: gives attributes and values.

    Returns:
        What was chosen, in the card's order.
    """
    identity = np.eye(train.vectors.shape[2], dtype=np.float32)
    plain = [Refinement(whitening=identity)] * len(card.attributes)
    own = gathered(serving, train)
    whitened = [
        Refinement(whitening=_whitening(own, attribute, index))
        for index, attribute in enumerate(card.attributes)
    ]
    chosen, best = plain, np.full(len(plain), -np.inf)
    for tried in (plain, whitened):
        serving.refine(tried)
        near, far = gathered(serving, train), gathered(serving, valid)
        serving.draw_towards(scaled(with_prototypes(card, near), [far]).attributes)
        drawn = serving.drawn(torch.from_numpy(far.vectors)).numpy()
        for pull, vectors in ((VALUE_PULL, drawn), (0.0, far.vectors)):
            found = np.array(
                [
                    cross_photographer_map(vectors[:, index], valid.table, attribute.name)
                    for index, attribute in enumerate(card.attributes)
                ]
            )
            better = found >= best + LEAST_GAIN
            best = np.where(better, found, best)
            chosen = [
                replace(new, pull=pull) if gains else old
                for gains, new, old in zip(better, tried, chosen, strict=True)
            ]
    serving.refine(chosen)
    return tuple(chosen)


def gathered(serving: Serving, embedded: EmbeddedTable) -> EmbeddedTable:
    """The attributes' rows centred and refined, without the space ``design``."""
    attributes = torch.from_numpy(embedded.vectors[:, : len(serving.centres)])
    return replace(embedded, vectors=serving.centred(attributes).numpy())


def _whitening(train: EmbeddedTable, attribute: AttributeCard, index: int) -> NDArray[np.float32]:
    """(D, D): the inverse root of how photographers' means differ from their value's mean.

    Args:
        train: centred vectors and labels.
        attribute: gives the values.
        index: the attribute's place.
    """
    actual = train.table.value_indices(attribute.name, attribute.values)
    covariance = np.zeros((train.vectors.shape[2],) * 2)
    for value in np.unique(actual[actual >= 0]):
        of_value = train.vectors[actual == value, index]
        people = train.table.groups[actual == value]
        for person in np.unique(people):
            difference = of_value[people == person].mean(axis=0) - of_value.mean(axis=0)
            covariance += (people == person).sum() * np.outer(difference, difference)
    spread, directions = np.linalg.eigh(covariance / max(1, (actual >= 0).sum()))
    lengths = np.sqrt(spread.clip(min=0.0) + RIDGE * spread.mean() + 1e-12)
    whitening: NDArray[np.float32] = ((directions / lengths) @ directions.T).astype(np.float32)
    return whitening
