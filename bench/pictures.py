"""Uploads as a shop would send them: JPEGs of about 30 KB, no two alike.

What a JPEG costs to decode grows with its bytes, and a clean drawing would compress to a fraction
of a photograph; grain like a camera's brings it to a photograph's size.
"""

import io
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from model.drawings import draw, random_design

SIDE_PIXELS = 400
JPEG_QUALITY = 82
GRAIN = 7.0
"""Standard deviation of the grain, grey levels."""
DISTINCT = 64

_START_OF_IMAGE = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


def pictures() -> Iterator[bytes]:
    """JPEGs without end: garments drawn in turn, each file with a comment of its own.

    The comment makes the bytes, and with them the cache's key, different every time, while every
    file is decoded and embedded like the first.
    """
    return _with_comments([jpeg(number) for number in range(DISTINCT)])


def jpeg(number: int) -> bytes:
    """One garment, always the same for the same number."""
    rng = np.random.default_rng(number)
    levels = np.asarray(draw(random_design(rng), size=SIDE_PIXELS, rng=rng), np.float32)
    levels = levels + rng.normal(0.0, GRAIN, levels.shape).astype(np.float32)
    file = io.BytesIO()
    image = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def _with_comments(files: Sequence[bytes]) -> Iterator[bytes]:
    for number, file in enumerate(itertools.cycle(files)):
        comment = b"%016d" % number
        segment = _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment
        yield _START_OF_IMAGE + segment + file[len(_START_OF_IMAGE) :]
