"""Where one picture lies in another: the affine map that points of both obey.

An edited copy shows the same points of the same picture, moved all alike: vectors of whole
pictures hint at it, pairs of points show it. The map is found by RANSAC (Fischler and Bolles, CACM
1981), as it is and mirrored.

Many points agree also where two garments lie on one floor before one camera. So the pictures are
laid one on the other and compared patch by patch, weighted by where the network looks: there the
garments must agree, whatever the floor does.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from model.local_features import COARSE, SIDE, Box, Floats, LocalFeatures
from model.seams import seam

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

Map = NDArray[np.float64]
Corners = tuple[tuple[float, float], ...]


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
        seam_of_a: 0 to 1, how much more the second changes across the first's outline than beside
            it; see `model.seams`.
        seam_of_b: the same of the second's outline in the first.
    """

    points: int
    agreement: float
    mirrored: bool
    shown_of_a: float
    shown_of_b: float
    a_in_b: Corners
    b_in_a: Corners
    seam_of_a: float
    seam_of_b: float


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
        seam_of_a=found.seam_of_b,
        seam_of_b=found.seam_of_a,
    )


def _align(a: LocalFeatures, b: LocalFeatures) -> Alignment:
    found = [_Laid.upon(a, b, map_, points, mirrored) for map_, points, mirrored in _maps(a, b)]
    best = max(found, key=_Laid.worth)
    a_in_b = _outline(a.box, best.map)
    b_in_a = _outline(b.box, np.asarray(cv2.invertAffineTransform(best.map), np.float64))
    return Alignment(
        best.points,
        best.agreement,
        best.mirrored,
        best.shown_of_a,
        best.shown_of_b,
        _shares(a_in_b, b.box),
        _shares(b_in_a, a.box),
        _seam(a_in_b, b),
        _seam(b_in_a, a),
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
        coarse = _shrunk(map_)
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


def _shrunk(map_: Map) -> Map:
    """The map between squares of ``COARSE`` pixels.

    Coordinates count from the middle of the first pixel, which is not the same place in both
    sizes: scaling the shift alone would lay what is turned over half a pixel off.
    """
    middle = 0.5 * (SIDE / COARSE - 1)
    coarse = map_.copy()
    coarse[:, 2] = (map_[:, :2].sum(axis=1) * middle + map_[:, 2] - middle) * COARSE / SIDE
    return coarse


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


def _outline(box: Box, map_: Map) -> NDArray[np.float64]:
    """(4, 2): a picture's corners in the other's square, x and y in pixels from its edges."""
    x, y, width, height = box
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    # Maps count from the middle of the first pixel.
    return np.asarray((corners - 0.5) @ map_[:, :2].T + map_[:, 2] + 0.5, np.float64)


def _shares(outline: NDArray[np.float64], box: Box) -> Corners:
    within = (outline - box[:2]) / box[2:]
    return tuple((float(across), float(down)) for across, down in within)


def _seam(outline: NDArray[np.float64], other: LocalFeatures) -> float:
    smaller = COARSE / SIDE
    x, y, width, height = (length * smaller for length in other.box)
    return seam(other.grey, (x, y, width, height), outline * smaller - 0.5)


def _key(features: LocalFeatures) -> bytes:
    return features.grey.tobytes() + features.weights.tobytes()
