"""Evidence that one garment's design was taken from another's: point by point, and by a policy.

Each attribute that can be seen in both pictures has a chance level, how often unrelated garments
are at least as alike in it, and a likelihood ratio, how much likelier this similarity is where the
value is the same. Attributes go together (a shirt collar and a button front), so their ratios are
not multiplied but weighed by a fitted model; an attribute that cannot be seen says nothing, which
is not the same as being different.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from api_schemas.card import ModelCard
from model.alignment import Alignment
from model.copies import CopyEvidence, copy_evidence
from model.encoder import ImageEmbedding
from model.evidence.conceptual import ConceptualComparison, compare_concepts
from model.evidence.figures import (
    EvidenceUnavailable,
    Rates,
    Threshold,
    chance_levels,
    combined_probability,
    default_policy,
    figures_of,
    log_likelihood_ratios,
    policy_rates,
    probability_at_rate,
)
from model.evidence.readings import Policy, Readings
from model.similarity import AttributeComparison, ValueReading, compare, once_per_card

__all__ = [
    "ALIKE",
    "NOT_ALIKE",
    "NOT_ENOUGH_SEEN",
    "AttributeEvidence",
    "Evidence",
    "EvidenceUnavailable",
    "Policy",
    "Rates",
    "Threshold",
    "Verdict",
    "chance_levels",
    "combined_probability",
    "default_policy",
    "examine",
    "log_likelihood_ratios",
    "policy_rates",
    "probability_at_rate",
]

ALIKE: Final = "alike"
NOT_ALIKE: Final = "not_alike"
NOT_ENOUGH_SEEN: Final = "not_enough_seen"


class AttributeEvidence(NamedTuple):
    """Two garments in one attribute; the figures are None where it is excluded.

    Attributes:
        name: the attribute.
        excluded: None, "not_visible_in_a", "not_visible_in_b" or "not_visible_in_either".
        similarity: cosine.
        chance: share of unrelated pairs that are at least as alike; never 0.
        likelihood_ratio: of this similarity, same value : different value.
        a: what the first shows.
        b: what the second shows.
        weight: of the policy; 0 where the policy does not count it.
        exceeds: whether it is a point alike: counted, and by chance seldom enough.
    """

    name: str
    excluded: str | None
    similarity: float | None
    chance: float | None
    likelihood_ratio: float | None
    a: ValueReading
    b: ValueReading
    weight: float
    exceeds: bool


class Verdict(NamedTuple):
    """What a policy makes of the points.

    Attributes:
        outcome: "alike", "not_alike" or "not_enough_seen".
        probability: of the same design or a variant of it, against unrelated, at even odds; None
            where no attribute that counts can be seen in both.
        points_alike: names of the points alike.
        points_counted: how many attributes that count can be seen in both.
        points_required: by the policy.
        false_accusation_rate: of this policy: share of unrelated pairs it calls alike.
        detection_rate: of this policy: share of edited copies and design variants it calls alike.
    """

    outcome: str
    probability: float | None
    points_alike: tuple[str, ...]
    points_counted: int
    points_required: int
    false_accusation_rate: float
    detection_rate: float


class Evidence(NamedTuple):
    """All that is said of a pair.

    Attributes:
        attributes: in the order asked for.
        verdict: by the policy.
        policy: the one applied, less the attributes not asked for.
        copy: edited copy and its direction; None where the model has no design space.
        conceptual: at what level of detail the two part.
    """

    attributes: tuple[AttributeEvidence, ...]
    verdict: Verdict
    policy: Policy
    copy: CopyEvidence | None
    conceptual: ConceptualComparison | None


def examine(
    a: ImageEmbedding,
    b: ImageEmbedding,
    card: ModelCard,
    *,
    names: Sequence[str] | None = None,
    policy: Policy | None = None,
    alignment: Alignment | None = None,
) -> Evidence:
    """Examine two images; exchanging them exchanges what is directional and nothing else.

    Args:
        a: one image.
        b: the other.
        card: of the model that embedded both.
        names: attributes to look at, each once; None for all. A policy counts no other.
        policy: None for the card's own.
        alignment: how the two lie one on the other, for telling whether one is a copy.

    Raises:
        EvidenceUnavailable: the card has no evidence figures.
        UnknownAttribute: a name, or one in the policy, is not on the card.
    """
    one_by_one = _one_by_one(card)
    chosen = card.attribute_names if names is None else tuple(names)
    policy = policy or one_by_one.own_policy
    if names is not None:
        kept = {name: weight for name, weight in policy.attributes.items() if name in chosen}
        policy = policy._replace(attributes=kept)
    one_by_one.readings.counted(policy)
    points = tuple(
        one_by_one.attribute(compared, policy) for compared in compare(a, b, card, chosen)
    )
    return Evidence(
        attributes=points,
        verdict=_verdict(points, one_by_one.readings, policy, policy_rates(card, policy)),
        policy=policy,
        copy=copy_evidence(a, b, card, alignment),
        conceptual=compare_concepts(a, b, card, names),
    )


class _OneByOne:
    """The card's figures as plain numbers: a dozen of them are read before NumPy has begun."""

    def __init__(self, card: ModelCard) -> None:
        figures = figures_of(card)
        self.own_policy = figures.policy
        self.readings = readings = figures.readings
        self._places = {name: index for index, name in enumerate(card.attribute_names)}
        self._angles = [row.tolist() for row in readings.angles]
        self._log_levels = readings.rising_log_levels.tolist()
        self._floors = readings.floors.tolist()
        self._fits = [(each.intercept, each.slope) for each in readings.parts]

    def attribute(self, compared: AttributeComparison, policy: Policy) -> AttributeEvidence:
        """What one comparison says."""
        name, similarity, _, a, b = compared
        weight = float(policy.attributes.get(name, 0.0))
        if similarity is None:
            return AttributeEvidence(
                name, _unseen(a, b), None, None, None, a, b, weight, exceeds=False
            )
        index, angle = self._places[name], math.acos(similarity)
        chance = self._chance(index, angle)
        return AttributeEvidence(
            name=name,
            excluded=None,
            similarity=similarity,
            chance=chance,
            likelihood_ratio=math.exp(self._log_ratio(index, angle)),
            a=a,
            b=b,
            weight=weight,
            exceeds=weight > 0 and chance <= policy.max_chance,
        )

    def _chance(self, index: int, angle: float) -> float:
        angles, logs = self._angles[index], self._log_levels
        place = bisect_right(angles, angle)
        if place == len(angles):
            return 1.0
        if place == 0:
            return float(self._floors[index])
        share = (angle - angles[place - 1]) / (angles[place] - angles[place - 1])
        log = logs[place - 1] + share * (logs[place] - logs[place - 1])
        return max(math.exp(log), float(self._floors[index]))

    def _log_ratio(self, index: int, angle: float) -> float:
        intercept, slope = self._fits[index]
        bound = self.readings.bound
        return max(-bound, min(bound, intercept - slope * angle))


@once_per_card
def _one_by_one(card: ModelCard) -> _OneByOne:
    return _OneByOne(card)


def _unseen(a: ValueReading, b: ValueReading) -> str:
    if a.value is None and b.value is None:
        return "not_visible_in_either"
    return "not_visible_in_a" if a.value is None else "not_visible_in_b"


def _verdict(
    points: Sequence[AttributeEvidence], readings: Readings, policy: Policy, rates: Rates
) -> Verdict:
    seen = [each for each in points if each.weight > 0 and each.likelihood_ratio is not None]
    alike = tuple(each.name for each in seen if each.exceeds)
    probability = _probability({each.name: each for each in seen}, readings)
    if probability is None or len(seen) < policy.min_points:
        outcome = NOT_ENOUGH_SEEN
    elif len(alike) >= policy.min_points and probability >= policy.min_probability:
        outcome = ALIKE
    else:
        outcome = NOT_ALIKE
    return Verdict(
        outcome,
        probability,
        alike,
        len(seen),
        policy.min_points,
        rates.false_accusation,
        rates.detection,
    )


def _probability(seen: Mapping[str, AttributeEvidence], readings: Readings) -> float | None:
    """Summed in the card's order, so that the order asked for does not change the last digit."""
    if not seen:
        return None
    odds = readings.intercept
    for name in readings.names:
        if name in seen and (ratio := seen[name].likelihood_ratio):
            odds += seen[name].weight * math.log(ratio)
    return 0.5 * (1.0 + math.tanh(0.5 * odds))
