"""Drawn garments among the photographs of a batch: labels that are exact, at no one's cost.

What a photograph rarely teaches (three hundred skirts in all) a drawing teaches as often as
asked. Drawings are put on other grounds and get wrinkles and noise, so that they are not told
apart by their clean ground. Of a drawing it is also known where each part is, so that attention
can be taught to look there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.attention import RIGHT_PARTS
from model.drawings import ATTRIBUTES, Design
from model.drawings.numbered import Drawn
from model.labels import NOT_VISIBLE
from model.training.grounds import Grounds, as_images

COUNT: Final = 4000
SIDE_PIXELS: Final = 144
PART_CELLS: Final = 36
"""Parts are kept as coverage of a grid this many cells across."""
_FIRST_SEED: Final = 1_000_000  # drawings that are measured with have small seeds
_ON_GROUND: Final = 0.85  # share whose ground is replaced
_WRINKLES: Final = ((7, 0.5), (24, 0.25))  # cells across, strength
_NOISE: Final = 0.02


@dataclass(frozen=True)
class DrawnGarments:
    """Drawings kept in memory.

    Attributes:
        pictures: (N, P, P, 3) uint8.
        garments: (N, P, P) bool, where the garment is.
        parts: (N, A, PART_CELLS, PART_CELLS) uint8, share of each cell, of 255, that shows the
            attribute; all 0 for an attribute that is not there to be seen.
        values: (N, A) int64, value index or -1.
        visible: (N, A) float32, 1 or 0, NaN for an attribute that drawings do not have.
    """

    pictures: NDArray[np.uint8]
    garments: NDArray[np.bool_]
    parts: NDArray[np.uint8]
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
        every = [
            Drawn.numbered(number, _FIRST_SEED + seed, side=SIDE_PIXELS) for number in range(count)
        ]
        return cls(
            pictures=np.stack([np.asarray(drawn.picture()) for drawn in every]),
            garments=np.stack([_whole(drawn) for drawn in every]),
            parts=np.stack([_parts(drawn, attributes) for drawn in every]),
            values=torch.tensor([_values(d.design, attributes, value_names) for d in every]),
            visible=torch.tensor([_visible(d.design, attributes) for d in every]),
        )

    def sample(
        self, count: int, grounds: Grounds, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Some of them, on other grounds.

        Args:
            count: how many, n.
            grounds: what comes behind.
            generator: of the CPU.

        Returns:
            Rows (n,) int64 and pictures (n, 3, P, P) float32 in 0..1.
        """
        rows = torch.randint(len(self.pictures), (count,), generator=generator)
        picture = as_images(self.pictures[rows.numpy()])
        garment = torch.from_numpy(self.garments[rows.numpy()]).float().unsqueeze(1)
        side = picture.shape[-1]
        shade = torch.ones(count, 1, side, side)
        for cells, strength in _WRINKLES:
            coarse = torch.rand(count, 1, cells, cells, generator=generator) - 0.5
            depth = strength * torch.rand(count, 1, 1, 1, generator=generator)
            shade = shade + depth * F.interpolate(coarse, size=(side, side), mode="bicubic")
        replaced = torch.rand(count, 1, 1, 1, generator=generator) < _ON_GROUND
        ground = torch.where(replaced, grounds.sample(count, side, generator), picture)
        mixed = picture * shade * garment + ground * (1 - garment)
        noise = _NOISE * torch.randn(mixed.shape, generator=generator)
        return rows, (mixed + noise).clamp(0, 1)

    def parts_of(self, rows: Tensor) -> Tensor:
        """(n, A, PART_CELLS, PART_CELLS) float32 in 0..1 of some rows."""
        return torch.from_numpy(self.parts[rows.numpy()]).float() / 255


def _whole(drawn: Drawn) -> NDArray[np.bool_]:
    return np.asarray(np.any(list(drawn.masks().values()), axis=0))


def _parts(drawn: Drawn, attributes: Sequence[str]) -> NDArray[np.uint8]:
    """(A, PART_CELLS, PART_CELLS): the attribute's own part, or the garment where it has none."""
    parts = np.zeros((len(attributes), PART_CELLS, PART_CELLS), np.uint8)
    for index, name in enumerate(attributes):
        if getattr(drawn.design, name, NOT_VISIBLE) == NOT_VISIBLE:
            continue
        part = RIGHT_PARTS[name](drawn) if name in RIGHT_PARTS else _whole(drawn)
        if part is not None:
            cell = SIDE_PIXELS // PART_CELLS
            cells = part.reshape(PART_CELLS, cell, PART_CELLS, cell).mean(axis=(1, 3))
            parts[index] = np.rint(255 * cells).astype(np.uint8)
    return parts


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
