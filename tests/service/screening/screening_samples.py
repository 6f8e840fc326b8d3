"""Drawn garments embedded by the shipped model, and a card with evidence figures of them.

The figures are right in form and made of few pairs: good enough to compare two ways of reading
them, whatever the shipped model carries.
"""

import functools
import hashlib
import io

import numpy as np

from api_schemas.card import (
    AttributeEvidenceCard,
    EvidenceCard,
    EvidencePolicy,
    EvidenceRates,
    EvidenceSample,
    ModelCard,
)
from model.drawings import allowed_values, draw, random_design, variant
from model.encoder import SHIPPED_MODEL, Encoder, ImageEmbedding
from model.evidence.figures import Figures, sample_codes, tail_of
from model.evidence.readings import ANGLE_UNIT, packed
from model.pixels import decode
from model.similarity import VISIBLE_THRESHOLD
from service.catalog.store import GarmentRecord

BACKGROUND = 40
LEVELS = tuple(np.geomspace(1.0, 0.002, 40).tolist())


def drawn(number: int, *, changed: bool = False) -> bytes:
    """A PNG of the design of this number, or of the same in another colour."""
    design = random_design(np.random.default_rng(number))
    if changed:
        others = [one for one in allowed_values(design, "color") if one != design.color]
        design = variant(design, "color", others[number % len(others)])
    file = io.BytesIO()
    draw(design, size=96, rng=np.random.default_rng((number, changed))).save(file, "PNG")
    return file.getvalue()


@functools.cache
def embedding(number: int, changed: bool = False) -> ImageEmbedding:
    encoder = _encoder()
    pixels = decode(drawn(number, changed=changed), encoder.card.preprocessing)
    return encoder.encode(pixels[None])[0]


@functools.cache
def _encoder() -> Encoder:
    return Encoder.load(SHIPPED_MODEL)


def record(id: str, number: int, changed: bool = False, **metadata: object) -> GarmentRecord:
    one = embedding(number, changed)
    return GarmentRecord(
        id=id,
        metadata=metadata,  # type: ignore[arg-type]
        vectors=one.vectors.astype(np.float16),
        norms=one.norms,
        visible=one.visible,
        image_sha256=hashlib.sha256(f"{number} {changed}".encode()).hexdigest(),
    )


@functools.cache
def card_with_evidence() -> ModelCard:
    """The shipped model's card, with figures of drawn garments that have nothing in common."""
    plain = _encoder().card
    some = [embedding(number) for number in range(1_000, 1_000 + BACKGROUND)]
    rows, columns = np.triu_indices(len(some), 1)
    vectors = np.stack([one.vectors for one in some])[:, : len(plain.attributes)]
    seen = np.stack([one.visible for one in some])[:, : len(plain.attributes)] >= VISIBLE_THRESHOLD
    cosines = np.einsum("pad,pad->pa", vectors[rows], vectors[columns])
    angles = np.arccos(np.clip(cosines, -1.0, 1.0)).astype(np.float64)
    angles[~(seen[rows] & seen[columns])] = np.nan
    return plain.model_copy(update={"evidence": _figures(plain, angles)})


def _figures(card: ModelCard, angles: np.ndarray) -> EvidenceCard:
    names = card.attribute_names
    policy = EvidencePolicy(
        name="drawn",
        attributes=dict.fromkeys(names, 0.6),
        max_chance=0.2,
        min_points=2,
        min_probability=0.5,
    )
    attributes = []
    for column in angles.T:
        own = column[~np.isnan(column)]
        quantiles = np.quantile(own, LEVELS)
        attributes.append(
            AttributeEvidenceCard(
                background=packed(np.rint(quantiles / ANGLE_UNIT).astype("<u2")),
                background_pairs=len(own),
                slope=3.0,
                intercept=float(3.0 * np.median(own)),
                likelihood_pairs=len(own),
            )
        )
    rates = EvidenceRates(
        false_accusation_rate=0.05,
        false_accusation_interval=(0.04, 0.06),
        detection_rate=0.5,
        detection_rates={},
        calibration_error=0.0,
    )
    codes = packed(sample_codes(angles))
    evidence = EvidenceCard(
        levels=LEVELS,
        attributes=tuple(attributes),
        log_likelihood_bound=6.0,
        intercept=-1.0,
        policy=policy,
        fitted_on="drawn",
        background_pairs=len(angles),
        rates=rates,
        measured_on="drawn",
        unrelated_pairs=len(angles),
        tail=packed(np.zeros(len(LEVELS), "<f4")),
        sample=EvidenceSample(unrelated=codes, related=codes),
    )
    figures = Figures(names, evidence)
    readings = figures.readings
    odds = readings.log_odds(readings.ratios_of_all(angles), figures.policy)
    return evidence.model_copy(update={"tail": packed(tail_of(odds, np.array(LEVELS)))})
