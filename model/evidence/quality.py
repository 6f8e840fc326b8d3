"""How much evidence is worth, measured: what is found at which rate of false accusations.

A threshold here is the one that the stated share of this split's own unrelated pairs reach. The
card's policy has its threshold from another split; its rates stand beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import EvidenceRates, ModelCard
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, Progress
from model.evidence.figures import figures_of
from model.evidence.pairs import (
    DRAWN_COUNT,
    KnownPairs,
    Pairs,
    Weighed,
    known_pairs,
    labelled_angles,
)
from model.evidence.rates import (
    detection_at,
    interval,
    measured_rates,
    related_kinds,
    weighted_calibration_error,
)
from model.evidence.readings import Floats, Policy, Readings
from model.similarity import sigmoid

RATES: Final = (0.01, 0.001)
"""Of false accusations, at which detection is told."""
UNRELATED: Final = "unrelated"
BY_CHANCE: Final = "same values by chance"
DRAWINGS: Final = "unrelated drawings"
TOGETHER: Final = "all together"
_SEED: Final = 1000


@dataclass(frozen=True)
class KindQuality:
    """One kind of pairs.

    Attributes:
        pairs: how many.
        related: whether calling it alike is right.
        combined: share above the threshold at each of RATES, by the combined probability.
        product: the same by the product of the likelihood ratios, as if they were independent.
        policy: share that the card's policy calls alike.
        policy_interval: 95 %, photographers drawn anew.
    """

    pairs: int
    related: bool
    combined: tuple[float, ...]
    product: tuple[float, ...]
    policy: float
    policy_interval: tuple[float, float]


@dataclass(frozen=True)
class AttributeTrial:
    """One attribute alone, over the pairs that show it in both.

    Attributes:
        unrelated: pairs of this split.
        beyond: share of them at the chance level of each of RATES or below.
        copies: share of edited copies above the threshold at each of RATES.
        variants: the same of design variants.
        calibration_error: ECE of the likelihood ratio as a probability at even odds.
    """

    unrelated: int
    beyond: tuple[float, ...]
    copies: tuple[float, ...]
    variants: tuple[float, ...]
    calibration_error: float


@dataclass(frozen=True)
class Calibrations:
    """ECE at even odds: of the combined probability, and of the product of the ratios."""

    combined: float
    product: float


@dataclass(frozen=True, eq=False)
class EvidenceQuality:
    """Everything measured on one split.

    Attributes:
        split: its name.
        kinds: by name, the unrelated pairs themselves under "unrelated".
        attributes: by name.
        calibration: by what it was measured on.
        rates: of the card's policy, on this split.
        scores: combined log odds of each kind, for a picture.
    """

    split: str
    kinds: Mapping[str, KindQuality]
    attributes: Mapping[str, AttributeTrial]
    calibration: Mapping[str, Calibrations]
    rates: EvidenceRates
    scores: Mapping[str, Floats]


def measure_evidence(
    encoder: Encoder,
    embedded: EmbeddedTable,
    *,
    drawn: int = DRAWN_COUNT,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvidenceQuality:
    """Measure on one split.

    Args:
        encoder: the model.
        embedded: the split's photographs.
        drawn: garments drawn, at least 2.
        seed: of the drawings, which are others than those that evidence is fitted on.
        progress: told of pictures embedded; see `model.evidence.pairs.pictures_needed`.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
        ValueError: no two photographs are by different photographers.
    """
    figures_of(encoder.card)
    pairs = known_pairs(encoder, embedded, drawn=drawn, seed=_SEED + seed, progress=progress)
    return quality_of(encoder.card, embedded, pairs)


def quality_of(card: ModelCard, embedded: EmbeddedTable, pairs: KnownPairs) -> EvidenceQuality:
    """The same from pairs at hand."""
    figures = figures_of(card)
    readings, policy = figures.readings, figures.policy
    related = related_kinds(pairs)
    kinds = {
        UNRELATED: pairs.unrelated,
        BY_CHANCE: pairs.unrelated.take(pairs.same_by_chance),
        DRAWINGS: pairs.unrelated_drawings,
        **related,
    }
    scores = {name: _odds(readings, kind, policy) for name, kind in kinds.items() if len(kind)}
    product = {name: _odds(readings, kinds[name], _independent(policy)) for name in scores}
    return EvidenceQuality(
        split=pairs.split,
        kinds={
            name: _kind(name, kinds[name], name in related, readings, policy, scores, product)
            for name in scores
        },
        attributes={
            name: _trial(card, embedded, pairs, index)
            for index, name in enumerate(card.attribute_names)
        },
        calibration={
            name: _calibrations(readings, policy, weighed)
            for name, weighed in _scopes(pairs).items()
        },
        rates=measured_rates(readings, policy, pairs),
        scores=scores,
    )


def _independent(policy: Policy) -> Policy:
    """Every ratio in full: multiplied, as if attributes had nothing to do with each other."""
    return policy._replace(attributes=dict.fromkeys(policy.attributes, 1.0))


def _odds(readings: Readings, pairs: Pairs, policy: Policy) -> Floats:
    return readings.log_odds(readings.ratios_of_all(pairs.angles), policy)


def _kind(
    name: str,
    pairs: Pairs,
    related: bool,
    readings: Readings,
    policy: Policy,
    scores: Mapping[str, Floats],
    product: Mapping[str, Floats],
) -> KindQuality:
    alike = readings.alike(pairs.angles, policy)
    return KindQuality(
        pairs=len(pairs),
        related=related,
        combined=detection_at(scores[UNRELATED], scores[name], RATES),
        product=detection_at(product[UNRELATED], product[name], RATES),
        policy=float(alike.mean()),
        policy_interval=interval(alike, pairs.groups),
    )


def _trial(
    card: ModelCard, embedded: EmbeddedTable, pairs: KnownPairs, index: int
) -> AttributeTrial:
    readings = figures_of(card).readings
    unrelated = _seen(pairs.unrelated, index)
    chances = readings.chances(unrelated, index)
    variants = [_seen(each, index) for each in pairs.variants.values()]
    angles, same = labelled_angles(embedded, card, index)
    ratios = readings.ratios(angles, index)
    shares = np.where(same, 0.5 / max(1, same.sum()), 0.5 / max(1, (~same).sum()))
    return AttributeTrial(
        unrelated=len(unrelated),
        beyond=tuple(_share(chances <= rate) for rate in RATES),
        copies=detection_at(-unrelated, -_seen(pairs.copies, index), RATES),
        variants=detection_at(-unrelated, -np.concatenate([np.empty(0), *variants]), RATES),
        calibration_error=weighted_calibration_error(sigmoid(ratios), same, shares),
    )


def _seen(pairs: Pairs, index: int) -> Floats:
    angles = pairs.angles[:, index]
    return angles[~np.isnan(angles)]


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def _scopes(pairs: KnownPairs) -> dict[str, Weighed]:
    """Photographs alone, drawings alone, and both."""
    none = pairs.copies.take(np.empty(0, np.int64))
    photographs = KnownPairs(
        pairs.split, pairs.unrelated, pairs.same_by_chance, pairs.copies, {}, none
    )
    scopes = {"photographs": photographs.even_odds()}
    if pairs.variants:
        drawings = KnownPairs(
            pairs.split,
            none,
            np.empty(0, np.bool_),
            none,
            pairs.variants,
            pairs.unrelated_drawings,
        )
        scopes["drawings"] = drawings.even_odds()
    return {**scopes, TOGETHER: pairs.even_odds()}


def _calibrations(readings: Readings, policy: Policy, weighed: Weighed) -> Calibrations:
    def error(probabilities: Floats) -> float:
        return weighted_calibration_error(probabilities, weighed.related, weighed.weights)

    ratios = readings.ratios_of_all(weighed.angles)
    product = readings.log_odds(ratios, _independent(policy)) - readings.intercept
    return Calibrations(
        combined=error(readings.probabilities(weighed.angles, policy)),
        product=error(sigmoid(product)),
    )
