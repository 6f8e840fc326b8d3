"""Drawn garments among the photographs of a batch: labels that are exact, at no one's cost.

What a photograph rarely teaches (three hundred skirts in all) a drawing teaches as often as
asked. Drawings are put on pieces of the training photographs' own floors and walls, and get
wrinkles and noise, so that they are not told apart by their clean ground.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.drawings import ATTRIBUTES, Design, draw, part_masks, random_design
from model.labels import NOT_VISIBLE

COUNT: Final = 4000
SIDE_PIXELS: Final = 144
_ON_FLOOR: Final = 0.85  # share whose ground is replaced
_FLOOR_SHARE: Final = 0.25  # side of the corner taken, of a photograph's side
_WRINKLES: Final = ((7, 0.5), (24, 0.25))  # cells across, strength
_NOISE: Final = 0.02


@dataclass(frozen=True)
class DrawnGarments:
    """Drawings kept in memory.

    Attributes:
        pictures: (N, P, P, 3) uint8.
        garments: (N, P, P) bool, where the garment is.
        values: (N, A) int64, value index or -1.
        visible: (N, A) float32, 1 or 0, NaN for an attribute that drawings do not have.
    """

    pictures: NDArray[np.uint8]
    garments: NDArray[np.bool_]
    values: Tensor
    visible: Tensor

    @classmethod
    def make(
        cls,
        attributes: Sequence[str],
        value_names: Sequence[Sequence[str]],
        *,
        count: int = COUNT,
        seed: int = 0,
    ) -> "DrawnGarments":
        """Draw garments labelled for the attributes that drawings know by the same name.

        Raises:
            ValueError: drawings know none of the attributes.
        """
        if not set(attributes) & set(ATTRIBUTES):
            raise ValueError(
                f"drawn garments have {', '.join(ATTRIBUTES)}; the table has "
                f"{', '.join(attributes)}: train without them"
            )
        rng = np.random.default_rng(seed)
        designs = [random_design(rng) for _ in range(count)]
        looks = rng.integers(2**62, size=count)
        pairs = [_drawn(design, int(look)) for design, look in zip(designs, looks, strict=True)]
        return cls(
            pictures=np.stack([picture for picture, _ in pairs]),
            garments=np.stack([garment for _, garment in pairs]),
            values=torch.tensor([_values(d, attributes, value_names) for d in designs]),
            visible=torch.tensor([_visible(d, attributes) for d in designs]),
        )

    def sample(
        self, count: int, photographs: NDArray[np.uint8], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Some of them, on the floors of some photographs.

        Args:
            count: how many, n.
            photographs: (M, S, S, 3) uint8.
            generator: of the CPU.

        Returns:
            Rows (n,) int64 and pictures (n, 3, P, P) float32 in 0..1.
        """
        rows = torch.randint(len(self.pictures), (count,), generator=generator)
        picture = _as_images(self.pictures[rows.numpy()])
        garment = torch.from_numpy(self.garments[rows.numpy()]).float().unsqueeze(1)
        side = picture.shape[-1]
        shade = torch.ones(count, 1, side, side)
        for cells, strength in _WRINKLES:
            coarse = torch.rand(count, 1, cells, cells, generator=generator) - 0.5
            depth = strength * torch.rand(count, 1, 1, 1, generator=generator)
            shade = shade + depth * F.interpolate(coarse, size=(side, side), mode="bicubic")
        floor = _floors(photographs, count, side, generator)
        replaced = torch.rand(count, 1, 1, 1, generator=generator) < _ON_FLOOR
        ground = torch.where(replaced, floor, picture)
        mixed = picture * shade * garment + ground * (1 - garment)
        noise = _NOISE * torch.randn(mixed.shape, generator=generator)
        return rows, (mixed + noise).clamp(0, 1)


def _drawn(design: Design, look: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    picture = draw(design, size=SIDE_PIXELS, rng=np.random.default_rng(look))
    parts = part_masks(design, size=SIDE_PIXELS, rng=np.random.default_rng(look))
    return np.asarray(picture), np.any(list(parts.values()), axis=0)


def _values(
    design: Design, attributes: Sequence[str], value_names: Sequence[Sequence[str]]
) -> list[int]:
    values = [getattr(design, a) if a in ATTRIBUTES else NOT_VISIBLE for a in attributes]
    return [
        list(names).index(value) if value in names else -1
        for value, names in zip(values, value_names, strict=True)
    ]


def _visible(design: Design, attributes: Sequence[str]) -> list[float]:
    return [
        float(getattr(design, a) != NOT_VISIBLE) if a in ATTRIBUTES else float("nan")
        for a in attributes
    ]


def _floors(
    photographs: NDArray[np.uint8], count: int, side: int, generator: torch.Generator
) -> Tensor:
    """(count, 3, side, side): upper or lower corners of photographs, blown up."""
    size = photographs.shape[1]
    corner = round(size * _FLOOR_SHARE)
    chosen = torch.randint(len(photographs), (count,), generator=generator).numpy()
    top, left = (
        torch.randint(2, (count,), generator=generator).numpy() * (size - corner) for _ in range(2)
    )
    corners = np.stack(
        [
            photographs[row, y : y + corner, x : x + corner]
            for row, y, x in zip(chosen, top, left, strict=True)
        ]
    )
    return F.interpolate(
        _as_images(corners), size=(side, side), mode="bilinear", align_corners=False
    )


def _as_images(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
