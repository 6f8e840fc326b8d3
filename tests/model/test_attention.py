from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_schemas.card import AttributeCard, Preprocessing, SameValueCalibration
from model.attention import HIDDEN_SHARE, RIGHT_PARTS, measure_hiding, measure_peaks, most_attended
from model.drawings import Design, variant
from model.drawings.numbered import SIDE_PIXELS, Drawn
from model.encoder import Embeddings, Encoder
from model.labels import LabelTable

SIDE, GRID = 80, 10
CALIBRATION = SameValueCalibration(slope=1.0, intercept=0.0, pairs=0, fitted_on="")
TONE = AttributeCard(
    name="collar",
    values=("dark", "light"),
    prototypes=((1.0, 0.0), (0.0, 1.0)),
    scale=10.0,
    same_value=CALIBRATION,
)


class Card:
    attributes = (TONE,)
    attribute_names = ("collar",)
    preprocessing = Preprocessing(input_size=SIDE, fit="pad", mean=(0, 0, 0), std=(1, 1, 1))


class ReadsTheMiddle:
    """Says whether the middle fifth is dark or light; attends to the cell it is told."""

    card = Card()

    def __init__(self, attended: tuple[slice, slice]) -> None:
        self.attended = attended

    def encode(self, pixels: np.ndarray) -> Embeddings:
        light = pixels[:, 32:48, 32:48].mean(axis=(1, 2, 3)) > 128
        vectors = np.eye(2, dtype=np.float32)[light.astype(int)][:, None]
        attention = np.zeros((len(pixels), 1, GRID, GRID), np.float32)
        attention[:, 0, self.attended[0], self.attended[1]] = 1
        attention /= attention.sum(axis=(2, 3), keepdims=True)
        one = np.ones((len(pixels), 1), np.float32)
        return Embeddings(vectors, one, one, attention, one)


MIDDLE = (slice(4, 6), slice(4, 6))
CORNER = (slice(0, 2), slice(2, 4))


@pytest.fixture
def table(tmp_path: Path) -> LabelTable:
    """Eight tall light pictures with a dark middle, and one whose collar nobody can see."""
    picture = Image.new("RGB", (120, 160), (250, 250, 250))
    picture.paste((0, 0, 0), (40, 60, 80, 100))
    files = tuple(tmp_path / f"{row}.png" for row in range(9))
    for file in files:
        picture.save(file)
    return LabelTable(
        files=files,
        splits=("",) * 9,
        groups=np.arange(9),
        cells={"collar": ("dark",) * 8 + ("na",)},
    )


def test_hiding_what_decides_changes_the_value_and_hiding_elsewhere_seldom(
    table: LabelTable,
) -> None:
    told: list[int] = []
    hiding = measure_hiding(ReadsTheMiddle(MIDDLE), table, progress=told.append)["collar"]
    assert (hiding.images, sum(told)) == (8, 9)
    assert hiding.attended == 1.0
    assert 0 < hiding.elsewhere < 0.5
    assert hiding.ratio == pytest.approx(1 / hiding.elsewhere)


def test_attention_that_looks_away_is_found_out(table: LabelTable) -> None:
    hiding = measure_hiding(ReadsTheMiddle(CORNER), table)["collar"]
    assert hiding.attended == 0.0


def test_equal_seeds_hide_equal_areas(table: LabelTable) -> None:
    first, second, other = (
        measure_hiding(ReadsTheMiddle(MIDDLE), table, seed=seed) for seed in (1, 1, 2)
    )
    assert first == second
    assert first.keys() == other.keys()


def test_the_most_attended_area_is_that_share_of_the_picture_and_no_padding() -> None:
    rng = np.random.default_rng(0)
    attention = rng.random((GRID, GRID)).astype(np.float32)
    attention[:, :2] = 50  # all on the padding
    attention[7, 5] = 9
    content = (slice(0, 80), slice(20, 60))
    area = most_attended(attention, SIDE, content)
    assert area.shape == (80, 40)
    assert area.sum() == round(HIDDEN_SHARE * area.size)
    assert area[60, 24]  # the middle of the cell that stands out
    upsampled = np.asarray(Image.fromarray(attention).resize((80, 80), Image.Resampling.BILINEAR))
    inside = upsampled[content]
    assert inside[area].min() >= inside[~area].max()


class PeaksOnParts:
    """Attends, on every second garment, to the right part of its collar; else to the corner."""

    card = Card()

    def __init__(self) -> None:
        self.asked = 0
        self.expected: list[bool] = []

    def encode(self, pixels: np.ndarray) -> Embeddings:
        part = RIGHT_PARTS["collar"](Drawn.numbered(self.asked))
        attention = np.zeros((1, 1, GRID, GRID), np.float32)
        y = x = 0
        if part is not None and self.asked % 2:
            y, x = np.argwhere(part)[0] * GRID // SIDE_PIXELS
        if part is not None:
            self.expected.append(bool(self.asked % 2))
        attention[0, 0, y, x] = 1
        self.asked += 1
        one = np.ones((1, 1), np.float32)
        return Embeddings(np.ones((1, 1, 2), np.float32), one, one, attention, one)


def test_peaks_are_counted_where_the_part_is() -> None:
    encoder = PeaksOnParts()
    peaks = measure_peaks(encoder, count=12)
    assert set(peaks) == {"collar"}  # the model has no other
    assert peaks["collar"].images == len(encoder.expected)
    assert peaks["collar"].inside == pytest.approx(np.mean(encoder.expected))
    assert 0 < peaks["collar"].by_chance < 0.5


def drawn(**changes: str) -> Drawn:
    tee = Design("t-shirt", "none", "crew", "short", "pullover", "solid", "blue")
    for attribute, value in changes.items():
        tee = variant(tee, attribute, value)
    return Drawn(tee, (0, 0, 1))


SHIRT = Drawn(Design("shirt", "shirt", "collared", "long", "buttons", "graphic", "blue"), (0, 1, 1))
SKIRT = Drawn(Design("skirt", *["na"] * 4, "stripe", "navy", "knee"), (0, 2, 1))


def right(attribute: str, garment: Drawn) -> np.ndarray:
    part = RIGHT_PARTS[attribute](garment)
    assert part is not None
    return part


def test_the_right_parts_are_those_that_show_the_value() -> None:
    tee, masks = drawn(), drawn().masks()
    assert (right("collar", tee) == masks["neckline"]).all()
    assert (right("neckline", tee) == masks["neckline"]).all()
    assert (right("sleeve_length", tee) == masks["sleeves"]).all()
    shirt = SHIRT.masks()
    assert (right("collar", SHIRT) == shirt["collar"]).all()
    assert (right("neckline", SHIRT) == shirt["collar"] | shirt["neckline"]).all()
    assert (right("closure", SHIRT) == shirt["closure"]).all()
    assert (right("pattern", SHIRT) == shirt["body"] | shirt["closure"]).all()
    assert (right("pattern", SKIRT) == SKIRT.masks()["body"]).all()


def test_on_a_pullover_the_right_part_is_where_a_closure_would_be() -> None:
    tee = drawn()
    buttons = drawn(closure="buttons")
    assert (right("closure", tee) == right("closure", buttons)).all()
    whole, buttoned = (np.logical_or.reduce(list(d.masks().values())) for d in (tee, buttons))
    assert (whole == buttoned).mean() > 0.999  # the same outline: the places agree


def test_the_right_parts_have_the_pictures_side() -> None:
    small = Drawn(drawn().design, drawn().look, 80)
    for attribute in RIGHT_PARTS:
        large, part = right(attribute, drawn()), right(attribute, small)
        assert part.shape == (80, 80)
        assert (part.repeat(4, axis=0).repeat(4, axis=1) != large).mean() < 0.02


def test_garments_without_the_part_are_not_asked() -> None:
    assert RIGHT_PARTS["sleeve_length"](drawn(sleeve_length="sleeveless")) is None
    assert RIGHT_PARTS["closure"](drawn(neckline="keyhole")) is None
    for attribute in ("collar", "neckline", "sleeve_length", "closure"):
        assert RIGHT_PARTS[attribute](SKIRT) is None


def test_the_shipped_model_is_measured_on_drawn_parts(encoder: Encoder) -> None:
    peaks = measure_peaks(encoder, count=6)
    assert set(peaks) <= set(RIGHT_PARTS)
    assert peaks["pattern"].images == 6
