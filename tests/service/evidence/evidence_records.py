"""A model with evidence figures, and records made with it."""

import base64
import functools
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image, ImageOps

from api_schemas.card import (
    AttributeEvidenceCard,
    CopyVerification,
    DesignSpace,
    EvidenceCard,
    EvidencePolicy,
    EvidenceRates,
    EvidenceSample,
    ModelCard,
)
from model import pixels
from model.backgrounds import busy_background, pasted
from model.drawings.numbered import Drawn
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


def laying(card: ModelCard) -> ModelCard:
    """The card, which also says what to make of two pictures laid one on the other.

    A crop is told by what it shows alone, since the vectors of drawings may say anything.
    """
    verification = CopyVerification(
        intercept=-5.0,
        cosine=0.1,
        points=1.0,
        agreement=4.0,
        direction_slope=1.0,
        direction_margin=1.5,
        coverage=30.0,
        page=30.0,
        threshold=0.7,
        false_accusation_rate=0.0031,
        detection_rate=0.87,
        wrong_direction_rate=0.012,
        nearest=5,
    )
    design = DesignSpace(
        slope=8.0,
        intercept=-6.0,
        direction_slope=5.0,
        direction_margin=0.7,
        threshold=0.8,
        false_accusation_rate=0.0095,
        false_accusation_rate_any_pair=0.0001,
        detection_rate=0.46,
        wrong_direction_rate=0.023,
        compared_with=457,
        pairs=4122,
        fitted_on="valid",
        verification=verification,
    )
    return with_evidence(card).model_copy(update={"design_space": design})


def by_vectors_alone(card: ModelCard) -> ModelCard:
    """The card, which says nothing of two pictures laid one on the other."""
    design = card.design_space
    assert design is not None
    return with_evidence(card).model_copy(
        update={"design_space": design.model_copy(update={"verification": None})}
    )


@functools.cache
def on_a_floor(garment: int, floor: int) -> bytes:
    """A drawn garment on a busy floor, as a PNG."""
    drawn = Drawn.numbered(garment)
    mask = np.any(list(drawn.masks().values()), axis=0)
    image = drawn.picture()
    ground = busy_background(image.size, np.random.default_rng(floor))
    return _png(pasted(image, mask, ground))


@functools.cache
def edited_copy(data: bytes) -> bytes:
    """Two thirds by four fifths of a picture, from its middle, turned over."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    box = (round(width / 6), round(height / 10), round(5 * width / 6), round(9 * height / 10))
    return _png(ImageOps.mirror(image.crop(box)))


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def packed(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


class Records:
    """Makes records from drawn garments by their numbers, each a minute after the one before."""

    def __init__(self, encoder: Encoder, photo: Photo, card: ModelCard | None = None) -> None:
        card = card or by_vectors_alone(encoder.card)
        self.maker = Maker(card, identity(encoder), "0.0")
        self._photo = photo
        self._embed = functools.cache(
            lambda data: encoder.encode(pixels.decode(data, card.preprocessing)[None])[0]
        )

    def side(self, number: int, name: str | None = None) -> Side:
        return self.of(self._photo(number), name or f"garment-{number}.png")

    def of(self, data: bytes, name: str) -> Side:
        return Side(name, data, self._embed(data))

    def __call__(self, a: int, b: int, *, minute: int = 0, **asked: object) -> EvidenceRecord:
        now = START + timedelta(minutes=minute)
        return self.maker.make(self.side(a), self.side(b), now=now, **asked)  # type: ignore[arg-type]
