"""Where the garment lies in a photograph, estimated from colour alone.

No segmentation network is at hand, so this is GrabCut's idea without its graph: what the frame
of the picture is made of is background, colours of the middle that the frame lacks are garment,
and the two sets of colours are refitted in turn (Rother et al., SIGGRAPH 2004). It works where
the garment differs from what it lies on and is whole in the picture; elsewhere the answer is
None rather than half a garment.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

MIN_SHARE: Final = 0.10
"""Least share of the picture that a garment fills."""
MAX_SHARE: Final = 0.75
"""Largest share of the picture that a garment fills."""
MAX_FRAME_SHARE: Final = 0.08
"""Largest share of the frame that a whole garment touches."""
MIN_SOLID_SHARE: Final = 0.85
"""Least share of a piece that is thicker than a few pixels: letters of a print are not."""
MIN_CONTRAST: Final = 18.0
"""Least colour distance between the two sides of the outline, of 255 per channel."""

_SIDE_PIXELS: Final = 128
_FRAME: Final = 0.04
_COLORS: Final = 5
_SAMPLE: Final = 2000
_ROUNDS: Final = 4


def garment_mask(image: Image.Image) -> NDArray[np.bool_] | None:
    """Estimate which pixels of a photograph of one garment are the garment.

    Args:
        image: RGB, the garment in the middle, the background reaching the frame.

    Returns:
        (H, W) bool, one piece without holes; None where the two cannot be told apart.
    """
    scale = _SIDE_PIXELS / max(image.size)
    small = image.resize((max(8, round(image.width * scale)), max(8, round(image.height * scale))))
    colors = np.asarray(small.filter(ImageFilter.GaussianBlur(1)).convert("YCbCr"), np.float32)
    frame = _frame(colors.shape[0], colors.shape[1])
    mask = _one_piece(_separated(colors, frame))
    if not _is_whole(mask, frame) or _contrast(colors, mask) < MIN_CONTRAST:
        return None
    soft = Image.fromarray(mask.astype(np.uint8) * 255).resize(image.size, Image.Resampling.BICUBIC)
    return np.asarray(soft) >= 128


def _frame(height: int, width: int) -> NDArray[np.bool_]:
    edge = max(2, round(_FRAME * max(height, width)))
    frame = np.ones((height, width), dtype=bool)
    frame[edge:-edge, edge:-edge] = False
    return frame


def _separated(colors: NDArray[np.float32], frame: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W) pixels nearer to the garment's colours than to the background's."""
    ground = _palette(colors[frame])
    middle = _middle(*frame.shape)
    distance = _distance(colors, ground)
    mask = middle & (distance >= np.median(distance[middle]))
    for _ in range(_ROUNDS):
        gain = _distance(colors, ground) - _distance(colors, _palette(colors[mask]))
        mask = (_blurred(gain) > 0) & ~frame
        if mask.sum() < _COLORS or (~mask).sum() < _COLORS:
            break
        ground = _palette(colors[~mask])
    return mask


def _middle(height: int, width: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.asarray(x**2 + y**2 < 0.6**2)


def _palette(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, 3) cluster centres of (N, 3) colours: k-means from evenly spaced brightness."""
    # Five centres are as well placed by a sample, and four times as fast.
    colors = colors[:: 1 + len(colors) // _SAMPLE]
    order = colors[np.argsort(colors[:, 0], kind="stable")]
    spread = np.linspace(0, len(order) - 1, 2 * _COLORS + 1).astype(int)[1::2]
    centres: NDArray[np.float32] = order[spread]
    for _ in range(6):
        nearest = _squared_distances(colors, centres).argmin(axis=1)
        for k in np.unique(nearest):
            centres[k] = colors[nearest == k].mean(axis=0)
    return centres


def _distance(colors: NDArray[np.float32], palette: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) distance of each pixel to the nearest colour of a palette."""
    squared = _squared_distances(colors.reshape(-1, 3), palette).min(axis=1)
    return np.asarray(np.sqrt(squared).reshape(colors.shape[:2]))


def _squared_distances(
    colors: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N, K) from (N, 3) to (K, 3), as one product of matrices."""
    products = colors @ centres.T
    squared = (colors**2).sum(axis=1, keepdims=True) - 2 * products + (centres**2).sum(axis=1)
    return np.asarray(np.maximum(squared, 0))


def _blurred(field: NDArray[np.float32]) -> NDArray[np.float32]:
    # Pillow's Gaussian blur knows 8 bits only.
    levels = np.clip(field * 2 + 128, 0, 255).astype(np.uint8)
    soft = Image.fromarray(levels).filter(ImageFilter.GaussianBlur(1.5))
    return np.asarray(soft, np.float32) - 128


def _one_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What hangs together with the middle, its holes filled."""
    smooth = np.asarray(_picture(mask).filter(ImageFilter.MedianFilter(5))) > 0
    piece = _reached(_middle(*mask.shape) & smooth, smooth)
    border = np.ones_like(mask)
    border[1:-1, 1:-1] = False
    return ~_reached(border & ~piece, ~piece)


def _reached(start: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of `allowed` connected to `start`."""
    reached = start & allowed
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        sideways = grown.copy()
        grown[:, 1:] |= sideways[:, :-1]
        grown[:, :-1] |= sideways[:, 1:]
        grown &= allowed
        if (grown == reached).all():
            return reached
        reached = grown


def _picture(mask: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * 255)


def _is_whole(mask: NDArray[np.bool_], frame: NDArray[np.bool_]) -> bool:
    if not MIN_SHARE <= mask.mean() <= MAX_SHARE:
        return False
    picture = _picture(mask)
    touching = (np.asarray(picture.filter(ImageFilter.MaxFilter(5))) > 0)[frame].mean()
    thick = picture.filter(ImageFilter.MinFilter(7)).filter(ImageFilter.MaxFilter(7))
    solid = (np.asarray(thick) > 0).sum() / mask.sum()
    return bool(touching <= MAX_FRAME_SHARE and solid >= MIN_SOLID_SHARE)


def _contrast(colors: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Median colour distance across the outline, a few pixels to either side of it."""
    near = np.asarray(_picture(mask).filter(ImageFilter.MaxFilter(9))) > 0
    core = np.asarray(_picture(mask).filter(ImageFilter.MinFilter(9))) > 0
    inside, outside = mask & ~core, near & ~mask
    if not inside.any() or not outside.any():
        return 0.0
    return float(np.median(_distance(colors, _palette(colors[outside]))[inside]))
