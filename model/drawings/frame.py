"""How a garment's centimetres lie on the canvas: scaled, then tilted, then shifted."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.drawings.shapes import Button, Points

SUPERSAMPLING: Final = 3
"""Canvas pixels per picture pixel, each way."""


@dataclass(frozen=True)
class Frame:
    """How centimetres lie on the supersampled canvas: scale, then tilt, then shift."""

    size: int
    scale: float
    tilt: float
    middle: tuple[float, float]
    centre: tuple[float, float]
    length: float

    @classmethod
    def around(
        cls, every: Points, *, size: int, fill: float, tilt: float, shift: tuple[float, float]
    ) -> "Frame":
        """Fit points so that the longer extent takes the share `fill` of the picture's side."""
        low, high = every.min(axis=0), every.max(axis=0)
        middle, side = (low + high) / 2, size * SUPERSAMPLING
        return cls(
            size=size,
            scale=fill * side / float(max(high - low)),
            tilt=tilt,
            middle=(float(middle[0]), float(middle[1])),
            centre=(side * (0.5 + shift[0]), side * (0.5 + shift[1])),
            length=float(high[1]),
        )

    @property
    def side(self) -> int:
        """Side of the supersampled canvas, pixels."""
        return self.size * SUPERSAMPLING

    def pixels(self, line: Points) -> list[tuple[float, float]]:
        """Where a line lies on the canvas, as Pillow takes it."""
        x, y = (line - self.middle).T * self.scale
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        xy = np.stack([x * c - y * s + self.centre[0], x * s + y * c + self.centre[1]], axis=1)
        return [(float(px), float(py)) for px, py in xy]

    def disc(self, button: Button) -> tuple[float, float, float, float]:
        """Bounding box of a button on the canvas."""
        ((x, y),) = self.pixels(np.array([button.centre]))
        r = button.radius * self.scale
        return x - r, y - r, x + r, y + r

    def centimetres(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Garment coordinates x, y of canvas pixels."""
        c, s = np.float32(np.cos(self.tilt)), np.float32(np.sin(self.tilt))
        x = ((columns - self.centre[0]) / self.scale).astype(np.float32)
        y = ((rows - self.centre[1]) / self.scale).astype(np.float32)
        across, along = np.float32(self.middle[0]), np.float32(self.middle[1])
        return x * c + y * s + across, y * c - x * s + along
