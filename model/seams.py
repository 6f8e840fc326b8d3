"""Whether a picture that lies within another ends there in a seam.

A crop goes on beyond its edge in the picture it was cut from; a picture that was pasted into a
page, or put into a frame, ends where the page begins. So the two ways for one picture to lie
within another are told apart.
"""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

SEAM: Final = 0.2
"""From here on it is one."""
_SAMPLES: Final = 24
_ENDS: Final = 0.08  # of a side, at each end, that is left out
_SHORTEST: Final = 8.0  # pixels
_FEWEST: Final = 6  # samples of a side that lie within the other picture
_STEP: Final = 1.5  # pixels from the outline to what lies on either side of it
_BESIDE: Final = 3 * _STEP  # pixels from the outline to what both sides are like without a seam
_OFFSETS: Final = _STEP * np.arange(-5, 6)  # pixels outwards: three steps inside, over, outside
_NOISE: Final = 6.0  # grey levels
_SMOOTH: Final = 0.7  # pixels


def seam(grey: NDArray[np.uint8], box: Box, corners: NDArray[np.float64]) -> float:
    """How much more a picture changes across an outline than beside it.

    Args:
        grey: (H, W) uint8, the outer picture.
        box: x, y, width and height of what of it is picture, pixels.
        corners: (4, 2), of the outline, x and y in pixels, one after the other.

    Returns:
        0 for no seam, or where no side of the outline lies within the picture, to 1.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), _SMOOTH).astype(np.float32)
    sides = list(_sides(smooth, box, corners))
    return float(np.mean(sides)) if sides else 0.0


def _sides(smooth: NDArray[np.float32], box: Box, corners: NDArray[np.float64]) -> Iterator[float]:
    centre = corners.mean(axis=0)
    along = np.linspace(_ENDS, 1.0 - _ENDS, _SAMPLES)[:, None]
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        if length < _SHORTEST:
            continue
        across = np.array([end[1] - start[1], start[0] - end[0]]) / length
        if np.dot(across, centre - start) > 0:
            across = -across  # outwards
        line = start + (end - start) * along
        there = _within(line + across * _BESIDE, box) & _within(line - across * _BESIDE, box)
        if there.sum() >= _FEWEST:
            yield _strength(smooth, line[there], across)


def _strength(
    smooth: NDArray[np.float32], line: NDArray[np.float64], across: NDArray[np.float64]
) -> float:
    points = (line + across * _OFFSETS[:, None, None]).astype(np.float32)  # (11, N, 2)
    levels = cv2.remap(
        smooth,
        points[..., 0],
        points[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    steps = np.abs(levels[2:] - levels[:-2])  # (9, N)
    # The map is right to a pixel or two: a step is looked for on either side of where it says, and
    # in the same way beside it, since the largest of three is large in any texture.
    inside, over, outside = np.median(steps.reshape(3, 3, -1).max(axis=1), axis=1).tolist()
    beside = max(inside, outside)
    return float(max(0.0, (over - beside) / (over + beside + _NOISE)))


def _within(points: NDArray[np.float64], box: Box) -> NDArray[np.bool_]:
    x, y, width, height = box
    across, down = points[:, 0], points[:, 1]
    return np.asarray(
        (across > x) & (across < x + width) & (down > y) & (down < y + height), np.bool_
    )
