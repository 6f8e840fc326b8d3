"""Angles between vectors to chance levels, likelihood ratios, and what these make together.

All of it rests on the angle rather than on its cosine: most of what parts alike from very alike
lies where the cosine is almost 1. Here are arrays, for many pairs at once;
`model.evidence.examining` reads the same figures for one pair as plain numbers, which is faster
there.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import AttributeEvidenceCard
from model.similarity import UnknownAttribute, sigmoid

Floats = NDArray[np.float64]

ANGLE_UNIT: Final = np.pi / 65535
"""Of the background's angles, radians."""


class Policy(NamedTuple):
    """When two garments are called alike.

    Attributes:
        name: what it is called in an answer.
        attributes: attributes that count, each with the weight of its log-likelihood ratio: at
            weight 1 it counts in full, as if it had nothing to do with the others.
        max_chance: an attribute is a point alike at this chance level or below.
        min_points: how many points alike it takes.
        min_probability: what the combined probability must reach.
    """

    name: str
    attributes: Mapping[str, float]
    max_chance: float
    min_points: int
    min_probability: float


class Readings:
    """How angles are read, attribute by attribute and together.

    Attributes:
        names: of the attributes, A.
        parts: their cards.
        bound: largest log-likelihood ratio, either way.
        intercept: of the combined log odds.
        levels: (Q,) chance levels, falling.
        angles: (A, Q) the background's, rising, so from the last level to the first.
        rising_log_levels: (Q,) of ``angles``.
        floors: (A,) lowest chance level.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        parts: Sequence[AttributeEvidenceCard],
        levels: Sequence[float],
        bound: float,
        intercept: float = 0.0,
    ) -> None:
        self.names = names
        self.parts = tuple(parts)
        self.bound = bound
        self.intercept = intercept
        self.levels = np.array(levels)
        backgrounds = [unpacked(each.background, "<u2") for each in parts]
        self.angles = ANGLE_UNIT * np.array(backgrounds, np.float64)[:, ::-1]
        self.rising_log_levels = np.log(self.levels)[::-1]
        self.floors = 1.0 / (np.array([each.background_pairs for each in parts]) + 1.0)

    def index(self, name: str) -> int:
        """The place of an attribute.

        Raises:
            UnknownAttribute: there is none of that name.
        """
        if name not in self.names:
            raise UnknownAttribute(
                f"the model has no attribute {name!r}; it has {', '.join(self.names)}"
            )
        return self.names.index(name)

    def chances(self, angles: Floats, index: int) -> Floats:
        """(P,) angles -> (P,) chance levels of one attribute."""
        logs = np.interp(angles, self.angles[index], self.rising_log_levels, right=0.0)
        return np.asarray(np.maximum(np.exp(logs), self.floors[index]))

    def ratios(self, angles: Floats, index: int) -> Floats:
        """(P,) angles -> (P,) log-likelihood ratios of one attribute."""
        fit = self.parts[index]
        return np.asarray(np.clip(fit.intercept - fit.slope * angles, -self.bound, self.bound))

    def ratios_of_all(self, angles: Floats) -> Floats:
        """(P, A) angles -> (P, A) log-likelihood ratios."""
        columns = [self.ratios(angles[:, index], index) for index in range(len(self.names))]
        return np.stack(columns, axis=1)

    def log_odds(self, ratios: Floats, policy: Policy) -> Floats:
        """(P, A) log-likelihood ratios -> (P,) combined; NaN where nothing counted is seen."""
        total = np.full(len(ratios), self.intercept)
        seen = np.zeros(len(ratios), np.bool_)
        for index, weight in self.counted(policy):
            here = ~np.isnan(ratios[:, index])
            total += np.where(here, weight * ratios[:, index], 0.0)
            seen |= here
        return np.where(seen, total, np.nan)

    def counted(self, policy: Policy) -> list[tuple[int, float]]:
        """Place and weight of the attributes that a policy counts, in the card's order.

        Raises:
            UnknownAttribute: it counts one that is not there.
        """
        places = [(self.index(name), weight) for name, weight in policy.attributes.items()]
        return sorted(each for each in places if each[1] > 0)

    def probabilities(self, angles: Floats, policy: Policy) -> Floats:
        """(P, A) angles -> (P,) combined probability; NaN where nothing counted is seen."""
        return sigmoid(self.log_odds(self.ratios_of_all(angles), policy))

    def alike(self, angles: Floats, policy: Policy) -> NDArray[np.bool_]:
        """(P, A) angles -> (P,) whether the policy calls the pair alike."""
        points = np.zeros(len(angles), np.int64)
        for index, _ in self.counted(policy):
            points += self.chances(angles[:, index], index) <= policy.max_chance
        probable = self.probabilities(angles, policy)
        return np.asarray((points >= policy.min_points) & (probable >= policy.min_probability))


def angles_of(similarities: Floats) -> Floats:
    """Radians, of cosines that rounding may have put past 1; NaN stays NaN."""
    return np.asarray(np.arccos(np.clip(similarities, -1.0, 1.0)))


def packed(array: NDArray[Any]) -> str:
    """Base64 of an array's bytes, little-endian."""
    little = array.astype(array.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def unpacked(text: str, dtype: str) -> NDArray[Any]:
    """The array that was packed."""
    return np.frombuffer(base64.b64decode(text), dtype=dtype)
