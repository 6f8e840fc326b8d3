"""A model with evidence figures, and records made with it."""

import base64
import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from api_schemas.card import (
    AttributeEvidenceCard,
    EvidenceCard,
    EvidencePolicy,
    EvidenceRates,
    EvidenceSample,
    ModelCard,
)
from model import pixels
from model.encoder import Encoder
from service.evidence.making import Maker, Side
from service.evidence.store import EvidenceRecord
from service.routes.answers import identity

Photo = Callable[[int], bytes]

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
LEVELS = (1.0, 0.5, 0.1, 0.01, 0.001)
ANGLES = (np.pi, 1.6, 0.9, 0.3, 0.1)
"""That those shares of unrelated pairs stay within, in every attribute."""


def with_evidence(card: ModelCard) -> ModelCard:
    """The card itself where it has evidence figures, or else with plain ones."""
    if card.evidence is not None:
        return card
    names = card.attribute_names
    background = packed(np.rint(np.array(ANGLES) * 65535 / np.pi).astype("<u2"))
    attribute = AttributeEvidenceCard(
        background=background, background_pairs=999, slope=3.0, intercept=2.5, likelihood_pairs=500
    )
    rng = np.random.default_rng(0)
    evidence = EvidenceCard(
        levels=LEVELS,
        attributes=(attribute,) * len(names),
        log_likelihood_bound=5.0,
        intercept=-1.0,
        policy=EvidencePolicy(
            name="default",
            attributes=dict.fromkeys(names, 0.5),
            max_chance=0.1,
            min_points=2,
            min_probability=0.8,
        ),
        fitted_on="valid",
        background_pairs=1000,
        rates=EvidenceRates(
            false_accusation_rate=0.0096,
            false_accusation_interval=(0.007, 0.013),
            detection_rate=0.61,
            detection_rates={"edited copy": 0.7, "one attribute changed": 0.52},
            calibration_error=0.021,
        ),
        measured_on="test",
        unrelated_pairs=5000,
        tail=packed(np.array((-20, -2, 0, 2, 4), "<f4")),
        sample=EvidenceSample(
            unrelated=packed(rng.integers(100, 250, (200, len(names)), np.uint8)),
            related=packed(rng.integers(0, 120, (100, len(names)), np.uint8)),
        ),
    )
    return card.model_copy(update={"evidence": evidence})


def packed(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


class Records:
    """Makes records from drawn garments by their numbers, each a minute after the one before."""

    def __init__(self, encoder: Encoder, photo: Photo) -> None:
        card = with_evidence(encoder.card)
        self.maker = Maker(card, identity(encoder), "0.0")
        self._photo = photo
        self._embed = functools.cache(
            lambda data: encoder.encode(pixels.decode(data, card.preprocessing)[None])[0]
        )

    def side(self, number: int, name: str | None = None) -> Side:
        data = self._photo(number)
        return Side(name or f"garment-{number}.png", data, self._embed(data))

    def __call__(self, a: int, b: int, *, minute: int = 0, **asked: object) -> EvidenceRecord:
        now = START + timedelta(minutes=minute)
        return self.maker.make(self.side(a), self.side(b), now=now, **asked)  # type: ignore[arg-type]
