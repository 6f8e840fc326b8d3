"""A model card whose evidence figures are known: three attributes, background angles at hand."""

import math

import numpy as np

from api_schemas.card import (
    AttributeCard,
    AttributeEvidenceCard,
    EvidenceCard,
    EvidencePolicy,
    EvidenceRates,
    EvidenceSample,
    ModelCard,
)
from model.encoder import ImageEmbedding
from model.evidence.figures import sample_codes, tail_of
from model.evidence.readings import ANGLE_UNIT, packed

NAMES = ("collar", "sleeve_length", "color")
DIMENSION = 6
PAIRS = 400
LEVELS = [*np.linspace(1.0, 0.1, 60).tolist(), *np.geomspace(0.099, 1e-4, 120).tolist()]
FITS = ((3.0, 2.5), (2.5, 3.5), (3.2, 2.0))
"""Intercept and slope of each attribute's log-likelihood ratio."""
BOUND = 3.0
WEIGHTS = {"collar": 0.7, "sleeve_length": 0.2, "color": 0.5}


def background(index):
    """(PAIRS,) angles of unrelated pairs in one attribute."""
    return np.sort(np.random.default_rng(index).uniform(0.05, 2.6, PAIRS))


def sampled(count, seed, widest):
    angles = np.random.default_rng(seed).uniform(0.02, widest, (count, len(NAMES)))
    angles[::7, 0] = np.nan
    angles[3] = np.nan
    return angles


UNRELATED, RELATED = sampled(500, 11, 2.6), sampled(90, 12, 0.9)


def card(**changes):
    """A card with evidence; ``changes`` replace fields of it."""
    return ModelCard(
        name="toy",
        version="1",
        licence="none",
        design="none",
        backbone="none",
        embedding_dimension=DIMENSION,
        preprocessing={"input_size": 8, "fit": "pad", "mean": (0, 0, 0), "std": (1, 1, 1)},
        attributes=tuple(_attribute(name, seed) for seed, name in enumerate(NAMES)),
        provenance={
            "data": "none",
            "data_licence": "none",
            "training_images": 0,
            "pretrained": "none",
        },
        evidence=_evidence().model_copy(update=changes),
    )


def embedding(seed, visible=(1.0, 1.0, 1.0), near=None, step=0.1):
    """A garment at random, or one a step away from another."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(NAMES), DIMENSION))
    if near is not None:
        vectors = near.vectors + step * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return ImageEmbedding(
        vectors=vectors.astype(np.float32),
        norms=np.ones(len(NAMES), np.float32),
        visible=np.array(visible, np.float32),
        attention=np.ones((len(NAMES), 1, 1), np.float32),
        global_vector=np.ones(1, np.float32),
    )


def ratio(angle, index):
    intercept, slope = FITS[index]
    return max(-BOUND, min(BOUND, intercept - slope * angle))


def log_odds(angles, weights, intercept=-0.4):
    """One pair's combined log odds; None where nothing that counts can be seen."""
    seen = [
        weights[name] * ratio(angle, index)
        for index, (name, angle) in enumerate(zip(NAMES, angles, strict=True))
        if name in weights and not math.isnan(angle)
    ]
    return intercept + sum(seen) if seen else None


def _attribute(name, seed):
    prototypes = np.random.default_rng(seed).normal(size=(3, DIMENSION))
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    return AttributeCard(
        name=name,
        values=tuple(f"{name}-{number}" for number in range(3)),
        prototypes=prototypes.tolist(),
        scale=9.0,
        same_value={"slope": 5.0, "intercept": -2.0, "pairs": 0, "fitted_on": "none"},
    )


def _evidence():
    odds = [log_odds(row, WEIGHTS) for row in UNRELATED]
    known = np.array([np.nan if each is None else each for each in odds])
    return EvidenceCard(
        levels=LEVELS,
        attributes=[
            AttributeEvidenceCard(
                background=packed(_quantiles(background(index))),
                background_pairs=PAIRS,
                intercept=FITS[index][0],
                slope=FITS[index][1],
                likelihood_pairs=PAIRS,
            )
            for index in range(len(NAMES))
        ],
        log_likelihood_bound=BOUND,
        intercept=-0.4,
        policy=EvidencePolicy(
            name="default", attributes=WEIGHTS, max_chance=0.1, min_points=2, min_probability=0.8
        ),
        fitted_on="valid",
        background_pairs=PAIRS,
        rates=EvidenceRates(
            false_accusation_rate=0.012,
            false_accusation_interval=(0.01, 0.02),
            detection_rate=0.5,
            detection_rates={"edited copies": 0.5},
            calibration_error=0.02,
        ),
        measured_on="test",
        unrelated_pairs=len(UNRELATED),
        tail=packed(tail_of(known, np.array(LEVELS))),
        sample=EvidenceSample(
            unrelated=packed(sample_codes(UNRELATED)), related=packed(sample_codes(RELATED))
        ),
    )


def _quantiles(angles):
    ranks = np.array(LEVELS) * (len(angles) + 1) - 1
    at = np.interp(ranks, np.arange(1, len(angles) + 1), angles)
    return np.floor(at / ANGLE_UNIT).astype(np.uint16)
