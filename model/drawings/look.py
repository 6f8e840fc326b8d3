"""Everything about a drawing that is not the design: pose, proportions, shades, background.

A look is drawn from the generator whole and before the design is consulted, so two designs
under equal generators share pose and shades, and differ in the design alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

Rgb = tuple[float, float, float]
"""Red, green, blue, each 0..255."""

COLORS: Final[Mapping[str, Rgb]] = {
    "black": (38, 38, 42),
    "white": (247, 247, 245),
    "gray": (152, 155, 159),
    "navy": (33, 44, 84),
    "blue": (66, 120, 192),
    "red": (192, 42, 48),
    "pink": (238, 156, 182),
    "purple": (122, 74, 156),
    "green": (62, 128, 80),
    "yellow": (243, 208, 72),
    "orange": (234, 128, 48),
    "brown": (116, 76, 52),
    "beige": (217, 198, 168),
}
MULTI: Final[tuple[Rgb, ...]] = tuple(
    COLORS[name] for name in ("red", "yellow", "blue", "green", "white", "purple", "orange")
)
_BACKGROUNDS: Final[tuple[Rgb, ...]] = (
    (236, 234, 230),
    (228, 231, 235),
    (240, 238, 236),
    (231, 226, 219),
    (222, 228, 226),
)


@dataclass(frozen=True)
class Look:
    """One draughtsman's mood. Lengths in centimetres of garment, angles in radians."""

    zoom: float
    tilt: float
    shift: tuple[float, float]
    ease: float
    length: float
    flare: float
    sleeve_angle: float
    sleeve_width: float
    neck: float
    collar: float
    line: float
    shade: float
    tint: tuple[float, float, float]
    background: Rgb
    pattern_scale: float
    pattern_style: float
    pattern_turn: float
    second: float
    texture_seed: int

    def fabric(self, color: str) -> Rgb:
        """The named colour in this look's shade; for multi, its first colour."""
        base = np.array(COLORS.get(color, MULTI[0]))
        # Black and white keep close to themselves: a light black is a gray.
        swing = 0.25 if color in ("black", "white", "navy") else 1.0
        shaded = base * (1 + self.shade * swing) + np.array(self.tint) * swing
        red, green, blue = np.clip(shaded, 0, 252)
        return float(red), float(green), float(blue)

    def pattern_colors(self, color: str) -> tuple[Rgb, ...]:
        """Ground first, then the colours printed on it, all well apart from the ground."""
        if color == "multi":
            turn = int(self.second * len(MULTI))
            return MULTI[turn:] + MULTI[:turn]
        ground = self.fabric(color)
        apart = [rgb for rgb in COLORS.values() if abs(luminance(rgb) - luminance(ground)) > 75]
        start = int(self.second * len(apart))
        step = 1 + int(self.second * 977) % 3
        return ground, *(apart[(start + step * number) % len(apart)] for number in range(3))


def sample_look(rng: np.random.Generator) -> Look:
    """Draw one look; always consumes the generator alike."""

    def around(middle: float, spread: float) -> float:
        return float(rng.uniform(middle - spread, middle + spread))

    return Look(
        zoom=around(0.93, 0.05),
        tilt=around(0.0, 0.05),
        shift=(around(0.0, 0.02), around(0.0, 0.02)),
        ease=around(1.0, 0.08),
        length=around(1.0, 0.05),
        flare=around(0.5, 0.5),
        sleeve_angle=around(0.46, 0.16),
        sleeve_width=around(1.0, 0.12),
        neck=around(1.0, 0.06),
        collar=around(1.0, 0.1),
        line=around(1.0, 0.2),
        shade=around(0.0, 0.08),
        tint=(around(0, 9), around(0, 9), around(0, 9)),
        background=_BACKGROUNDS[int(rng.integers(len(_BACKGROUNDS)))],
        pattern_scale=around(1.0, 0.3),
        pattern_style=around(0.5, 0.5),
        pattern_turn=around(0.0, 0.04),
        second=around(0.4995, 0.4995),
        texture_seed=int(rng.integers(2**31)),
    )


def luminance(rgb: Rgb) -> float:
    """Perceived brightness, 0..255 (Rec. 601)."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
