"""From the bytes of a photograph to the network's input.

Training, evaluation and serving all decode here, so they see the same pixels. Every bad input
ends in :class:`UndecodableImage`: Pillow reports damage through a dozen exception types, and
which one is no business of callers. Limits are checked on the header, before pixels are
allocated; the limit on bytes belongs to whoever reads the upload.
"""

import contextlib
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from api_schemas.card import Preprocessing

MAX_IMAGE_PIXELS: Final = 50_000_000
"""Largest width x height accepted, pixels."""
MIN_SIDE_PIXELS: Final = 8
"""Shortest side accepted, pixels: below it there is no garment to see."""

# An MPO is a JPEG with further pictures after the first; Pillow finds it behind "JPEG".
MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

# A box reduction goes ahead of the antialiased filter: resizing 12 megapixels takes 27 ms instead
# of 95, and photographs differ by less than one grey level on average.
_REDUCING_GAP: Final = 2.0

_RANGES: Final = (1.0, 255.0, 65535.0, 2.0**32 - 1)

_ORIENTATION_TAG: Final = 0x0112
_SIDEWAYS: Final = (5, 6, 7, 8)
"""EXIF orientations that lie on their side."""
_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UndecodableImage(ValueError):  # noqa: N818 - says what is wrong with the image
    """The bytes are no image that can be read; ``reason`` is a sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode, orient, flatten on white and fit an image to the network's input size.

    Args:
        data: a JPEG, PNG, WebP, GIF, BMP or TIFF file; of several frames the first is read.
        preprocessing: gives the size ``S`` and how to fit.

    Returns:
        (S, S, 3) uint8, RGB, C-contiguous.

    Raises:
        UndecodableImage: for every input that is not a whole image within the limits.
    """
    try:
        return _decode(data, preprocessing)
    except UndecodableImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise UndecodableImage(
            f"the image is too large: at most {MAX_IMAGE_PIXELS / 1e6:g} megapixels are allowed"
        ) from exc
    except UnidentifiedImageError as exc:
        raise UndecodableImage("the file is not a JPEG, PNG, WebP, GIF, BMP or TIFF image") from exc
    # Damaged files reach every corner of Pillow's parsers (OSError, SyntaxError, struct.error,
    # KeyError, OverflowError, zlib.error, MemoryError, ...).
    except Exception as exc:
        raise UndecodableImage("the image file is damaged or truncated") from exc


def decode_file(file: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """`decode` of a file's bytes; the message names the file.

    Raises:
        OSError: it cannot be read.
        UndecodableImage: it is no image.
    """
    try:
        return decode(file.read_bytes(), preprocessing)
    except UndecodableImage as exc:
        raise UndecodableImage(f"{file}: {exc.reason}") from exc


def normalise(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Turn decoded pixels into the network's input: ``(x / 255 - mean) / std``, channels first.

    Args:
        pixels: (B, S, S, 3) uint8, RGB.
        preprocessing: gives mean and std.

    Returns:
        (B, 3, S, S) float32, C-contiguous.
    """
    mean = np.asarray(preprocessing.mean, dtype=np.float32).reshape(1, 3, 1, 1)
    std = np.asarray(preprocessing.std, dtype=np.float32).reshape(1, 3, 1, 1)
    planes = pixels.transpose(0, 3, 1, 2).astype(np.float32, order="C")  # (B, 3, S, S)
    planes *= 1.0 / (255.0 * std)
    planes -= mean / std
    return planes


def media_type(data: bytes) -> str | None:
    """Name the media type by the header, whatever the file was called; None if not an image."""
    try:
        with _open(data) as image:
            return MEDIA_TYPES.get(image.format or "")
    except Exception:
        return None


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height of a picture as people see it, pixels; of a file that could be decoded."""
    with _open(data) as image:
        width, height = image.size
        if image.format == "PNG":  # which may carry its orientation behind the pixels
            with contextlib.suppress(Exception):
                image.load()
        sideways = _orientation(image) in _SIDEWAYS
    return (height, width) if sideways else (width, height)


def _decode(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    if not data:
        raise UndecodableImage("the file is empty")
    with _open(data) as image:
        _check_limits(image.size)
        size = _fitted_size(image.size, preprocessing)
        # Only JPEG does anything here: it decodes at 1/2, 1/4 or 1/8 scale, never below `size`.
        image.draft(image.mode, size)
        image.load()
        orientation = _orientation(image)
        small = _resize(_resizable(image), size)
    rgb = _flatten(small)
    if orientation in _TRANSPOSITIONS:
        rgb = rgb.transpose(_TRANSPOSITIONS[orientation])
    return _centre_on_white(np.asarray(rgb), preprocessing.input_size)


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(BytesIO(data), formats=_FORMATS)


def _check_limits(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_IMAGE_PIXELS:
        raise UndecodableImage(
            f"the image is {width} x {height} pixels; "
            f"at most {MAX_IMAGE_PIXELS / 1e6:g} megapixels are allowed"
        )
    if min(width, height) < MIN_SIDE_PIXELS:
        raise UndecodableImage(
            f"the image is {width} x {height} pixels; "
            f"both sides must be at least {MIN_SIDE_PIXELS} pixels"
        )


def _fitted_size(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    side = preprocessing.input_size
    if preprocessing.fit == "squash":
        return side, side
    longer = max(size)
    width, height = (max(1, round(length * side / longer)) for length in size)
    return width, height


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation, read after loading: PNG may carry it behind the pixels."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # Damaged EXIF is common in the wild and does not spoil the pixels.
        return 1


def _resizable(image: Image.Image) -> Image.Image:
    """Bring the mode to one the antialiased filter handles without mixing palette indices."""
    if image.has_transparency_data and image.mode not in ("RGBA", "LA", "RGBa", "La"):
        return image.convert("RGBA")
    if image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        return image.convert("RGB")
    return image.convert("L") if image.mode == "1" else image


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    # Pillow's box reduction does not know the 16-bit modes.
    gap = None if image.mode.startswith("I;16") else _REDUCING_GAP
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=gap)


def _flatten(image: Image.Image) -> Image.Image:
    """RGB on white; on the resized image, since averaging and compositing commute."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_8_bit(np.asarray(image), wide=image.mode.startswith("I;16")))
    if image.mode in ("RGBA", "LA", "RGBa", "La"):
        straight = image.convert("RGBA")
        white = Image.new("RGBA", straight.size, "white")
        return Image.alpha_composite(white, straight).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: NDArray[np.generic], *, wide: bool) -> NDArray[np.uint8]:
    """Scale grey levels to 0..255: 16-bit by its range, others by the least range that holds them.

    Float and 32-bit files do not say what white is, so the candidates are 1, 255, 65535 and the
    32-bit maximum.
    """
    levels = values.astype(np.float64)
    if not np.isfinite(levels).all():
        raise UndecodableImage("the image contains values that are not finite numbers")
    peak = levels.max()
    ranges = (65535.0,) if wide else _RANGES if values.dtype.kind == "f" else _RANGES[1:]
    white = next((top for top in ranges if peak <= top), float(peak))
    return np.rint(np.clip(levels / white, 0.0, 1.0) * 255.0).astype(np.uint8)


def _centre_on_white(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    canvas = np.full((side, side, 3), 255, dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = rgb
    return canvas
