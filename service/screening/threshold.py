"""From a rate of false accusations to what a pair has to reach."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import ModelCard
from api_schemas.evidence import PolicyRequest
from api_schemas.screens import ScreenRequest
from model.evidence.examining import Policy, default_policy, probability_at_rate
from service.evidence.policies import read_policy
from service.queries import attribute_indices
from service.screening.records import Document

Floats = NDArray[np.float64]

CURVE_STEPS: Final = 65
"""Rates that a finding's own is read from: at 5 powers of ten, 13 to each."""


@dataclass(frozen=True, slots=True, eq=False)
class Threshold:
    """What a pair has to reach.

    Attributes:
        rate: share of unrelated pairs that reach it, at most.
        smallest_rate: the smallest that the card's background can tell.
        min_probability: the combined probability that keeps to the rate, and to the policy.
        policy: decides besides, by its points.
    """

    rate: float
    smallest_rate: float
    min_probability: float
    policy: Policy
    _curve: tuple[Floats, Floats]

    @classmethod
    def of(cls, rate: float, card: ModelCard, policy: Policy) -> Self:
        """The threshold for a rate, or for the smallest that can be told."""
        reached = probability_at_rate(card, policy, rate)
        nothing = float(np.finfo(np.float64).tiny)
        smallest = probability_at_rate(card, policy, nothing).false_accusation_rate
        steps = np.geomspace(1.0, smallest, CURVE_STEPS).tolist()
        curve = [probability_at_rate(card, policy, step) for step in steps]
        return cls(
            reached.false_accusation_rate,
            smallest,
            max(reached.min_probability, policy.min_probability),
            policy,
            (
                np.array([each.min_probability for each in curve]),
                np.array([each.false_accusation_rate for each in curve]),
            ),
        )

    def rates(self, probabilities: Floats) -> Floats:
        """(P,): at most this share of unrelated pairs reaches each of these probabilities."""
        reached, rates = self._curve
        places = np.searchsorted(reached, probabilities, side="right") - 1
        return np.where(places < 0, 1.0, rates[np.maximum(places, 0)])

    @property
    def document(self) -> Document:
        """As `api_schemas.screens.ScreenThreshold`."""
        policy = self.policy._asdict()
        return {
            "max_false_accusation_rate": self.rate,
            "smallest_rate_measured": self.smallest_rate,
            "min_probability": self.min_probability,
            "policy": {**policy, "attributes": dict(self.policy.attributes)},
        }


def policy_of(request: ScreenRequest, card: ModelCard) -> Policy:
    """What decides, with only the attributes asked for counted.

    Raises:
        EvidenceUnavailable: the model has no evidence figures.
        UnknownAttribute, InvalidRequest: the policy makes no sense.
    """
    names = request.attributes
    if names is not None:
        attribute_indices(card, names)
    policy = read_policy(request.policy or PolicyRequest(), names, card)
    assert policy is not None
    if request.policy is None and names is None:
        return default_policy(card)
    counted = {n: w for n, w in policy.attributes.items() if names is None or n in names}
    return policy._replace(attributes=counted)
