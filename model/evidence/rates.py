"""How often pairs are called alike, and how sure that figure is.

Pairs share photographs, and photographs a photographer, so thousands of pairs bring no more
certainty than the people who took them: intervals draw photographers anew, not pairs.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import EvidenceRates
from model.evidence.pairs import KnownPairs, Pairs
from model.evidence.readings import Floats, Policy, Readings
from model.metrics import bin_of

Flags = NDArray[np.bool_]

DRAWS: Final = 1000
COPIES: Final = "edited copies"
"""Name of this kind of related pair."""


def variants_name(changes: int) -> str:
    """Name of a kind of related pair.

    >>> variants_name(1), variants_name(2)
    ('variants, 1 change', 'variants, 2 changes')
    """
    return f"variants, {changes} change{'s' if changes > 1 else ''}"


def related_kinds(pairs: KnownPairs) -> dict[str, Pairs]:
    """Related pairs by the name of their kind; kinds without a pair are left out."""
    kinds = {COPIES: pairs.copies}
    kinds |= {variants_name(changes): each for changes, each in pairs.variants.items()}
    return {name: each for name, each in kinds.items() if len(each)}


def measured_rates(readings: Readings, policy: Policy, pairs: KnownPairs) -> EvidenceRates:
    """A policy's rates and the calibration of its combined probability."""
    accused = readings.alike(pairs.unrelated.angles, policy)
    detected = {
        name: readings.alike(kind.angles, policy) for name, kind in related_kinds(pairs).items()
    }
    weighed = pairs.even_odds()
    return EvidenceRates(
        false_accusation_rate=float(accused.mean()),
        false_accusation_interval=interval(accused, pairs.unrelated.groups),
        detection_rate=float(
            weighed.weights[readings.alike(weighed.angles, policy) & weighed.related].sum()
            / weighed.weights[weighed.related].sum()
        ),
        detection_rates={name: float(flags.mean()) for name, flags in detected.items()},
        calibration_error=weighted_calibration_error(
            readings.probabilities(weighed.angles, policy), weighed.related, weighed.weights
        ),
    )


def interval(
    flags: Flags, groups: NDArray[np.int64], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a share of pairs, photographers drawn anew with replacement.

    A pair counts once for each time that both its photographers were drawn together: the product
    of their counts, or the count itself where both are one and the same.

    Args:
        flags: (P,) what is counted.
        groups: (P, 2) photographers of each pair.
        draws: how often.
        seed: of the draws.
    """
    if not len(flags):
        return 0.0, 1.0
    people, places = np.unique(groups, return_inverse=True)
    a, b = places.reshape(groups.shape).T
    count = len(people)
    every = np.bincount(a * count + b, minlength=count**2).reshape(count, count).astype(float)
    hits = np.bincount(a * count + b, weights=flags, minlength=count**2).reshape(count, count)
    own, own_hits = np.diag(every).copy(), np.diag(hits).copy()
    np.fill_diagonal(every, 0.0)
    np.fill_diagonal(hits, 0.0)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    pairs = np.einsum("di,ij,dj->d", drawn, every, drawn, optimize=True) + drawn @ own
    found = np.einsum("di,ij,dj->d", drawn, hits, drawn, optimize=True) + drawn @ own_hits
    low, high = np.quantile(found[pairs > 0] / pairs[pairs > 0], [0.025, 0.975])
    return float(low), float(high)


def weighted_calibration_error(
    probabilities: Floats, outcomes: Flags, weights: Floats, *, bins: int = 15
) -> float:
    """Expected calibration error where rows weigh differently; rows without a probability left out.

    The sum over equally wide bins of how far outcomes and probabilities of a bin stray from each
    other, each by its weight, over all weights.

    >>> probabilities, outcomes = np.array([0.75, 0.75]), np.array([True, False])
    >>> weighted_calibration_error(probabilities, outcomes, np.array([3.0, 1.0]))
    0.0
    """
    kept = ~np.isnan(probabilities)
    p, weight = probabilities[kept], weights[kept]
    if not len(p):
        return 0.0
    gaps = np.bincount(bin_of(p, bins), weight * (p - outcomes[kept]), minlength=bins)
    return float(np.abs(gaps).sum() / weight.sum())


def detection_at(unrelated: Floats, related: Floats, rates: Sequence[float]) -> tuple[float, ...]:
    """Share of related pairs that score above all but a share of the unrelated ones.

    Pairs without a score are never detected and never accused; of no pairs, none is detected.

    Args:
        unrelated: (P,) scores.
        related: (R,) scores.
        rates: shares of unrelated pairs that may score as high.

    >>> detection_at(np.arange(100.0), np.array([50.0, 98.5, 99.5]), [0.01, 0.5])
    (0.6666666666666666, 1.0)
    """
    if not len(unrelated) or not len(related):
        return (0.0,) * len(rates)
    order = np.sort(np.where(np.isnan(unrelated), -np.inf, unrelated))[::-1]
    scores = np.where(np.isnan(related), -np.inf, related)
    return tuple(
        float(np.mean(scores > order[min(len(order) - 1, int(rate * len(order)))]))
        for rate in rates
    )
