"""Where values lie: the centre of an attribute's space, and a prototype and a share per value.

All from the vectors of the training photographs. Values are read by these prototypes, whatever
the network was trained with.
"""

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from api_schemas.card import ModelCard
from model.evaluate import EmbeddedTable
from model.labels import LabelTable
from model.training.asen import INITIAL_SCALE

PROTOTYPE_PULL: Final = 1.0
"""Weight of (1 - cosine to the value's mean); see docs/model.md."""


def centres_of(train: EmbeddedTable, card: ModelCard) -> NDArray[np.float32]:
    """(A, D): per attribute the mean over its values of each value's mean vector.

    Values count alike, so that the centre is not just the commonest value.
    """
    centres = np.zeros((len(card.attributes), train.vectors.shape[2]), np.float32)
    for index, attribute in enumerate(card.attributes):
        actual = train.table.value_indices(attribute.name, attribute.values)
        means = [
            train.vectors[actual == v, index].mean(axis=0) for v in np.unique(actual) if v >= 0
        ]
        if len(means) > 1:
            centres[index] = np.mean(means, axis=0)
    return centres


def with_frequencies(card: ModelCard, train: LabelTable) -> ModelCard:
    """How frequent each value is among the photographs that show one of the attribute's."""
    attributes = []
    for attribute in card.attributes:
        actual = train.value_indices(attribute.name, attribute.values)
        # A value is learnt because photographs show it; 1 is for a table that is not the run's.
        counts = np.bincount(actual[actual >= 0], minlength=len(attribute.values)).clip(min=1)
        shares = tuple(round(float(share), 6) for share in counts / counts.sum())
        attributes.append(attribute.model_copy(update={"value_frequencies": shares}))
    return card.model_copy(update={"attributes": tuple(attributes)})


def with_prototypes(card: ModelCard, train: EmbeddedTable) -> ModelCard:
    """Prototypes in the centred spaces.

    Args:
        card: gives attributes and values.
        train: centred vectors of the training rows, and their labels.
    """
    vectors = torch.from_numpy(train.vectors)
    attributes = []
    for index, attribute in enumerate(card.attributes):
        actual = train.table.value_indices(attribute.name, attribute.values)
        rows = np.flatnonzero(actual >= 0)
        prototypes = _fit_prototypes(
            vectors[rows, index], torch.from_numpy(actual[rows]), len(attribute.values)
        )
        rounded = tuple(tuple(round(x, 6) for x in row) for row in prototypes.tolist())
        attributes.append(attribute.model_copy(update={"prototypes": rounded}))
    return card.model_copy(update={"attributes": tuple(attributes)})


def _fit_prototypes(vectors: Tensor, actual: Tensor, count: int) -> Tensor:
    """(count, D) unit vectors of a normalised softmax with label smoothing 0.1.

    Held near each value's mean by ``PROTOTYPE_PULL``: left free, they name values as well, but
    stand almost at right angles to the garments that a search by value should find.
    """
    means = torch.stack([vectors[actual == value].mean(dim=0) for value in range(count)])
    means = F.normalize(means, dim=-1)
    prototypes = means.clone().requires_grad_()
    log_scale = torch.tensor(INITIAL_SCALE).log().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [prototypes, log_scale], max_iter=60, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        unit = F.normalize(prototypes, dim=-1)
        logits = log_scale.exp() * vectors @ unit.T
        loss = F.cross_entropy(logits, actual, label_smoothing=0.1)
        loss = loss + PROTOTYPE_PULL * (1 - (unit * means).sum(dim=-1)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return F.normalize(prototypes.detach(), dim=-1)
