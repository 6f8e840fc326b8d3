"""What is done on export to each attribute's space, as retrieval on valid decides.

A head learns its photographs by heart, and with them what tells their photographers apart, the
more so the fewer its labels are. Unless it finds less among photographs by others, directions in
which photographers differ within a value are made short (within-class covariance normalisation;
Hatch et al., Interspeech 2006). Where it finds more, the step towards values, which may be named
badly, is left out, or colours are asked too which value it is (`model.training.palette`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from api_schemas.card import AttributeCard, ModelCard
from model.evaluate import EmbeddedTable, cross_photographer_map
from model.training.attribute_calibration import scaled
from model.training.palette import Palette, Reading
from model.training.prototypes import with_prototypes
from model.training.serving import Refinement, Serving

RIDGE: Final = 0.3
"""Added to each eigenvalue of the photographers' covariance, in units of their mean."""
LEAST_GAIN: Final = 0.005
"""Of mean average precision on valid, that the later of the ways that are tried has to bring.

Whitened spaces are tried first, since copies lie nearer to each other there (docs/decisions.md).
"""
LEAST_GAIN_BY_COLOUR: Final = 0.02
"""The same for asking colours: a space of shapes should not come to depend on them by chance."""
COLOUR_PULL: Final = 2.0
"""Length of the step towards values that colours have been asked about."""


@dataclass(frozen=True, slots=True, eq=False)
class Colours:
    """What colours say of the attributes' values.

    Attributes:
        palette: what the readings read.
        readings: one per attribute, fitted to the training rows.
        told: (N, A, V), their logits for the validation rows.
    """

    palette: Palette
    readings: tuple[Reading, ...]
    told: NDArray[np.float16]


def refine_spaces(
    serving: Serving,
    train: EmbeddedTable,
    valid: EmbeddedTable,
    card: ModelCard,
    colours: Colours | None = None,
) -> tuple[Refinement, ...]:
    """Refine each space in the way that finds most on valid among photographs by others.

    Args:
        serving: centred; is refined when this returns.
        train: what the network says of the training rows, not yet centred.
        valid: the same of the validation rows.
        card: gives attributes and values.
        colours: may be asked too.

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
    chosen, best = whitened, np.full(len(whitened), -np.inf)
    for tried in (whitened, plain):
        serving.refine(tried)
        near, far = gathered(serving, train), gathered(serving, valid)
        serving.draw_towards(scaled(with_prototypes(card, near), [far]).attributes)
        for trial in _trials(serving, far, tried, colours):
            found = np.array(
                [
                    cross_photographer_map(trial.vectors[:, index], valid.table, attribute.name)
                    for index, attribute in enumerate(card.attributes)
                ]
            )
            better = found >= best + trial.least_gain
            best = np.where(better, found, best)
            chosen = [
                new if gains else old
                for gains, new, old in zip(better, trial.refinements, chosen, strict=True)
            ]
    serving.refine(chosen, None if colours is None else colours.palette)
    return tuple(chosen)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    refinements: list[Refinement]
    vectors: NDArray[np.float32]  # (N, A, D) of valid
    least_gain: float = LEAST_GAIN


def _trials(
    serving: Serving, valid: EmbeddedTable, tried: list[Refinement], colours: Colours | None
) -> Iterator[_Trial]:
    """Each way to go on from centred vectors: with the step towards values, without, by colours."""
    vectors = torch.from_numpy(valid.vectors)
    yield _Trial(tried, serving.drawn(vectors).numpy())
    yield _Trial([replace(one, pull=0.0) for one in tried], valid.vectors)
    if colours is not None:
        asking = [
            replace(one, pull=COLOUR_PULL, reading=reading)
            for one, reading in zip(tried, colours.readings, strict=True)
        ]
        serving.refine(asking)
        drawn = serving.drawn(vectors, torch.from_numpy(colours.told.astype(np.float32))).numpy()
        yield _Trial(asking, drawn, LEAST_GAIN_BY_COLOUR)


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
