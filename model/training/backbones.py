"""Trunks by name: an image in, a grid of features out.

``compact16`` and ``compact24`` are ours: narrow residual networks small enough to learn from a
few thousand photographs and to serve on a CPU core; the number is the stem's width. Every other
name is a torchvision model, cut where its grid has a stride of 16 (ResNets, after the third stage
as in the ASEN paper) or at the end of its ``features``. Nothing is downloaded unless
``pretrained`` is asked for.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torchvision import models

COMPACT_WIDTHS: Final = {
    "compact16": (16, 32, 64, 128),
    "compact24": (24, 48, 96, 192),
}
_RESNETS: Final = ("resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d")
_WITH_FEATURES: Final = (
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "convnext_tiny",
)
BACKBONES: Final = (*COMPACT_WIDTHS, *_RESNETS, *_WITH_FEATURES)


def build_trunk(name: str, *, pretrained: bool = False) -> tuple[nn.Module, int]:
    """Build a trunk.

    Args:
        name: one of ``BACKBONES``.
        pretrained: start from torchvision's default weights (downloads them).

    Returns:
        The module, (B, 3, H, W) -> (B, C, h, w), and C.

    Raises:
        ValueError: unknown name, or pretrained weights asked of a trunk that has none.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(BACKBONES)}")
    if name in COMPACT_WIDTHS:
        if pretrained:
            raise ValueError(f"backbone {name!r} has no pretrained weights")
        trunk: nn.Module = CompactTrunk(COMPACT_WIDTHS[name])
    else:
        full = models.get_model(name, weights="DEFAULT" if pretrained else None)
        trunk = _cut_resnet(full) if name in _RESNETS else full.features
    return trunk, _channels_of(trunk)


class CompactTrunk(nn.Sequential):
    """A residual network of three stages, stride 16.

    Args:
        widths: channels of the stem and of each stage.
        depths: residual blocks in each stage.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int],
        depths: tuple[int, int, int] = (1, 2, 2),
    ) -> None:
        stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        stages = [
            nn.Sequential(
                ResidualBlock(before, after, stride=2),
                *(ResidualBlock(after, after, stride=1) for _ in range(depth - 1)),
            )
            for before, after, depth in zip(widths, widths[1:], depths, strict=False)
        ]
        super().__init__(stem, *stages)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an average-pooled shortcut (ResNet-D, CVPR 2019)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(after)
        # A block that starts as the identity trains steadily at high learning rates.
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            last,
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True),
                nn.Conv2d(before, after, 1, bias=False),
                nn.BatchNorm2d(after),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, H / stride, W / stride)."""
        return torch.relu(self.shortcut(x) + self.body(x))


def _cut_resnet(network: nn.Module) -> nn.Module:
    stages = list(network.children())
    return nn.Sequential(*stages[:7])  # stem (4 modules) and stages 1 to 3


def _channels_of(trunk: nn.Module) -> int:
    was_training = trunk.training
    trunk.eval()
    with torch.no_grad():
        channels = trunk(torch.zeros(1, 3, 64, 64)).shape[1]
    trunk.train(was_training)
    return int(channels)
