"""The space ``design``: is one picture an edited copy of the other?

A head on the finished trunk, which stays as it is, so that the attributes' spaces do not move by
a bit. Copies are recognised by small things (a print, a seam, how a sleeve lies), so the head reads
the trunk's finer grids beside its last one. What is answered is direction times length: the
direction tells the picture, the length how much of it there is to see (Wang et al., AAAI 2023,
arXiv 2205.12358). The two come from two branches, so that learning one does not bend the other.
"""

import copy
from itertools import pairwise
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.training.backbones import ResidualBlock, build_trunk

STRIDES: Final = (4, 8, 16)
"""Grids that the head reads, in pixels per cell."""
_FINE_WIDTH: Final = 48
_PROBE_PIXELS: Final = 64
_LEAST: Final = 1e-6


class DesignEmbedding(NamedTuple):
    """What the head says of a batch. A tuple, so that tracing passes it through."""

    vectors: Tensor  # (B, D), unit length
    norms: Tensor  # (B,), above 0: how much content there is
    attention: Tensor  # (B, h, w), sums to 1, on the trunk's last grid


class Taps(nn.Module):
    """A trunk that answers with its grids at each of ``STRIDES``.

    Raises:
        ValueError: the trunk ends at another stride.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        assert isinstance(trunk, nn.Sequential)
        self.trunk = trunk
        self.last_of = _last_layers(trunk)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one (B, C, H / stride, W / stride) per stride."""
        grids, x = [], images
        for index, layer in enumerate(self.trunk):
            x = layer(x)
            if index in self.last_of:
                # Layers behind may work in place.
                grids.append(x)
        return grids


class DesignHead(nn.Module):
    """From a trunk's grids to the ``design`` space.

    Args:
        channels: of the grids at ``STRIDES``.
        dimension: of the vectors, D.
        width: channels of the head's own grids.
    """

    def __init__(self, channels: tuple[int, int, int], dimension: int, width: int = 128) -> None:
        super().__init__()
        self.fine = _convolved(channels[0], _FINE_WIDTH, 3, stride=2)
        self.middle = _convolved(channels[1], width - _FINE_WIDTH, 1)
        self.down = _convolved(width, width, 3, stride=2)
        self.coarse = _convolved(channels[2], width, 1)
        self.block = ResidualBlock(width, width, stride=1)
        self.looks = nn.Conv2d(width, 1, 1)
        seen = 3 * width
        # Pooled features are all positive: uncentred, all vectors would point one way, and the
        # contrast could hardly part them.
        self.direction = nn.Sequential(
            nn.BatchNorm1d(seen),
            nn.Linear(seen, dimension, bias=False),
            nn.BatchNorm1d(dimension, affine=False),
        )
        self.content = nn.Sequential(
            nn.BatchNorm1d(seen), nn.Linear(seen, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(self, grids: list[Tensor]) -> DesignEmbedding:
        """One (B, C, h, w) per stride -> (B, D), (B,), (B, h, w)."""
        finer = torch.cat([self.fine(grids[0]), self.middle(grids[1])], dim=1)
        x = self.block(self.down(finer) + self.coarse(grids[2]))  # (B, width, h, w)
        maps = self.looks(x).flatten(2).softmax(dim=-1)  # (B, 1, h * w)
        attended = torch.matmul(maps, x.flatten(2).transpose(1, 2)).squeeze(1)
        pooled = torch.cat([attended, _pooled(x), _pooled(finer)], dim=-1)
        return DesignEmbedding(
            F.normalize(self.direction(pooled), dim=-1, eps=_LEAST),
            self.content(pooled).squeeze(-1).clamp(-5.0, 5.0).exp(),
            torch.unflatten(maps.squeeze(1), 1, x.shape[2:]),
        )


def new_head(backbone: str, dimension: int) -> DesignHead:
    """An untrained head for a trunk.

    Raises:
        ValueError: unknown backbone, or one without the grids that are read.
    """
    trunk, _ = build_trunk(backbone)
    taps = Taps(trunk.eval())
    with torch.no_grad():
        grids = taps(torch.zeros(1, 3, _PROBE_PIXELS, _PROBE_PIXELS))
    fine, middle, coarse = (grid.shape[1] for grid in grids)
    return DesignHead((fine, middle, coarse), dimension)


def frozen_taps(trunk: nn.Module) -> Taps:
    """A copy of a finished trunk for many passes without gradient.

    BatchNorm is folded into the convolutions: about three times as fast on a CPU.
    """
    frozen = copy.deepcopy(trunk).eval().requires_grad_(False)
    _fold(frozen)
    return Taps(frozen.to(memory_format=torch.channels_last))


def _pooled(grid: Tensor) -> Tensor:
    """Generalised mean of power 4, between mean and maximum: (B, C, h, w) of 0 or more -> (B, C).

    A power that was learnt settled near 4; two squares cost a sixth of a free power's time.
    """
    return grid.square().square().mean(dim=(2, 3)).clamp_min(_LEAST**2).sqrt().sqrt()


def _convolved(before: int, after: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _last_layers(trunk: nn.Sequential) -> tuple[int, ...]:
    """Indices of the last layer at each stride."""
    last: dict[int, int] = {}
    was_training = trunk.training
    x = torch.zeros(1, 3, _PROBE_PIXELS, _PROBE_PIXELS)
    x = x.to(next(trunk.parameters()).device)
    with torch.no_grad():
        for index, layer in enumerate(trunk.eval()):
            x = layer(x)
            last[_PROBE_PIXELS // x.shape[-1]] = index
    trunk.train(was_training)
    if not set(STRIDES) <= set(last) or max(last) != STRIDES[-1]:
        raise ValueError(
            f"a design space needs a trunk with grids of {', '.join(map(str, STRIDES))} pixels "
            f"per cell, the last the coarsest; this one has {', '.join(map(str, last))}"
        )
    return tuple(last[stride] for stride in STRIDES)


def _fold(module: nn.Module) -> None:
    for child in module.children():
        _fold(child)
    if not isinstance(module, nn.Sequential):
        return
    names = list(module._modules)
    for name, following in pairwise(names):
        layer, norm = module._modules[name], module._modules[following]
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module._modules[name] = fuse_conv_bn_eval(layer, norm)
            module._modules[following] = nn.Identity()
