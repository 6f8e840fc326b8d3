"""Drawn garments by number, with the masks of their parts: known answers to measure with.

The look is drawn from a generator of its own, so that picture and masks of one number agree and
a changed design can be drawn under the same look.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.drawings.design import ATTRIBUTES, Design
from model.drawings.painting import draw, part_masks
from model.drawings.wardrobe import random_design
from model.labels import LabelTable

SIDE_PIXELS: Final = 320
"""Side of a picture and of its masks, where nothing else is asked for."""


@dataclass(frozen=True)
class Drawn:
    """One drawn garment; equal seeds and numbers give equal pictures."""

    design: Design
    look: tuple[int, int, int]
    """Seed of the look."""
    side: int = SIDE_PIXELS
    """Of the picture and its masks."""

    @classmethod
    def numbered(cls, number: int, seed: int = 0, *, side: int = SIDE_PIXELS) -> "Drawn":
        """The garment of a number."""
        return cls(random_design(np.random.default_rng((seed, number))), (seed, number, 1), side)

    def picture(self) -> Image.Image:
        """RGB, ``side`` square."""
        return draw(self.design, size=self.side, rng=np.random.default_rng(self.look))

    def masks(self, design: Design | None = None) -> dict[str, NDArray[np.bool_]]:
        """Masks of its parts, or of another design's under the same look, as `part_masks`."""
        return dict(_masks(design or self.design, self.look, self.side))


def drawn_table(count: int, seed: int = 0) -> LabelTable:
    """The labels of the first `count` garments; a row's file is its number, not a file on disk."""
    designs = [asdict(Drawn.numbered(number, seed).design) for number in range(count)]
    return LabelTable(
        files=tuple(Path(str(number)) for number in range(count)),
        splits=("",) * count,
        groups=np.arange(count),
        cells={name: tuple(design[name] for design in designs) for name in ATTRIBUTES},
    )


# Several attributes ask for the same garment's masks one after another.
@lru_cache(maxsize=4)
def _masks(design: Design, look: tuple[int, int, int], side: int) -> dict[str, NDArray[np.bool_]]:
    masks = part_masks(design, size=side, rng=np.random.default_rng(look))
    for mask in masks.values():
        mask.setflags(write=False)
    return masks
