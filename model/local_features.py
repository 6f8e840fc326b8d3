"""A picture as points, for finding it again within another.

The points are SIFT's (Lowe, IJCV 2004), described so that a dot product compares them by the
Hellinger kernel (Arandjelovic and Zisserman, CVPR 2012). Beside them goes a small grey picture, and
where the network looks.
"""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from api_schemas.card import Preprocessing
from model import pixels

SIDE: Final = 320
"""Pixels of the square that a picture is fitted into to find its points."""
COARSE: Final = 160
"""Pixels of the square in which pictures are laid one on the other."""
POINTS: Final = 400
"""At most, of a picture: those of most contrast."""
_CONTRAST: Final = 0.02
_MARGIN: Final = 7  # pixels: nearer to the picture's edge it is the edge that is found

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

# On pictures this small threads gain nothing, and the network's are busy.
cv2.setNumThreads(1)


class LocalFeatures(NamedTuple):
    """A picture as points.

    Attributes:
        points: (N, 2) float32, x and y in the square of ``SIDE`` pixels.
        descriptors: (N, 128) float32, unit length.
        grey: (COARSE, COARSE) uint8, the square.
        inside: (COARSE, COARSE) uint8, 1 where it shows the picture, 0 where it is padded.
        weights: (COARSE, COARSE) float32, where the network looks; mean 1 over the picture.
        box: x, y, width and height of the picture within the square, in its pixels.
    """

    points: Floats
    descriptors: Floats
    grey: NDArray[np.uint8]
    inside: NDArray[np.uint8]
    weights: Floats
    box: Box


def features_of_file(data: bytes, attention: Floats, preprocessing: Preprocessing) -> LocalFeatures:
    """The points of an image file.

    Args:
        data: the file.
        attention: (K, h, w), the network's maps of this picture.
        preprocessing: of the network.

    Raises:
        UndecodableImage: it is no image.
    """
    square = pixels.decode(data, squared(preprocessing))
    return local_features(square, pixels.upright_size(data), attention, preprocessing)


def squared(preprocessing: Preprocessing) -> Preprocessing:
    """The network's preprocessing, but for the size that points are found at."""
    return preprocessing.model_copy(update={"input_size": SIDE})


def local_features(
    square: NDArray[np.uint8],
    size: tuple[int, int],
    attention: Floats,
    preprocessing: Preprocessing,
) -> LocalFeatures:
    """The points of a decoded picture.

    Args:
        square: (SIDE, SIDE, 3) uint8, RGB, as `squared` fits it.
        size: width and height of the picture, upright, in any unit.
        attention: (K, h, w), the network's maps of this picture.
        preprocessing: of the network.
    """
    grey = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), np.uint8)
    box = _box(size, preprocessing)
    points, descriptors = _points(grey, _inside(box, SIDE))
    inside, coarse = _inside(box, COARSE), (COARSE, COARSE)
    looked = cv2.resize(attention.mean(axis=0, dtype=np.float32), coarse) * inside
    return LocalFeatures(
        points,
        descriptors,
        np.asarray(cv2.resize(grey, coarse, interpolation=cv2.INTER_AREA), np.uint8),
        inside,
        np.asarray(looked * (inside.sum() / max(float(looked.sum()), 1e-9)), np.float32),
        box,
    )


def _points(grey: NDArray[np.uint8], inside: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    kernel = np.ones((_MARGIN, _MARGIN), np.uint8)
    within = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    sift = cv2.SIFT.create(
        # Without the last, points lie off by a share of their scale, otherwise in a mirror.
        nfeatures=POINTS,
        contrastThreshold=_CONTRAST,
        enable_precise_upscale=True,
    )
    found, descriptors = sift.detectAndCompute(grey, within)
    if descriptors is None or not len(found):
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
    return (
        np.array([point.pt for point in found], np.float32),
        np.sqrt(descriptors / sums).astype(np.float32),
    )


def _box(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    if preprocessing.fit == "squash":
        return 0.0, 0.0, float(SIDE), float(SIDE)
    width, height = (max(1.0, length * SIDE / max(size)) for length in size)
    return (SIDE - width) / 2, (SIDE - height) / 2, width, height


def _inside(box: Box, side: int) -> NDArray[np.uint8]:
    """1 where a square of that many pixels shows any of the picture."""
    x, y, width, height = (length * side / SIDE for length in box)
    inside = np.zeros((side, side), np.uint8)
    inside[int(y) : math.ceil(y + height), int(x) : math.ceil(x + width)] = 1
    return inside
