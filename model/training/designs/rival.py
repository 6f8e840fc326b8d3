"""What the published designs have in common: a trunk, and an answer of the same form as ours.

They were published without a value head and without a word on visibility. Export fits prototypes
to any space, so ``value_logits`` stay zero here; visibility is read from detached features, so
that it neither helps nor hurts the spaces.
"""

from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor, nn

from model.training.asen import Embeddings, NetworkConfig, PerAttributeLinear
from model.training.backbones import build_trunk

Terms = dict[str, Tensor]
"""What a design's own loss reads beside the embeddings."""


@runtime_checkable
class OwnLoss(Protocol):
    """A network published with a loss that reads more than its embeddings."""

    def embed_with_terms(self, images: Tensor) -> tuple[Embeddings, Terms]:
        """(B, 3, H, W) -> what ``forward`` gives, and what ``own_loss`` reads."""

    def own_loss(self, terms: Terms, values: Tensor) -> Tensor:
        """Terms and (B, A) int64 value indices, -1 where unlabelled -> scalar loss."""


@runtime_checkable
class Staged(Protocol):
    """A network that trains in stages."""

    def enter_stage(self, stage: int) -> None:
        """Stages count from 0; a checkpoint remembers the stage it was written in."""


class Rival(nn.Module):
    """Trunk and visibility, which no design decides for itself."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk, self.channels = build_trunk(config.backbone, pretrained=config.pretrained)
        self.visibility = PerAttributeLinear(len(config.value_counts), self.channels, 1)

    def answer(self, grid: Tensor, read: Tensor, raw: Tensor, attention: Tensor) -> Embeddings:
        """Put together what the network says.

        Args:
            grid: (B, C, h, w), the trunk's features.
            read: (B, A, C), what visibility is read from.
            raw: (B, A, D), the vectors before they get unit length.
            attention: (B, A, h, w), each map summing to 1.
        """
        norms = raw.norm(dim=-1)
        attributes, most = len(self.config.value_counts), max(self.config.value_counts)
        return Embeddings(
            vectors=raw / norms.clamp_min(1e-6).unsqueeze(-1),
            norms=norms,
            attention=attention,
            origins=attention,
            value_logits=raw.new_zeros(raw.shape[0], attributes, most),
            visible_logits=self.visibility(read.detach()).squeeze(-1),
            global_vector=F.normalize(grid.mean(dim=(2, 3)), dim=-1, eps=1e-6),
        )
