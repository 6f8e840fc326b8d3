"""Other grounds to put garments on, so that a network cannot go by what they lie on.

Half are pieces of the training photographs' own floors and walls, half are made up, busier than
any floor.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.backgrounds import busy_background

BUSY_COUNT: Final = 128
_CORNER_SHARE: Final = 0.25  # side of the corner taken, of a photograph's side
_BUSY_SHARE: Final = 0.5


@dataclass(frozen=True)
class Grounds:
    """What there is to choose from.

    Attributes:
        photographs: (N, S, S, 3) uint8.
        busy: (K, P, P, 3) uint8.
    """

    photographs: NDArray[np.uint8]
    busy: NDArray[np.uint8]

    @classmethod
    def of(
        cls, photographs: NDArray[np.uint8], *, count: int = BUSY_COUNT, seed: int = 0
    ) -> "Grounds":
        """Grounds from some photographs, and ``count`` busy ones of their size."""
        rng = np.random.default_rng((seed, 1))
        size = (photographs.shape[2], photographs.shape[1])
        return cls(
            photographs, np.stack([np.asarray(busy_background(size, rng)) for _ in range(count)])
        )

    def sample(self, count: int, side: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` grounds: (count, 3, side, side) float32 in 0..1."""
        floors = self._floors(count, side, generator)
        chosen = torch.randint(len(self.busy), (count,), generator=generator)
        busy = _resized(self.busy[chosen.numpy()], side)
        is_busy = torch.rand(count, 1, 1, 1, generator=generator) < _BUSY_SHARE
        return torch.where(is_busy, busy, floors)

    def _floors(self, count: int, side: int, generator: torch.Generator) -> Tensor:
        """Upper or lower corners of photographs, blown up."""
        size = self.photographs.shape[1]
        corner = round(size * _CORNER_SHARE)
        chosen = torch.randint(len(self.photographs), (count,), generator=generator).numpy()
        top, left = (
            torch.randint(2, (count,), generator=generator).numpy() * (size - corner)
            for _ in range(2)
        )
        corners = [
            self.photographs[row, y : y + corner, x : x + corner]
            for row, y, x in zip(chosen, top, left, strict=True)
        ]
        return _resized(np.stack(corners), side)


def as_images(pixels: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255


def _resized(pixels: NDArray[np.uint8], side: int) -> Tensor:
    return F.interpolate(as_images(pixels), size=(side, side), mode="bilinear", align_corners=False)
