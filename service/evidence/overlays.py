"""Where the network looked and what a picture shows of another, readable without colour.

What the network looked at keeps its full contrast, the rest fades, and a line runs where attention
falls to half of its highest; the line is black between white, so that it shows on any cloth.
"""

import base64
import io
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from model.report.overlay import CONCENTRATED, picture

FADED: Final = 0.62
"""How far the picture fades to white where the network did not look."""
LINE_AT: Final = 0.5
"""Of the highest attention."""
OVERLAY_PIXELS: Final = 320
SHOWN_PIXELS: Final = 640
"""Longer side of a whole picture in a report."""
QUALITY: Final = 84
_MARGIN: Final = 8
"""Pixels that an outline stays off the border of a whole picture, so that it can be seen."""


def overlay(
    data: bytes, attention: NDArray[np.float32], fit: Literal["pad", "squash"]
) -> Image.Image:
    """A picture with its attention, as the network's square input.

    Args:
        data: the image file.
        attention: (h, w), not negative, summing to 1.
        fit: how the picture became the network's input.

    Raises:
        UndecodableImage: it is no image.
    """
    shown = picture(data, OVERLAY_PIXELS, fit)
    strength = attention / max(float(attention.max()), CONCENTRATED / attention.size)
    small = Image.fromarray((strength * 255).astype(np.uint8))
    large = small.resize(shown.size, Image.Resampling.BICUBIC)
    weight = np.asarray(large, np.float32)[..., None] / 255  # (H, W, 1)
    faded = np.asarray(shown, np.float32) * (1 - FADED * (1 - weight)) + 255 * FADED * (1 - weight)
    drawn = faded.round().astype(np.uint8)
    inside = Image.fromarray((weight[..., 0] >= LINE_AT).astype(np.uint8) * 255)
    drawn[_edge(inside, 7)] = 255
    drawn[_edge(inside, 3)] = 0
    return Image.fromarray(drawn)


def whole(data: bytes, size: tuple[int, int]) -> Image.Image:
    """The whole picture, upright and on white.

    Args:
        data: the image file.
        size: of the picture, upright; see `model.pixels.upright_size`.

    Raises:
        UndecodableImage: it is no image.
    """
    longer = max(size)
    width, height = (max(1, round(SHOWN_PIXELS * length / longer)) for length in size)
    left, top = (SHOWN_PIXELS - width) // 2, (SHOWN_PIXELS - height) // 2
    return picture(data, SHOWN_PIXELS).crop((left, top, left + width, top + height))


def outlined(image: Image.Image, corners: Sequence[tuple[float, float]]) -> Image.Image:
    """A whole picture with a line around that part of an area that lies within it.

    Args:
        image: of `whole`.
        corners: of the area, in their order; x and y as shares of the picture's width and height.
    """
    width, height = image.size
    area = Image.new("L", image.size)
    ImageDraw.Draw(area).polygon([(x * width, y * height) for x, y in corners], fill=255)
    margin = min(_MARGIN, min(image.size) // 4)
    inside = Image.new("L", image.size)
    frame = (margin, margin, width - margin, height - margin)
    inside.paste(area.crop(frame), frame[:2])
    drawn = np.array(image)
    drawn[_edge(inside, 11)] = 255
    drawn[_edge(inside, 5)] = 0
    return Image.fromarray(drawn)


def as_jpeg(image: Image.Image) -> bytes:
    """The image as a file for a report; equal images give equal bytes."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def as_png_uri(image: Image.Image) -> str:
    """The image as a URI that needs no file beside it."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _edge(inside: Image.Image, width: int) -> NDArray[np.bool_]:
    """(H, W) where an area ends, `width` pixels broad; the picture's own border is no edge."""
    grown, shrunk = (
        np.asarray(inside.filter(form(width))) > 0
        for form in (ImageFilter.MaxFilter, ImageFilter.MinFilter)
    )
    edge: NDArray[np.bool_] = grown & ~shrunk
    return edge
