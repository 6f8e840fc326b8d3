"""What one step of training sees: photographs, some of them on another ground, and drawings.

Photographs are packed larger than the input, so that a crop loses little.
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.labels import LabelTable
from model.training.beyond_labels import (
    mixture,
    out_of_proportion,
    recoloured,
    stretches,
    withheld,
)
from model.training.config import TrainConfig
from model.training.cutouts import Cutouts
from model.training.data import Targets, augment, augment_with_parts, packed_pixels
from model.training.drawn import DrawnGarments
from model.training.grounds import Grounds, as_images
from model.training.losses import Labels
from model.training.validation import normalise

PACK_MARGIN: Final = 1.2
"""Side of a packed photograph over the side of the input."""


class Batch(NamedTuple):
    """What one step sees, photographs first.

    Attributes:
        images: (B, 3, S, S) float32, normalised.
        labels: of the images; drawn garments are each by somebody of its own.
        parts: (n, A, c, c) float32, where each attribute is on the last n images; may be none.
    """

    images: Tensor
    labels: Labels
    parts: Tensor


class Batches:
    """Photographs ready to be mixed.

    Args:
        table: labels of the photographs.
        value_names: values learnt of each attribute.
        config: says what is mixed with them.
        device: where batches go.
        folder: packed photographs lie here, and garments cut out of them.

    Attributes:
        targets: of the photographs.
        groups: (N,) int64, who took each.
    """

    def __init__(
        self,
        table: LabelTable,
        value_names: tuple[tuple[str, ...], ...],
        config: TrainConfig,
        device: torch.device,
        folder: Path,
    ) -> None:
        self.targets = Targets.of(table, value_names)
        self._config, self._device = config, device
        self._attributes = table.attributes
        self.groups = torch.from_numpy(np.unique(table.groups, return_inverse=True)[1])
        larger = round(config.input_size * PACK_MARGIN / 16) * 16
        at_pack = config.preprocessing().model_copy(update={"input_size": larger})
        self._pixels = packed_pixels(table.files, at_pack, folder)
        self._drawn, self._cutouts = None, None
        if config.drawn_share or config.new_ground_share:
            self._grounds = Grounds.of(self._pixels, seed=config.seed)
        if config.drawn_share:
            self._drawn = DrawnGarments.make(table.attributes, value_names, seed=config.seed)
        if config.new_ground_share:
            pack = Path(str(self._pixels.filename))
            self._cutouts = Cutouts.of(self._pixels, pack.with_name(f"garments-{pack.name}"))

    def of(self, rows: Tensor, size: int, generator: torch.Generator) -> Batch:
        """Augmented photographs, then drawings if any.

        Args:
            rows: (b,) int64, the photographs.
            size: side of the pictures.
            generator: of all that is left to chance.
        """
        rows = rows.sort().values
        images, labels = self._changed_photographs(rows, size, generator)
        parts = torch.empty(0)
        count = round(len(rows) * self._config.drawn_share)
        if self._drawn is not None and count:
            drawn_rows, pictures = self._drawn.sample(count, self._grounds, generator)
            drawn_parts = self._drawn.parts_of(drawn_rows).to(self._device)
            pictures, parts = augment_with_parts(
                pictures.to(self._device), drawn_parts, size, self._config.augmentation, generator
            )
            images = torch.cat([images, pictures])
            labels = Labels(
                torch.cat([labels.values, self._drawn.values[drawn_rows]]),
                torch.cat([labels.visible, self._drawn.visible[drawn_rows]]),
                torch.cat([labels.groups, -1 - torch.arange(count)]),
                torch.cat([labels.partners, len(rows) + torch.arange(count)]),
                torch.cat([labels.own_shares, torch.ones(count)]),
            )
        images = normalise(images).contiguous(memory_format=torch.channels_last)
        return Batch(images, Labels(*(each.to(self._device) for each in labels)), parts)

    def _changed_photographs(
        self, rows: Tensor, size: int, generator: torch.Generator
    ) -> tuple[Tensor, Labels]:
        """Augmented, with the labels that survive it."""
        config, beyond = self._config, self._config.beyond_labels
        photographs = self._photographs(rows, generator)
        values, stretch = self.targets.values[rows], None
        if beyond.recolour:
            photographs, other = recoloured(photographs, beyond.recolour, generator)
            values = withheld(values, self._attributes, other, beyond.told_by_colour)
        if beyond.stretch:
            stretch = stretches(len(rows), beyond.stretch, generator)
            lost = out_of_proportion(stretch)
            values = withheld(values, self._attributes, lost, beyond.told_by_proportions)
        images = augment(
            photographs.to(self._device), size, config.augmentation, generator, stretch
        )
        labels = Labels.unmixed(values, self.targets.visible[rows], self.groups[rows])
        if beyond.mixup:
            partners, own = mixture(len(rows), beyond.mixup, generator)
            there = own.view(-1, 1, 1, 1).to(self._device)
            images = there * images + (1 - there) * images[partners.to(self._device)]
            labels = labels._replace(partners=partners, own_shares=own)
        return images, labels

    def _photographs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """(b, 3, P, P), a share of them with their garments on another ground."""
        photographs = as_images(self._pixels[rows.numpy()])
        if self._cutouts is None:
            return photographs
        share = self._config.new_ground_share
        return self._cutouts.on_new_grounds(
            photographs, rows.numpy(), share, self._grounds, generator
        )
