"""Fits a model's evidence figures: chance levels, likelihood ratios, their combination, a policy.

All is fitted on one split and its rates are measured on another, whose photographers are others.
A policy is chosen for the most detection at a false-accusation rate of `TARGET_RATE`, among those
that ask for at least two points alike: one likeness is no copy.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from api_schemas.card import (
    AttributeEvidenceCard,
    EvidenceCard,
    EvidencePolicy,
    EvidenceSample,
    ModelCard,
)
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, Progress
from model.evidence.figures import sample_codes, tail_of
from model.evidence.pairs import (
    DRAWN_COUNT,
    KnownPairs,
    Pairs,
    Weighed,
    known_pairs,
    labelled_angles,
    pictures_needed,
)
from model.evidence.rates import measured_rates
from model.evidence.readings import ANGLE_UNIT, Floats, Policy, Readings, packed
from model.training.logistic import bounded_logistic

TARGET_RATE: Final = 0.01
"""Of unrelated pairs called alike by the default policy, on the split it is chosen on."""
POLICY_NAME: Final = "default"
LOG_LIKELIHOOD_BOUND: Final = 3.0
"""Natural: 20 to 1 either way. Of 2 to 4 in steps of a half, 3 and 3.5 had the least log loss of
the combined probability on valid; unbounded was worse than either."""
WEIGHTS: Final = (0.05, 1.0)
"""Least and largest weight: what can be seen counts, and nothing counts more than in full."""
FEWEST_BACKGROUND_PAIRS: Final = 500
"""For an attribute to count by default: of fewer, chance levels are those of a few photographs."""
MAX_CHANCES: Final = (0.01, 0.02, 0.05, 0.1, 0.2)
MIN_POINTS: Final = (2, 3, 4)
SAMPLED_UNRELATED: Final = 6000
SAMPLED_RELATED: Final = 1200
_COARSE, _FINE = 300, 700
_SMALLEST_LEVEL: Final = 1e-6
_VALID_SEED, _TEST_SEED = 101, 102


def fit_evidence(
    encoder: Encoder,
    valid: EmbeddedTable,
    test: EmbeddedTable | None = None,
    *,
    drawn: int = DRAWN_COUNT,
    progress: Progress | None = None,
) -> EvidenceCard | None:
    """Fit and measure what `model.evidence.examining` reads.

    Args:
        encoder: the model; its card need not have evidence.
        valid: photographs to fit on.
        test: photographs by others to measure on; without them, rates are of ``valid``, which
            flatters them, and the card says so.
        drawn: garments drawn for each split; as many as it has photographs where these are fewer.
        progress: told of pictures embedded; `pictures_needed` of each split says how many.

    Returns:
        None where a split has no two photographs by different photographers.
    """
    splits = [table for table in (valid, test) if table is not None]
    if any(len(np.unique(table.table.groups)) < 2 for table in splits):
        return None
    known = [
        known_pairs(
            encoder, table, drawn=_drawn(len(table.table), drawn), seed=seed, progress=progress
        )
        for table, seed in zip(splits, (_VALID_SEED, _TEST_SEED), strict=False)
    ]
    return fit_on_pairs(encoder.card, valid, known[0], known[-1])


def pictures_embedded(images: Sequence[int], *, drawn: int = DRAWN_COUNT) -> int:
    """How many pictures `fit_evidence` tells of at most, for splits of so many photographs."""
    return sum(pictures_needed(count, drawn=_drawn(count, drawn)) for count in images)


def fit_on_pairs(
    card: ModelCard, valid: EmbeddedTable, fitted: KnownPairs, measured: KnownPairs
) -> EvidenceCard:
    """The same from pairs at hand.

    Args:
        card: the model's.
        valid: labelled photographs for the likelihood ratios.
        fitted: pairs of valid.
        measured: pairs that give the rates.
    """
    levels = _levels()
    attributes = tuple(
        _attribute(card, valid, fitted.unrelated, index, levels)
        for index in range(len(card.attributes))
    )
    readings = Readings(card.attribute_names, attributes, levels.tolist(), LOG_LIKELIHOOD_BOUND)
    weights, readings.intercept = _combined(readings, fitted.even_odds())
    policy = _chosen(readings, weights, fitted)
    odds = readings.log_odds(readings.ratios_of_all(measured.unrelated.angles), policy)
    return EvidenceCard(
        levels=tuple(levels.tolist()),
        attributes=attributes,
        log_likelihood_bound=LOG_LIKELIHOOD_BOUND,
        intercept=readings.intercept,
        policy=EvidencePolicy(**policy._asdict()),
        fitted_on=fitted.split,
        background_pairs=len(fitted.unrelated),
        rates=measured_rates(readings, policy, measured),
        measured_on=measured.split,
        unrelated_pairs=len(measured.unrelated),
        tail=packed(tail_of(odds, levels)),
        sample=_sample(measured),
    )


def _drawn(images: int, most: int) -> int:
    return max(2, min(most, images))


def _levels() -> Floats:
    """(Q,) falling from 1, evenly first, then in even steps of their logarithm."""
    coarse = np.linspace(1.0, 0.1, _COARSE, endpoint=False)
    fine = np.geomspace(0.1, _SMALLEST_LEVEL, _FINE)
    return np.array([float(f"{level:.6g}") for level in (*coarse, *fine)])


def _attribute(
    card: ModelCard, valid: EmbeddedTable, unrelated: Pairs, index: int, levels: Floats
) -> AttributeEvidenceCard:
    angles = unrelated.angles[:, index]
    background = np.sort(angles[~np.isnan(angles)])
    slope, intercept, pairs = _likelihood(card, valid, index)
    return AttributeEvidenceCard(
        background=packed(_background(background, levels)),
        background_pairs=len(background),
        slope=slope,
        intercept=intercept,
        likelihood_pairs=pairs,
    )


def _background(angles: Floats, levels: Floats) -> NDArray[np.uint16]:
    """The angle at each level: the k-th smallest has level (k + 1) / (n + 1), others lie between.

    Rounded down, so that rounding never makes a likeness rarer than it is.
    """
    if not len(angles):
        return np.zeros(len(levels), np.uint16)
    rank = levels * (len(angles) + 1) - 1
    at = np.interp(rank, np.arange(1, len(angles) + 1), angles)
    return np.floor(at / ANGLE_UNIT).astype(np.uint16)


def _likelihood(card: ModelCard, valid: EmbeddedTable, index: int) -> tuple[float, float, int]:
    """Slope and intercept of the log-likelihood ratio, from pairs weighted to even odds.

    Logistic in the angle. On valid, one half of the photographers against the other, no attribute
    had a log loss more than 0.001 lower with a logistic in the cosine, one with its square, or
    isotonic regression.
    """
    angles, same = labelled_angles(valid, card, index)
    if not same.any() or same.all():
        return 0.0, 0.0, len(same)
    fit = LogisticRegression(C=np.inf, class_weight="balanced").fit(-angles[:, None], same)
    slope = float(fit.coef_[0, 0])
    # An attribute in which the same value is no nearer than another says nothing.
    return (slope, float(fit.intercept_[0]), len(same)) if slope > 0 else (0.0, 0.0, len(same))


def _combined(readings: Readings, pairs: Weighed) -> tuple[dict[str, float], float]:
    """Weights and intercept: a logistic regression on the ratios, 0 where not visible."""
    ratios = np.nan_to_num(readings.ratios_of_all(pairs.angles))
    known = [part.background_pairs >= FEWEST_BACKGROUND_PAIRS for part in readings.parts]
    bounds = [WEIGHTS if enough else (0.0, 0.0) for enough in known]
    found, intercept = bounded_logistic(ratios, pairs.related, pairs.weights, bounds)
    weights = {n: round(w, 4) for n, w in zip(readings.names, found, strict=True) if w > 0}
    return weights, round(intercept, 4)


def _chosen(readings: Readings, weights: Mapping[str, float], pairs: KnownPairs) -> Policy:
    """Of the policies that keep to TARGET_RATE, the one that detects most."""
    return max(_candidates(readings, weights, pairs), key=lambda each: each[0])[1]


def _candidates(
    readings: Readings, weights: Mapping[str, float], pairs: KnownPairs
) -> Iterator[tuple[float, Policy]]:
    """Detection at even odds, and a policy with the least probability that keeps to the rate."""
    weighed, unrelated = pairs.even_odds(), pairs.unrelated.angles
    allowed = int(TARGET_RATE * len(unrelated))
    for max_chance in MAX_CHANCES:
        for min_points in MIN_POINTS:
            loose = Policy(POLICY_NAME, weights, max_chance, min_points, 0.0)
            passing = unrelated[readings.alike(unrelated, loose)]
            accused = np.sort(readings.probabilities(passing, loose))[::-1]
            least = float(accused[allowed]) if len(accused) > allowed else 0.0
            # Above the first that may not be accused, and to be read by people.
            policy = loose._replace(min_probability=min(1.0, math.floor(1000 * least + 1) / 1000))
            detected = readings.alike(weighed.angles, policy) & weighed.related
            yield float(weighed.weights[detected].sum()), policy


def _sample(pairs: KnownPairs) -> EvidenceSample:
    """Pairs at random; of the related, half copies and half variants of each number of changes."""
    rng = np.random.default_rng(0)
    kinds = [pairs.variants[changes] for changes in sorted(pairs.variants)]
    share = SAMPLED_RELATED // 2 if kinds else SAMPLED_RELATED
    related = [_some(pairs.copies, share, rng)]
    related += [_some(each, share // len(kinds), rng) for each in kinds]
    unrelated = pairs.unrelated.angles
    if len(unrelated) > SAMPLED_UNRELATED:
        unrelated = _some(pairs.unrelated, SAMPLED_UNRELATED, rng)
    return EvidenceSample(
        unrelated=packed(sample_codes(unrelated)),
        related=packed(sample_codes(np.concatenate(related))),
    )


def _some(pairs: Pairs, count: int, rng: np.random.Generator) -> Floats:
    """So many of them, repeated where there are fewer."""
    rows = rng.choice(len(pairs), count, replace=len(pairs) < count)
    return pairs.angles[rows]
