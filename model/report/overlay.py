"""Pictures for people: a photograph at a readable size, and where the network looked in it.

The photograph is fitted as the network's input was, so that the map lies on what it looked at.
"""

import base64
import io
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from api_schemas.card import Preprocessing
from model import pixels

HOT: Final = (255, 40, 0)
STRONGEST: Final = 0.75
"""How opaque the colour is where the network looked most."""
FADED: Final = 0.35
"""How far the picture fades to white where the network did not look."""
CONCENTRATED: Final = 4.0
"""A map counts as strong from this many times an even spread on: an even map stays pale."""


def picture(data: bytes, side: int, fit: Literal["pad", "squash"] = "pad") -> Image.Image:
    """An image file as an RGB square.

    Raises:
        UndecodableImage: it is no image.
    """
    as_input = Preprocessing(input_size=side, fit=fit, mean=(0, 0, 0), std=(1, 1, 1))
    return Image.fromarray(pixels.decode(data, as_input))


def with_attention(shown: Image.Image, attention: NDArray[np.float32]) -> Image.Image:
    """The picture in pale grey, coloured where the network looked.

    Grey, because a red garment would hide the colour.

    Args:
        shown: of any size, fitted as the network's input.
        attention: (h, w), not negative, summing to 1.
    """
    strength = attention / max(float(attention.max()), CONCENTRATED / attention.size)
    small = Image.fromarray((strength * 255).astype(np.uint8))
    weight = np.asarray(small.resize(shown.size, Image.Resampling.BICUBIC), np.float32) / 255
    weight = weight[..., None]  # (H, W, 1)
    grey = np.asarray(shown.convert("L").convert("RGB"), np.float32)
    faded = grey * (1 - FADED * (1 - weight)) + 255 * FADED * (1 - weight)
    opacity = STRONGEST * weight**2
    coloured = faded * (1 - opacity) + np.array(HOT, np.float32) * opacity
    return Image.fromarray(coloured.round().astype(np.uint8))


def data_uri(image: Image.Image, kind: Literal["jpeg", "webp"] = "jpeg", quality: int = 85) -> str:
    """The image as a URI that needs no file beside it.

    Args:
        image: RGB.
        kind: WebP takes about a third less than JPEG.
        quality: of the compression, 0..100.
    """
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode()
