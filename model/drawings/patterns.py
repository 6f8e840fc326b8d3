"""What is printed on the cloth: the colour at every point of a garment.

Each pattern is a function of position on the cloth, in centimetres, so it keeps its size
whatever the drawing's resolution, and turns with a sleeve when the sleeve turns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from model.drawings.design import Design
from model.drawings.look import Look, Rgb, luminance

Field = NDArray[np.float32]
"""(N,) float32: one number per point."""
Colors = NDArray[np.float32]
"""(N, 3) float32, 0..255."""

GRAPHIC_CENTRE_CM: Final = (0.0, 34.0)
GRAPHIC_HALF_CM: Final = 10.5
_WORDS: Final = ("ATELIER", "1984", "COAST", "ROMA", "NORTH", "STUDIO")


def cloth(design: Design, look: Look, u: Field, v: Field, *, length: float, front: bool) -> Colors:
    """Colour of the design's cloth at points.

    Args:
        design: gives pattern and colour.
        look: gives shades and the pattern's scale, style and turn.
        u: (N,) float32, centimetres across the grain.
        v: (N,) float32, centimetres along the grain.
        length: from the garment's origin to its lowest point, centimetres.
        front: whether the points lie on the garment's body, where prints are placed.

    Returns:
        (N, 3) float32, 0..255.
    """
    palette = np.array(look.pattern_colors(design.color), dtype=np.float32)
    ground: Colors = np.repeat(palette[:1], len(u), axis=0)
    if design.pattern == "solid" or (design.pattern == "graphic" and not front):
        return ground
    turn = look.pattern_turn
    across, along = u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)
    bolt = _Bolt(palette, look, length, front)
    return _PATTERNS[design.pattern](ground, across, along, bolt)


@dataclass(frozen=True)
class _Bolt:
    """What the patterns are printed with."""

    palette: Colors
    look: Look
    length: float
    front: bool

    @property
    def is_multi(self) -> bool:
        """Whether there is no ground among the colours, only equals."""
        return len(self.palette) > 4


def inside_color(design: Design, look: Look) -> Rgb:
    """The cloth's wrong side, in shadow; lighter than black cloth so that it still shows."""
    ground = np.array(look.fabric(design.color))
    dark = luminance(look.fabric(design.color)) < 60
    red, green, blue = ground + 26 if dark else ground * 0.68
    return float(red), float(green), float(blue)


def _stripe(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    period = 6.0 * bolt.look.pattern_scale
    upright = bolt.look.pattern_style > 0.8
    phase = (u if upright else v) / (period * (0.6 if upright else 1.0))
    if bolt.is_multi:
        turns: Colors = bolt.palette[np.floor(phase).astype(np.int64) % len(bolt.palette)]
        return turns
    share = 0.28 + 0.18 * bolt.look.second
    ground[phase % 1 < share] = bolt.palette[1]
    return ground


def _check(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    period = 8.0 * bolt.look.pattern_scale
    a, b = (u / period) % 1, (v / period) % 1
    if bolt.look.pattern_style < 0.45:  # gingham: half-tone on each band, full where two cross
        crossed = (a < 0.26).astype(np.float32) + (b < 0.26)
        mix = (crossed * 0.42)[:, None]
        ground += (bolt.palette[1] - ground) * mix
        return ground
    for place, width, color in ((0.12, 0.16, 1), (0.62, 0.05, 2), (0.8, 0.05, 1)):
        for axis in (a, b):
            on = np.abs(axis - place) < width / 2
            ground[on] = ground[on] * 0.45 + bolt.palette[color] * 0.55
    return ground


def _dots(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    period = 5.5 * bolt.look.pattern_scale
    du, dv, _ = _staggered(u, v, period)
    ground[np.hypot(du, dv) < period * 0.24] = bolt.palette[1]
    return ground


def _floral(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    period = 11.0 * bolt.look.pattern_scale
    for layer, size in ((0, 0.36), (1, 0.2)):
        du, dv, cell = _staggered(u + layer * period * 0.5, v + layer * period * 0.27, period)
        chance = _chances(bolt.look, layer)[cell[0] % 64, cell[1] % 64]
        du, dv = du + (chance[:, 0] - 0.5) * 2.4, dv + (chance[:, 1] - 0.5) * 2.4
        radius, angle = np.hypot(du, dv), np.arctan2(dv, du) + chance[:, 2] * 6.28
        leaf = (np.abs(np.sin(angle * 0.5 + 0.4)) > 0.94) & (radius < period * size * 1.25)
        ground[leaf & (layer == 0)] = (70, 120, 70)
        petals = radius < period * size * (0.62 + 0.38 * np.abs(np.cos(2.5 * angle)))
        color = bolt.palette[1 + layer] * (0.85 + 0.3 * chance[:, 3:4])
        ground[petals] = np.clip(color, 0, 255)[petals]
        ground[radius < period * size * 0.27] = (238, 190, 70)
    return ground


def _allover(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    if bolt.is_multi or bolt.look.pattern_style < 0.34:  # camouflage
        hills = _hills(u, v, bolt.look)
        cuts = np.linspace(-0.9, 0.9, 6) if bolt.is_multi else (0.25, 0.75, 1.25)
        return bolt.palette.take(np.digitize(hills, cuts) % len(bolt.palette), axis=0)
    period = 7.5 * bolt.look.pattern_scale
    du, dv, cell = _staggered(u, v, period)
    chance = _chances(bolt.look, 0)[cell[0] % 64, cell[1] % 64]
    radius, angle = np.hypot(du, dv), np.arctan2(dv, du) + chance[:, 2] * 6.28
    if bolt.look.pattern_style < 0.67:  # stars
        point = np.abs((angle * 5 / 6.2832) % 1 - 0.5) * 2
        ground[radius < period * (0.17 + 0.25 * point**1.5)] = bolt.palette[1]
        return ground
    wobble = period * (0.3 + 0.08 * np.sin(3 * angle + chance[:, 0] * 6))  # leopard
    ground[radius < wobble] = ground[radius < wobble] * 0.75
    ring = (np.abs(radius - wobble) < period * 0.085) & (
        np.sin(angle * 2 + chance[:, 1] * 6) > -0.6
    )
    ground[ring] = bolt.palette[1]
    return ground


def _block(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    if bolt.is_multi:
        third = bolt.length / 3
        ground[v >= third] = bolt.palette[1]
        ground[v >= 2 * third] = bolt.palette[2]
        ground[(v >= third) & (u > 0)] = bolt.palette[3]
        return ground
    if not bolt.front:  # sleeves and collar keep the ground, or a deep yoke would outweigh it
        return ground
    if bolt.look.pattern_style < 0.5:
        high = 0.36 * bolt.length
        ground[v < high] = bolt.palette[1]
        ground[(v >= high) & (v < high + 3)] = bolt.palette[2]
    else:
        ground[v > 0.63 * bolt.length] = bolt.palette[1]
    return ground


def _lace(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    """A net with blossoms in it; what shows through the holes is darker or paler than the yarn."""
    through = ground * 0.6 if luminance(_rgb(bolt.palette[0])) > 90 else ground * 0.5 + 80
    mesh = 1.9 * bolt.look.pattern_scale
    holes = (np.abs(((u + v) / mesh) % 1 - 0.5) < 0.34) & (
        np.abs(((u - v) / mesh) % 1 - 0.5) < 0.34
    )
    period = 9.0 * bolt.look.pattern_scale
    du, dv, _ = _staggered(u, v, period)
    radius, angle = np.hypot(du, dv), np.arctan2(dv, du)
    edge = period * 0.4 * (0.7 + 0.3 * np.abs(np.cos(3 * angle)))
    blossom = (radius < edge) & (radius > edge * 0.28)
    vein = blossom & (np.abs(radius - edge * 0.72) < 0.35)
    open_ = (holes & ~blossom) | vein
    ground[open_] = through[open_]
    return ground


def _graphic(ground: Colors, u: Field, v: Field, bolt: _Bolt) -> Colors:
    """A picture on the chest with a word below it."""
    x = (u - GRAPHIC_CENTRE_CM[0]) / GRAPHIC_HALF_CM
    y = (v - GRAPHIC_CENTRE_CM[1]) / GRAPHIC_HALF_CM
    radius, angle = np.hypot(x, y + 0.25), np.arctan2(y + 0.25, x)
    disc = radius < 0.72
    if bolt.look.pattern_style < 0.33:  # sun over waves
        ground[disc] = bolt.palette[1]
        ground[disc & (y > -0.1) & ((y * 7) % 1 < 0.4)] = ground[0]
    elif bolt.look.pattern_style < 0.67:  # mountains in a disc
        ground[disc] = bolt.palette[1]
        ridge = np.minimum(np.abs(x + 0.22) * 1.3 - 0.5, np.abs(x - 0.28) * 1.5 - 0.25)
        ground[disc & (y > ridge)] = bolt.palette[2]
    else:  # a star
        point = np.abs(((angle + 1.5708) * 5 / 6.2832) % 1 - 0.5) * 2
        ground[radius < 0.36 + 0.5 * point] = bolt.palette[1]
    word = _word(_WORDS[int(bolt.look.second * len(_WORDS))])
    rows = ((y - 0.62) / 0.34 * word.shape[0]).astype(int)
    columns = ((x + 0.95) / 1.9 * word.shape[1]).astype(int)
    within = (y > 0.62) & (y < 0.96) & (np.abs(x) < 0.95)
    hit = np.zeros(len(u), dtype=bool)
    hit[within] = word[rows[within], columns[within]]
    ground[hit] = bolt.palette[1]
    return ground


@lru_cache(maxsize=len(_WORDS))
def _word(text: str) -> NDArray[np.bool_]:
    font = ImageFont.load_default(size=64)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("1", (int(right - left) + 1, int(bottom - top) + 1))
    ImageDraw.Draw(image).text((-left, -top), text, fill=1, font=font)
    return np.asarray(image)


def _staggered(
    u: Field, v: Field, period: float
) -> tuple[Field, Field, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Offset from the nearest motif of a half-drop lattice, and that motif's cell."""
    row = np.floor(v / (period * 0.87)).astype(np.int64)
    shifted = u / period + (row % 2) * 0.5
    column = np.floor(shifted).astype(np.int64)
    du = ((shifted - column - 0.5) * period).astype(np.float32)
    dv = (v - (row + 0.5) * period * 0.87).astype(np.float32)
    return du, dv, (row, column)


def _chances(look: Look, layer: int) -> Field:
    """(64, 64, 4): per motif four numbers in 0..1."""
    rng = np.random.default_rng((look.texture_seed, layer))
    return rng.random((64, 64, 4), dtype=np.float32)


def _hills(u: Field, v: Field, look: Look) -> Field:
    rng = np.random.default_rng(look.texture_seed)
    height = np.zeros_like(u)
    for _ in range(7):
        angle, phase = rng.uniform(0, 6.28, 2)
        wave = rng.uniform(9, 22) * look.pattern_scale / 6.28
        height += np.sin((u * np.cos(angle) + v * np.sin(angle)) / wave + phase).astype(np.float32)
    return height / np.float32(1.9)


def _rgb(color: Colors) -> Rgb:
    return float(color[0]), float(color[1]), float(color[2])


_PATTERNS: Final[Mapping[str, Callable[[Colors, Field, Field, _Bolt], Colors]]] = {
    "stripe": _stripe,
    "check": _check,
    "floral": _floral,
    "dots": _dots,
    "graphic": _graphic,
    "allover": _allover,
    "block": _block,
    "lace": _lace,
}
