"""Photographs with their garments on another ground.

The garments are cut out once, by colour (`model.cutting`), where that can be done; the masks are
kept beside the packed photographs.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from torch import Tensor

from model.cutting import garment_mask
from model.training.grounds import Grounds

_SOFT_PIXELS: Final = 3  # width of the mean that softens an outline


@dataclass(frozen=True)
class Cutouts:
    """Where the garments are.

    Attributes:
        masks: (N, P, P) bool; nothing where a garment could not be cut out.
    """

    masks: NDArray[np.bool_]

    @classmethod
    def of(cls, photographs: NDArray[np.uint8], path: Path) -> "Cutouts":
        """Cut out every garment, or read what was cut out before.

        Args:
            photographs: (N, P, P, 3) uint8.
            path: file of the masks, written when it is not there.
        """
        if not path.exists():
            masks = np.zeros(photographs.shape[:3], bool)
            with ThreadPoolExecutor() as pool:
                found = pool.map(lambda pixels: garment_mask(Image.fromarray(pixels)), photographs)
                total = len(photographs)
                for row, mask in enumerate(
                    track(found, description="cutting garments out", total=total)
                ):
                    if mask is not None:
                        masks[row] = mask
            partial = path.with_suffix(".partial.npy")
            np.save(partial, masks)
            partial.rename(path)
        return cls(np.load(path, mmap_mode="r"))

    def on_new_grounds(
        self,
        pictures: Tensor,
        rows: NDArray[np.int64],
        share: float,
        grounds: Grounds,
        generator: torch.Generator,
    ) -> Tensor:
        """Replace what is behind the garments of some pictures.

        Args:
            pictures: (B, 3, P, P) float32 in 0..1 on the CPU.
            rows: (B,) their rows in ``masks``.
            share: of the pictures that can be cut out.
            grounds: what comes behind.
            generator: of the CPU.
        """
        masks = torch.from_numpy(self.masks[rows]).float().unsqueeze(1)
        chosen = torch.rand(len(rows), generator=generator) < share
        replaced = torch.nonzero(chosen & masks.amax(dim=(1, 2, 3)).bool()).squeeze(1)
        if len(replaced) == 0:
            return pictures
        soft = F.avg_pool2d(
            masks[replaced], _SOFT_PIXELS, stride=1, padding=1, count_include_pad=False
        )
        ground = grounds.sample(len(replaced), pictures.shape[-1], generator)
        pictures = pictures.clone()
        pictures[replaced] = pictures[replaced] * soft + ground * (1 - soft)
        return pictures
