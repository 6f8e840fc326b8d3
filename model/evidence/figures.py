"""A card's evidence figures at work: for many pairs at once, and the rates of any policy.

The card holds a sample of unrelated and of related pairs, so that the rates of a caller's own
policy are counted rather than guessed.
"""

# ruff: noqa: N818  -- named for the problem the caller is told about
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import EvidenceCard, ModelCard
from model.evidence.readings import Floats, Policy, Readings, angles_of, unpacked
from model.similarity import once_per_card, sigmoid

NOT_SEEN: Final = 255
"""In the sample: not visible in both."""
_SAMPLE_STEPS: Final = 254
_MOST_POLICIES: Final = 1000


class EvidenceUnavailable(ValueError):
    """The model's card has no evidence figures."""


class Rates(NamedTuple):
    """Of a policy: unrelated pairs called alike, and copies and variants called alike."""

    false_accusation: float
    detection: float


class Threshold(NamedTuple):
    """A combined probability and the share of unrelated pairs that reach it."""

    min_probability: float
    false_accusation_rate: float


def default_policy(card: ModelCard) -> Policy:
    """The card's own policy.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
    """
    return figures_of(card).policy


def chance_levels(similarities: Floats, card: ModelCard, name: str) -> Floats:
    """Share of unrelated pairs at least as alike in one attribute: never 0, never rising.

    ``(k + 1) / (n + 1)`` where ``k`` of ``n`` background pairs are as alike, between the card's
    levels by interpolation; the lowest is ``1 / (n + 1)``.

    Args:
        similarities: (P,) cosines; NaN stays NaN.
        card: the model's.
        name: the attribute.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
        UnknownAttribute: the card has no attribute of that name.
    """
    readings = figures_of(card).readings
    return readings.chances(angles_of(similarities), readings.index(name))


def log_likelihood_ratios(similarities: Floats, card: ModelCard, name: str) -> Floats:
    """Natural log of how much likelier these similarities are at the same value than at another.

    ``intercept - slope * angle``, bounded, since a few hundred photographs tell nothing surer.

    Args:
        similarities: (P,) cosines; NaN stays NaN.
        card: the model's.
        name: the attribute.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
        UnknownAttribute: the card has no attribute of that name.
    """
    readings = figures_of(card).readings
    return readings.ratios(angles_of(similarities), readings.index(name))


def combined_probability(ratios: Floats, card: ModelCard, policy: Policy) -> Floats:
    """Probability of the same design or a variant of it, against unrelated, at even odds.

    Args:
        ratios: (P, A) log-likelihood ratios in the card's order, NaN where not visible in both.
        card: the model's.
        policy: its weights.

    Returns:
        (P,); NaN where nothing that counts is visible in both.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
        UnknownAttribute: the policy counts an attribute that the card does not have.
    """
    return sigmoid(figures_of(card).readings.log_odds(ratios, policy))


def policy_rates(card: ModelCard, policy: Policy) -> Rates:
    """Error rates of a policy, measured on the card's split.

    The default's were measured on all pairs, another's on the card's sample of them. There, ``k``
    accused of ``n`` give ``(k + 1) / (n + 1)``: none accused is not none ever.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
        UnknownAttribute: the policy counts an attribute that the card does not have.
    """
    figures = figures_of(card)
    if policy[1:] == figures.policy[1:]:
        own = figures.card.rates
        return Rates(own.false_accusation_rate, own.detection_rate)
    key = (tuple(sorted(policy.attributes.items())), *policy[2:])
    known = figures.known_rates
    if key not in known:
        if len(known) >= _MOST_POLICIES:
            known.clear()
        known[key] = figures.sampled_rates(policy)
    return known[key]


def probability_at_rate(card: ModelCard, policy: Policy, rate: float) -> Threshold:
    """The combined probability that at most this share of unrelated pairs reaches.

    Args:
        card: the model's.
        policy: its weights alone are looked at.
        rate: above 0; below the smallest that the card can tell, that smallest is taken.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
        UnknownAttribute: the policy counts an attribute that the card does not have.
    """
    figures = figures_of(card)
    readings, levels = figures.readings, figures.readings.levels
    if policy.attributes == figures.policy.attributes:
        tail, pairs = figures.tail, figures.card.unrelated_pairs
    else:
        odds = readings.log_odds(readings.ratios_of_all(figures.unrelated), policy)
        tail, pairs = tail_of(odds, levels).astype(np.float64), len(odds)
    smallest = 1 / (pairs + 1)
    # Levels fall, and were written in decimals.
    within = np.flatnonzero(levels <= max(rate, smallest) * (1 + 1e-9))
    place = int(within[0]) if len(within) else len(levels) - 1
    return Threshold(float(sigmoid(tail[place])), max(float(levels[place]), smallest))


class Figures:
    """A card's evidence as arrays.

    Attributes:
        card: what they were read from.
        readings: how angles are read.
        policy: the default.
        tail: (Q,) combined log odds by the default weights, of the readings' levels.
        unrelated: (P, A) angles of the sample, NaN where not visible in both.
        related: likewise.
        known_rates: of policies that were asked for.
    """

    def __init__(self, names: tuple[str, ...], card: EvidenceCard) -> None:
        self.card = card
        self.readings = Readings(
            names, card.attributes, card.levels, card.log_likelihood_bound, card.intercept
        )
        own = card.policy
        self.policy = Policy(
            own.name, own.attributes, own.max_chance, own.min_points, own.min_probability
        )
        self.tail = unpacked(card.tail, "<f4").astype(np.float64)
        self.unrelated = sampled_angles(card.sample.unrelated, len(names))
        self.related = sampled_angles(card.sample.related, len(names))
        self.known_rates: dict[tuple[object, ...], Rates] = {}

    def sampled_rates(self, policy: Policy) -> Rates:
        """A policy's rates on the sample."""
        accused = self.readings.alike(self.unrelated, policy)
        detected = self.readings.alike(self.related, policy)
        return Rates(
            float((accused.sum() + 1) / (len(accused) + 1)),
            float(detected.sum() / max(1, len(detected))),
        )


@once_per_card
def figures_of(card: ModelCard) -> Figures:
    """The card's evidence as arrays.

    Raises:
        EvidenceUnavailable: it has none.
    """
    if card.evidence is None:
        raise EvidenceUnavailable(
            f"the model {card.name} {card.version} has no evidence figures on its card; "
            "export it again to have them fitted"
        )
    return Figures(card.attribute_names, card.evidence)


def sample_codes(angles: Floats) -> NDArray[np.uint8]:
    """Angles as the card's sample keeps them; NaN becomes NOT_SEEN."""
    steps = np.rint(_SAMPLE_STEPS * np.sqrt(np.nan_to_num(angles) / np.pi))
    return np.where(np.isnan(angles), NOT_SEEN, steps).astype(np.uint8)


def sampled_angles(text: str, attributes: int) -> Floats:
    """(P, A) angles from the card's sample; NaN where it says NOT_SEEN."""
    codes = unpacked(text, "u1").reshape(-1, attributes).astype(np.float64)
    return np.where(codes == NOT_SEEN, np.nan, np.pi * (codes / _SAMPLE_STEPS) ** 2)


def tail_of(odds: Floats, levels: Floats) -> NDArray[np.float32]:
    """(P,) log odds, (Q,) levels -> (Q,) log odds that no larger share reaches.

    The share counts as in `chance_levels`: ``(k + 1) / (n + 1)`` where ``k`` of ``n`` reach it.
    Below the smallest level this lies just above the highest odds.
    """
    falling = np.sort(np.where(np.isnan(odds), -np.inf, odds))[::-1]
    unreached = np.nextafter(falling[:1].astype(np.float32), np.float32(np.inf))
    rank = np.floor(levels * (len(odds) + 1) * (1 + 1e-9) - 1).astype(int)
    places = np.concatenate([unreached, falling.astype(np.float32)])[np.clip(rank, 0, len(odds))]
    return np.asarray(places, np.float32)
