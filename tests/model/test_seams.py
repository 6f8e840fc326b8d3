import numpy as np
import pytest

from model.seams import SEAM, seam

SIDE = 160
WHOLE = (0.0, 0.0, float(SIDE), float(SIDE))
SQUARE = np.array([[50, 40], [110, 40], [110, 120], [50, 120]], float)


def floor(seed: int) -> np.ndarray:
    """Grey levels that change smoothly, as of a photograph a little out of focus."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    a, b, c = np.random.default_rng(seed).uniform(2, 9, 3)
    return 128 + 60 * np.sin(a * rows + b * columns) + 30 * np.cos(c * rows)


def grey(levels: np.ndarray) -> np.ndarray:
    return np.clip(levels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_on_beyond_the_outline_has_no_seam(seed):
    assert seam(grey(floor(seed)), WHOLE, SQUARE) < 0.05


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("off", [-1.0, 0.0, 1.0])
def test_what_was_pasted_has_one_though_the_outline_is_a_pixel_off(seed, off):
    page = np.full((SIDE, SIDE), 250.0)
    page[40:120, 50:110] = floor(seed)[40:120, 50:110]
    assert seam(grey(page), WHOLE, SQUARE - 0.5 + off) > 2 * SEAM


def test_the_texture_of_a_cloth_is_no_seam():
    noise = np.random.default_rng(0).normal(128, 40, (SIDE, SIDE))
    assert seam(grey(noise), WHOLE, SQUARE) < SEAM


def test_an_outline_beyond_the_picture_has_none():
    page = np.full((SIDE, SIDE), 250.0)
    page[20:140] = floor(1)[20:140]
    box = (0.0, 20.0, float(SIDE), 120.0)  # above and below it is padded
    corners = np.array([[0, 20], [SIDE, 20], [SIDE, 140], [0, 140]], float)
    assert seam(grey(page), box, corners) == 0
    assert seam(grey(page), box, corners + 500) == 0


def test_it_does_not_matter_at_which_corner_the_outline_begins():
    page = np.full((SIDE, SIDE), 250.0)
    page[40:120, 50:110] = floor(2)[40:120, 50:110]
    first = seam(grey(page), WHOLE, SQUARE)
    for corners in (np.roll(SQUARE, 1, axis=0), SQUARE[::-1]):
        assert seam(grey(page), WHOLE, corners) == pytest.approx(first, abs=0.02)
