"""Edits that turn a photograph into a copy of it, from a mirror image to a page from a magazine.

The changes of `model.robustness` are those that photographs differ by anyway; here they stand
beside stronger ones, which somebody makes on purpose.
"""

from collections.abc import Mapping
from typing import Final

from PIL import Image, ImageDraw, ImageOps

from model.robustness import CHANGES, Change, compress, crop, darken, mirror, rotate

HUE_TURN: Final = 85
"""Of 256 hues round the circle: red becomes green."""
FRAMED_SHARE: Final = 0.6
"""Of a page's height and width that the pasted picture takes."""


def half_crop(image: Image.Image) -> Image.Image:
    """The middle, 64 % of each side."""
    return crop(crop(image))


def recolored(image: Image.Image) -> Image.Image:
    """Every hue turned by HUE_TURN; black, white and gray stay."""
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + HUE_TURN) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def gray(image: Image.Image) -> Image.Image:
    """Without colour."""
    return ImageOps.grayscale(image).convert("RGB")


def on_a_page(image: Image.Image) -> Image.Image:
    """Pasted into a white page with lines of text below."""
    width, height = image.size
    page = Image.new("RGB", (round(width / FRAMED_SHARE), round(height / FRAMED_SHARE)), "white")
    margin = (page.width - width) // 2
    page.paste(image, (margin, margin))
    pen = ImageDraw.Draw(page)
    step = max(4, (page.height - height - margin) // 8)
    for line in range(5):
        top = margin + height + (line + 1) * step
        end = page.width - margin * (1 + line % 2)
        pen.rectangle((margin, top, end, top + step // 2), fill=(70, 70, 70))
    return page


def with_stickers(image: Image.Image) -> Image.Image:
    """A price label and a banner laid over a tenth of the picture."""
    covered = image.copy()
    pen = ImageDraw.Draw(covered)
    width, height = image.size
    across, down = 0.22 * width, 0.22 * height
    pen.ellipse((0.06 * width, 0.06 * height, 0.06 * width + across, 0.06 * height + down), "gold")
    pen.rectangle((0, 0.86 * height, width, 0.94 * height), (200, 30, 40))
    return covered


def several(image: Image.Image) -> Image.Image:
    """Mirrored, turned, cropped, darkened and compressed twice."""
    return compress(_small(darken(crop(rotate(mirror(image))))))


def _small(image: Image.Image) -> Image.Image:
    return compress(image.resize((max(1, image.width // 2), max(1, image.height // 2))))


EDITS: Final[Mapping[str, Change]] = {
    **{name: change for name, change in CHANGES.items() if name != "cut out, on white"},
    "crop to 64 %": half_crop,
    "recolored": recolored,
    "gray": gray,
    "on a page": on_a_page,
    "stickers": with_stickers,
    "several at once": several,
}
