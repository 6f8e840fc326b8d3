import base64
import io

import numpy as np
import pytest
from PIL import Image

from model.report.overlay import data_uri, picture, with_attention


def redness(image):
    pixels = np.asarray(image, np.float32)
    return pixels[..., 0] - pixels[..., 2]


def test_the_picture_is_coloured_where_the_network_looked():
    attention = np.zeros((4, 4), np.float32)
    attention[0, 3] = 1
    drawn = redness(with_attention(Image.new("RGB", (64, 64), "gray"), attention))
    assert drawn[:8, 56:].mean() > 100
    assert abs(drawn[32:, :32]).max() <= 1


def test_an_even_map_colours_hardly_and_evenly():
    even = np.full((5, 5), 1 / 25, np.float32)
    drawn = redness(with_attention(Image.new("RGB", (50, 50), "gray"), even))
    assert np.ptp(drawn) <= 1
    assert drawn.mean() < 15


def test_a_picture_is_a_square_on_white(photo):
    shown = picture(photo(0), 60)
    assert (shown.size, shown.mode) == ((60, 60), "RGB")


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_data_uri_holds_the_picture(kind):
    head, _, body = data_uri(Image.new("RGB", (9, 7), "red"), kind).partition(",")
    assert head == f"data:image/{kind};base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        assert (image.size, image.format) == ((9, 7), kind.upper())
