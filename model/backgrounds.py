"""Busy backgrounds, made up: carpets, plaids and clutter to lay a garment on.

None of them is taken from a photograph, so that no picture brings another one's floor along.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_FEATHER: Final = 1 / 250
"""Softness of a pasted garment's outline, of the picture's longer side."""


def busy_background(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Paint a background full of colours and edges.

    Args:
        size: width and height, pixels.
        rng: chooses among carpet, plaid and clutter, and their colours; equal generators paint
            equal pictures.
    """
    paint = (_carpet, _plaid, _clutter)[int(rng.integers(3))]
    grain = rng.normal(0.0, 6.0, (size[1], size[0], 1))
    pixels = np.asarray(paint(size, rng), np.float64) + grain
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def pasted(image: Image.Image, mask: NDArray[np.bool_], background: Image.Image) -> Image.Image:
    """The masked part of a picture on a background of its size.

    Args:
        image: RGB.
        mask: (H, W) bool, what to keep.
        background: RGB.
    """
    hard = Image.fromarray(mask.astype(np.uint8) * 255)
    soft = hard.filter(ImageFilter.GaussianBlur(_FEATHER * max(image.size)))
    return Image.composite(image, background, soft)


def _carpet(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Blotches: at each point the colour whose random field is highest."""
    coarse = max(2, round(max(size) / rng.uniform(10, 22)))
    cells = (size[0] // coarse + 2, size[1] // coarse + 2)
    fields = []
    for _ in range(5):
        small = Image.fromarray(rng.integers(0, 256, cells[::-1], dtype=np.uint8))
        fields.append(np.asarray(small.resize(size, Image.Resampling.BICUBIC)))
    return Image.fromarray(_colors(rng, 5)[np.argmax(fields, axis=0)])


def _plaid(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Two crossing sets of stripes, turned."""
    side = max(size)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    turn = rng.uniform(0, np.pi)
    along = x * np.cos(turn) + y * np.sin(turn) + 2 * side
    across = y * np.cos(turn) - x * np.sin(turn) + 2 * side
    colors = _colors(rng, 6).astype(np.float64)
    stripes = [
        colors[kind : kind + 3][(line / (side / rng.uniform(10, 30))).astype(int) % 3]
        for kind, line in ((0, along), (3, across))
    ]
    return Image.fromarray(np.mean(stripes, axis=0).astype(np.uint8))


def _clutter(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Discs and boxes strewn about."""
    colors = [(int(r), int(g), int(b)) for r, g, b in _colors(rng, 8)]
    picture = Image.new("RGB", size, colors[0])
    pen = ImageDraw.Draw(picture)
    for _ in range(160):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        w, h = rng.uniform(0.02, 0.09, 2) * max(size)
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x - w, y - h, x + w, y + h), fill=colors[int(rng.integers(len(colors)))])
    return picture


def _colors(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    return rng.integers(20, 240, (count, 3), dtype=np.uint8)
