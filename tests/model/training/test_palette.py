from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

torch = pytest.importorskip("torch")

from api_schemas.card import ModelCard, Preprocessing  # noqa: E402
from model.encoder import SHIPPED_MODEL, Embeddings, Encoder  # noqa: E402
from model.labels import LabelTable  # noqa: E402
from model.pixels import normalise  # noqa: E402
from model.training.palette import (  # noqa: E402
    CHROMAS,
    LIGHTS,
    OTHERS_WEIGHT,
    POOLED,
    RIDGE,
    SIZE,
    Palette,
    Reading,
    Readings,
    Watched,
    fit_readings,
)

pytestmark = pytest.mark.torch
SIDE, GRID = 24, 3
NAVY, BLACK, WHITE = (20, 30, 90), (25, 25, 25), (250, 250, 250)
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return Encoder.load(SHIPPED_MODEL).card


@pytest.fixture(scope="module")
def preprocessing(card: ModelCard) -> Preprocessing:
    return card.preprocessing


def palettes_of(pixels: NDArray[np.uint8], attention: Floats, p: Preprocessing) -> Floats:
    images = torch.from_numpy(normalise(pixels, p))
    palettes: Floats = Palette(p)(images, torch.from_numpy(attention)).numpy()
    return palettes


def attention_at(*places: tuple[int, int]) -> Floats:
    """(1, A, 3, 3): each map on one cell."""
    maps = np.zeros((1, len(places), GRID, GRID), np.float32)
    for index, (row, column) in enumerate(places):
        maps[0, index, row, column] = 1
    return maps


def parts(number: float, middles: tuple[float, ...]) -> Floats:
    """How much of each bin a number is, by a slow loop."""
    share = np.zeros(len(middles), np.float32)
    number = min(max(number, middles[0]), middles[-1])
    for low in range(len(middles) - 1):
        if middles[low] <= number <= middles[low + 1]:
            part = (number - middles[low]) / (middles[low + 1] - middles[low])
            share[:] = 0
            share[low], share[low + 1] = 1 - part, part
    return share


def slow_palette(pixels: NDArray[np.uint8], weights: Floats) -> Floats:
    """Colours counted one by one; weights are of each block of 4 x 4 pixels."""
    counts = np.zeros((len(LIGHTS), len(CHROMAS), len(CHROMAS)))
    for row, column in np.ndindex(weights.shape):
        block = pixels[row * POOLED : (row + 1) * POOLED, column * POOLED : (column + 1) * POOLED]
        red, green, blue = block.reshape(-1, 3).mean(axis=0) / 255
        light = parts((red + green + blue) / 3, LIGHTS)
        chroma = np.outer(parts(red - green, CHROMAS), parts((red + green) / 2 - blue, CHROMAS))
        counts += weights[row, column] * light[:, None, None] * chroma
    return np.sqrt(counts / counts.sum()).ravel()


def test_a_palette_counts_colours_where_attention_lies_and_elsewhere(
    preprocessing: Preprocessing,
) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    attention = random.random((1, 1, SIDE // POOLED, SIDE // POOLED)).astype(np.float32)
    near = attention[0, 0] / attention.max()
    expected = [slow_palette(pixels, near), OTHERS_WEIGHT * slow_palette(pixels, (1 - near) ** 4)]
    found = palettes_of(pixels[None], attention, preprocessing)
    np.testing.assert_allclose(found[0, 0], np.concatenate(expected), atol=2e-4)


def test_palettes_of_two_attributes_tell_the_colours_of_their_places(
    preprocessing: Preprocessing,
) -> None:
    pixels = np.full((1, SIDE, SIDE, 3), WHITE, np.uint8)
    pixels[:, :8], pixels[:, 16:] = NAVY, BLACK
    top, bottom = palettes_of(pixels, attention_at((0, 1), (2, 1)), preprocessing)[0]
    half = SIZE // 2
    plain = np.full((1, SIDE, SIDE, 3), NAVY, np.uint8)
    navy = palettes_of(plain, attention_at((0, 1)), preprocessing)[0, 0]
    assert top[:half] @ navy[:half] > 0.8
    assert bottom[:half] @ navy[:half] < 0.5


def test_a_map_that_is_zero_everywhere_gives_numbers(preprocessing: Preprocessing) -> None:
    pixels = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    nothing = np.zeros((1, 1, GRID, GRID), np.float32)
    assert np.isfinite(palettes_of(pixels, nothing, preprocessing)).all()


def random_reading(random: np.random.Generator, values: int) -> Reading:
    return Reading(
        random.standard_normal((SIZE, values)).astype(np.float32),
        random.standard_normal(values).astype(np.float32),
    )


def test_readings_answer_for_their_own_attributes_and_leave_others_at_zero(
    preprocessing: Preprocessing,
) -> None:
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    attention = random.random((2, 3, GRID, GRID)).astype(np.float32)
    reading = random_reading(random, 4)
    palette = Palette(preprocessing)
    told = Readings(palette, [None, reading, None])(
        torch.from_numpy(normalise(pixels, preprocessing)), torch.from_numpy(attention)
    ).numpy()
    palettes = palettes_of(pixels, attention, preprocessing)
    np.testing.assert_allclose(
        told[:, 1], palettes[:, 1] @ reading.weights + reading.biases, rtol=1e-4, atol=1e-4
    )
    assert not told[:, [0, 2]].any()


@pytest.fixture(scope="module")
def colour_table(card: ModelCard) -> tuple[LabelTable, NDArray[np.float16], ModelCard]:
    """60 rows of two colours, whose palettes tell them with some noise, a third without a label."""
    random = np.random.default_rng(2)
    color = next(a for a in card.attributes if a.name == "color")
    values = color.values[:2]
    small = color.model_copy(
        update={name: getattr(color, name)[:2] for name in ("values", "prototypes")}
    )
    actual = np.arange(60) % 3
    cells = {"color": tuple((*values, "")[v] for v in actual)}
    table = LabelTable((), (Path(),) * 60, np.arange(60), cells)
    palettes = random.random((60, 1, SIZE)) / 8
    palettes[:, 0, :2] += np.eye(3)[actual][:, :2]
    two = card.model_copy(update={"attributes": (small,)})
    return table, palettes.astype(np.float16), two


def test_a_reading_is_the_logistic_regression_of_the_labelled_rows(
    colour_table: tuple[LabelTable, NDArray[np.float16], ModelCard],
) -> None:
    table, palettes, two = colour_table
    (reading,) = fit_readings(palettes, table, two)
    rows = np.arange(60) % 3 < 2
    own = palettes[rows, 0].astype(np.float64)
    # Of two values, logits differ by one weight vector: half of its square is that of both.
    reference = LogisticRegression(C=1 / (RIDGE * rows.sum()), tol=1e-8, max_iter=5000)
    reference.fit(own, np.arange(60)[rows] % 3)
    logits = own @ reading.weights + reading.biases
    expected = own @ reference.coef_[0] + reference.intercept_
    found = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05)


def test_what_was_said_of_pictures_is_kept_in_their_order_over_batches(
    preprocessing: Preprocessing,
) -> None:
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (10, SIDE, SIDE, 3), dtype=np.uint8)
    attention = random.random((10, 3, GRID, GRID)).astype(np.float32)
    watched = Watched(Palette(preprocessing), preprocessing, attributes=2, every=3)
    for start, end in ((0, 4), (4, 5), (5, 10)):
        none = np.zeros(end - start, np.float32)
        watched(pixels[start:end], Embeddings(none, none, none, attention[start:end], none))
    expected = palettes_of(pixels[::3], attention[::3, :2], preprocessing)
    np.testing.assert_allclose(watched.said(), expected, atol=1e-3)
