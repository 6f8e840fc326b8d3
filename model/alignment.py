"""Where one picture lies in another: points that match, and the affine map that they obey.

An edited copy shows the same points of the same picture, moved all alike: vectors of whole
pictures hint at it, pairs of points show it. The points are SIFT's (Lowe, IJCV 2004), compared by
the Hellinger kernel (Arandjelovic and Zisserman, CVPR 2012); the map is found by RANSAC (Fischler
and Bolles, CACM 1981), as it is and mirrored.

Many points agree also where two garments lie on one floor before one camera. So the pictures are
laid one on the other and compared patch by patch, weighted by where the network looks: there the
garments must agree, whatever the floor does.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

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
_RATIO: Final = 0.85  # of the distances to the nearest point and to the one after it
_NEAR: Final = 5.0  # pixels that a point may lie off the map
_PLACE: Final = 4.0  # pixels: points closer together are one place
_LEAST_POINTS: Final = 4
_SCALES: Final = (0.15, 6.0)
_MOST_STRETCH: Final = 2.5
_PATCH: Final = (15, 15)
_NOISE: Final = 9.0  # grey levels squared: variance that is none
_STRONG: Final = 900.0  # grey levels squared: more contrast does not count for more
_LEAST_OVERLAP: Final = 0.02  # of a picture's area
_AGREEMENT: Final = 4.0  # what full agreement is worth, in logarithms of places

# A descriptor has 4 x 4 cells of 8 directions in the point's own frame; a mirror turns that over.
_MIRRORED: Final = np.arange(128).reshape(4, 4, 8)[::-1][:, :, (-np.arange(8)) % 8].ravel()
_AS_IT_IS: Final = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
_TURNED_OVER: Final = np.array([[-1.0, 0.0, SIDE - 1.0], [0.0, 1.0, 0.0]])

Floats = NDArray[np.float32]
Map = NDArray[np.float64]
Corners = tuple[tuple[float, float], ...]
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


class Alignment(NamedTuple):
    """Two pictures, the second laid on the first.

    Attributes:
        points: places whose points match and obey the map; 0 where none was found and the pictures
            were laid one on the other as they are.
        agreement: -1 to 1, correlation of what lies upon another, the mean over patches by
            contrast and by where the network looks in either.
        mirrored: whether one is turned over.
        shown_of_a: share of the first picture that the second shows, 0 to 1.
        shown_of_b: share of the second that the first shows.
        a_in_b: the first's corners from the upper left clockwise, in the second: x and y as shares
            of its width and height.
        b_in_a: the second's corners in the first.
    """

    points: int
    agreement: float
    mirrored: bool
    shown_of_a: float
    shown_of_b: float
    a_in_b: Corners
    b_in_a: Corners


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


def align(a: LocalFeatures, b: LocalFeatures) -> Alignment:
    """Lay one picture on the other in the way that most speaks for it.

    Exchanging the pictures exchanges what is said of each, to the bit.
    """
    if _key(a) <= _key(b):
        return _align(a, b)
    found = _align(b, a)
    return found._replace(
        shown_of_a=found.shown_of_b,
        shown_of_b=found.shown_of_a,
        a_in_b=found.b_in_a,
        b_in_a=found.a_in_b,
    )


def _align(a: LocalFeatures, b: LocalFeatures) -> Alignment:
    found = [_Laid.upon(a, b, map_, points, mirrored) for map_, points, mirrored in _maps(a, b)]
    best = max(found, key=_Laid.worth)
    return Alignment(
        best.points,
        best.agreement,
        best.mirrored,
        best.shown_of_a,
        best.shown_of_b,
        _corners(a.box, best.map, b.box),
        _corners(b.box, np.asarray(cv2.invertAffineTransform(best.map), np.float64), a.box),
    )


def _maps(a: LocalFeatures, b: LocalFeatures) -> Iterator[tuple[Map, int, bool]]:
    """Ways to lay b on a: map from a to b, places that obey it, whether it turns over."""
    for mirrored, unmoved in ((False, _AS_IT_IS), (True, _TURNED_OVER)):
        # Blurred or plain pictures have no points to match, but may lie as they were.
        yield unmoved, 0, mirrored
        if (found := _matched(a, b, mirrored)) is not None:
            yield *found, mirrored


def _matched(a: LocalFeatures, b: LocalFeatures, mirrored: bool) -> tuple[Map, int] | None:
    if min(len(a.points), len(b.points)) < _LEAST_POINTS:
        return None
    turned = a.descriptors[:, _MIRRORED] if mirrored else a.descriptors
    likeness = turned @ b.descriptors.T  # (N, M)
    nearest = likeness.argmax(axis=1)
    rows = np.arange(len(likeness))
    first = likeness[rows, nearest]
    likeness[rows, nearest] = -1.0
    second = likeness.max(axis=1)
    # Squared distances of unit vectors; a point that has two likes in the other tells nothing.
    clear = (1.0 - first) < _RATIO**2 * (1.0 - second)
    if clear.sum() < _LEAST_POINTS:
        return None
    of_a, of_b = a.points[clear], b.points[nearest[clear]]
    map_, obey = cv2.estimateAffine2D(
        of_a, of_b, method=cv2.RANSAC, ransacReprojThreshold=_NEAR, maxIters=1000, confidence=0.99
    )
    if map_ is None or not _plausible(map_, mirrored):
        return None
    there = obey.ravel().astype(bool)
    places = min(
        len(np.unique(np.round(points[there] / _PLACE), axis=0)) for points in (of_a, of_b)
    )
    return map_, places


def _plausible(map_: Map, mirrored: bool) -> bool:
    least, most = np.sort(np.linalg.svd(map_[:, :2], compute_uv=False))
    turned = np.linalg.det(map_[:, :2]) < 0
    within = least >= _SCALES[0] and most <= _SCALES[1] and most <= _MOST_STRETCH * least
    return bool(within and turned == mirrored)


class _Laid(NamedTuple):
    """b laid on a by a map."""

    map: Map
    points: int
    mirrored: bool
    agreement: float
    shown_of_a: float
    shown_of_b: float

    @classmethod
    def upon(
        cls, a: LocalFeatures, b: LocalFeatures, map_: Map, points: int, mirrored: bool
    ) -> "_Laid":
        coarse = map_.copy()
        coarse[:, 2] *= COARSE / SIDE
        overlap = a.inside * _moved(b.inside, coarse, cv2.INTER_NEAREST)
        area, whole = float(overlap.sum()), float(a.inside.sum())
        if area < _LEAST_OVERLAP * whole:
            return cls(map_, points, mirrored, 0.0, 0.0, 0.0)
        scale = abs(float(np.linalg.det(map_[:, :2])))
        return cls(
            map_,
            points,
            mirrored,
            _agreement(a, b, coarse, overlap.astype(np.float32)),
            area / whole,
            min(1.0, area * scale / float(b.inside.sum())),
        )

    def worth(self) -> float:
        """What speaks for this way: places found, and what lies upon another agreeing."""
        return worth_of_points(self.points) + _AGREEMENT * max(self.agreement, 0.0)


def worth_of_points(points: int) -> float:
    """Logarithm of the places beyond those that any map can be made to fit."""
    return float(np.log1p(max(points - _LEAST_POINTS, 0)))


def _agreement(a: LocalFeatures, b: LocalFeatures, coarse: Map, overlap: Floats) -> float:
    grey_a = a.grey * overlap
    grey_b = _moved(b.grey.astype(np.float32), coarse, cv2.INTER_LINEAR) * overlap
    share = np.maximum(_patches(overlap), 1e-6)
    mean_a, mean_b = _patches(grey_a) / share, _patches(grey_b) / share
    together = _patches(grey_a * grey_b) / share - mean_a * mean_b
    contrast_a, contrast_b = (
        np.maximum(_patches(grey * grey) / share - mean * mean, 0.0)
        for grey, mean in ((grey_a, mean_a), (grey_b, mean_b))
    )
    correlation = together / (np.sqrt(contrast_a * contrast_b) + _NOISE)
    # Where one has contrast and the other has none they disagree: the larger counts.
    contrast = np.sqrt(np.minimum(np.maximum(contrast_a, contrast_b), _STRONG) + 1.0)
    looked = a.weights + _moved(b.weights, coarse, cv2.INTER_LINEAR)
    weights = looked * overlap * contrast
    return float((correlation * weights).sum() / max(float(weights.sum()), 1e-6))


def _moved(picture: Any, map_: Map, interpolation: int) -> Any:
    """The second picture as it lies on the first."""
    flags = cv2.WARP_INVERSE_MAP | interpolation
    return cv2.warpAffine(picture, map_, (COARSE, COARSE), flags=flags)


def _patches(values: Floats) -> Floats:
    """Means over patches, 0 beyond the edge."""
    return np.asarray(cv2.boxFilter(values, -1, _PATCH, borderType=cv2.BORDER_CONSTANT), np.float32)


def _points(grey: NDArray[np.uint8], inside: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    kernel = np.ones((_MARGIN, _MARGIN), np.uint8)
    within = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    sift = cv2.SIFT.create(nfeatures=POINTS, contrastThreshold=_CONTRAST)
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


def _corners(
    box: Box,
    map_: NDArray[np.floating],
    other: Box,
) -> Corners:
    x, y, width, height = box
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    moved = corners @ map_[:, :2].T + map_[:, 2]
    within = (moved - other[:2]) / other[2:]
    return tuple((float(across), float(down)) for across, down in within)


def _key(features: LocalFeatures) -> bytes:
    return features.grey.tobytes() + features.weights.tobytes()
