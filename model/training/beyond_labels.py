"""Changes of photographs that some labels do not survive: where they are made, those are withheld.

A collar is the same in every colour, and a few thousand photographs show it in few. Other colours
teach that, if nobody asks the picture for its colour. Stretched garments keep their pattern, not
their length. Mixed pictures (mixup: Zhang et al., ICLR 2018, arXiv 1710.09412) keep the labels of
both, in shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from model.training.losses import UNLABELLED

_LENGTHS: Final = ("skirt_length", "pant_length", "coat_length")
_STRETCH: Final = 0.5  # greatest log of height to width
_TELLING_STRETCH: Final = 0.15  # from here on proportions are not the photographed garment's
_CHROMA: Final = (0.4, 1.8)
_GAMMA: Final = 0.5  # greatest log of the exponent of brightness
_DARKEST: Final = 1e-4  # the slope of a power is infinite at 0
_MIXTURE: Final = 0.8  # both parameters of the beta distribution that shares are drawn from
_TO_YIQ: Final = torch.tensor(
    [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]
)


@dataclass(frozen=True)
class BeyondLabels:
    """How many photographs are changed, anew every epoch, and which labels that costs them.

    Attributes:
        recolour: share of the photographs given other colours.
        stretch: share of the photographs made wider or longer.
        mixup: share of the photographs mixed with another one of their batch.
        told_by_colour: attributes without a label where colours are changed.
        told_by_proportions: attributes without a label where the garment is stretched.
    """

    recolour: float = 0.0
    stretch: float = 0.0
    mixup: float = 0.0
    told_by_colour: tuple[str, ...] = ("color", "colour")
    told_by_proportions: tuple[str, ...] = ("garment_type", *_LENGTHS)


def recoloured(images: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn the hue of some pictures to any other, and change their chroma and brightness.

    Args:
        images: (B, 3, H, W) float32 in 0..1 on the CPU.
        share: of the pictures.
        generator: of the CPU.

    Returns:
        The pictures, and (B,) bool, which were changed.
    """
    chosen = torch.rand(len(images), generator=generator) < share
    if not chosen.any():
        return images, chosen
    count = int(chosen.sum())
    angle = _uniform(count, -np.pi, np.pi, generator)
    chroma = _uniform(count, *_CHROMA, generator)
    exponent = _uniform(count, -_GAMMA, _GAMMA, generator).exp()
    turn = torch.zeros(count, 3, 3)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = chroma * angle.cos()
    turn[:, 2, 1] = chroma * angle.sin()
    turn[:, 1, 2] = -turn[:, 2, 1]
    change = torch.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ
    colours = (change @ images[chosen].flatten(2)).clamp(_DARKEST, 1)
    changed = images.clone()
    changed[chosen] = (colours ** exponent.view(-1, 1, 1)).view_as(images[chosen])
    return changed, chosen


def stretches(count: int, share: float, generator: torch.Generator) -> Tensor:
    """(count,) float32, log of the factor between width and height; 0 for all but a share."""
    chosen = torch.rand(count, generator=generator) < share
    return chosen * _uniform(count, -_STRETCH, _STRETCH, generator)


def withheld(
    values: Tensor, attributes: Sequence[str], rows: Tensor, lost: Sequence[str]
) -> Tensor:
    """Labels without those of some attributes in some rows.

    Args:
        values: (B, A) int64.
        attributes: A names.
        rows: (B,) bool.
        lost: names; those that are not among the attributes do not matter.
    """
    columns = torch.tensor([name in lost for name in attributes])
    return values.masked_fill(rows.unsqueeze(1) & columns, UNLABELLED)


def out_of_proportion(stretch: Tensor) -> Tensor:
    """(B,) bool, which of these `stretches` are more than a label of proportions survives."""
    return stretch.abs() > _TELLING_STRETCH


def mixture(count: int, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Who is mixed with whom.

    Args:
        count: pictures in the batch, B.
        share: of the pictures.
        generator: of the CPU.

    Returns:
        Partners (B,) int64, itself where a picture stays as it is, and shares (B,) float32 of
        the picture itself, from a half to 1.
    """
    chosen = torch.rand(count, generator=generator) < share
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    drawn = torch.from_numpy(rng.beta(_MIXTURE, _MIXTURE, count)).float()
    partners = torch.where(chosen, torch.randperm(count, generator=generator), torch.arange(count))
    return partners, torch.where(chosen, torch.maximum(drawn, 1 - drawn), torch.ones(count))


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)
