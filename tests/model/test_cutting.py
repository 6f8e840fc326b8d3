import numpy as np
import pytest
from PIL import Image

from model.cutting import garment_mask
from model.drawings.numbered import Drawn


@pytest.mark.parametrize("number", [0, 1, 3, 4, 5])
def test_a_garment_on_a_plain_background_is_cut_out(number: int) -> None:
    drawn = Drawn.numbered(number)
    exact = np.logical_or.reduce(list(drawn.masks().values()))
    mask = garment_mask(drawn.picture())
    assert mask is not None
    assert (mask & exact).sum() / (mask | exact).sum() > 0.9


def test_a_mask_has_the_pictures_shape() -> None:
    picture = Image.new("RGB", (150, 200), "white")
    picture.paste((160, 20, 30), (50, 50, 100, 150))
    mask = garment_mask(picture)
    assert mask is not None
    assert mask.shape == (200, 150)
    expected = np.zeros((200, 150), dtype=bool)
    expected[50:150, 50:100] = True
    assert (mask != expected).mean() < 0.02


def test_a_hole_in_the_garment_is_filled() -> None:
    picture = Image.new("RGB", (160, 160), "white")
    picture.paste((20, 60, 120), (40, 40, 120, 120))
    picture.paste("white", (70, 70, 90, 90))
    mask = garment_mask(picture)
    assert mask is not None
    assert mask[80, 80]


def test_a_mask_is_one_piece_however_far_it_winds() -> None:
    picture = Image.new("RGB", (160, 160), "white")
    for box in ((20, 60, 110, 95), (85, 60, 110, 140), (85, 115, 145, 140), (16, 16, 40, 40)):
        picture.paste((20, 60, 120), box)
    mask = garment_mask(picture)
    assert mask is not None
    expected = np.zeros((160, 160), dtype=bool)
    expected[60:95, 20:110] = expected[60:140, 85:110] = expected[115:140, 85:145] = True
    assert (mask != expected).mean() < 0.02
    assert mask[128, 138]  # the far end
    assert not mask[16:40, 16:40].any()  # as blue, but not joined to the middle


def boxed(box: tuple[int, int, int, int], color: tuple[int, int, int]) -> Image.Image:
    picture = Image.new("RGB", (160, 160), (200, 200, 200))
    picture.paste(color, box)
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        boxed((0, 0, 0, 0), (0, 0, 0)),  # nothing there
        boxed((40, 40, 120, 120), (194, 196, 200)),  # hardly another colour
        boxed((0, 30, 160, 130), (160, 20, 30)),  # cut off at two sides
        boxed((70, 70, 90, 90), (160, 20, 30)),  # a button
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)),
    ],
    ids=["empty", "alike", "cut off", "small", "noise"],
)
def test_where_garment_and_background_cannot_be_told_apart_there_is_no_mask(
    picture: Image.Image,
) -> None:
    assert garment_mask(picture) is None


def test_equal_pictures_have_equal_masks() -> None:
    first, second = (garment_mask(Drawn.numbered(1).picture()) for _ in range(2))
    assert first is not None
    assert (first == second).all()
