"""ASEN as published (Ma et al., AAAI 2020, arXiv 2002.02814), both versions of its code.

Only the trunk's single run differs from it, which changes no result.
"""

import torch
from torch import Tensor, nn

from model.training.asen import Embeddings, NetworkConfig
from model.training.designs.attention import SharedHeads
from model.training.designs.rival import Rival


class AsenV1(Rival):
    """First version: an attribute enters through one table per attention.

    A map's scores pass a learnt weighted sum and tanh before the softmax.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        attributes, common = len(config.value_counts), config.common_dimension
        self.where = nn.Parameter(torch.randn(attributes, common) * attributes**-0.5)
        self.which = nn.Parameter(torch.randn(attributes, self.channels) * attributes**-0.5)
        self.score = nn.Linear(common, 1)
        self.heads = SharedHeads(
            self.channels, common, self.channels, config.embedding_dimension, batch_norm=False
        )

    def forward(self, images: Tensor) -> Embeddings:
        """(B, 3, H, W) normalised -> every attribute's vector, with one pass of the trunk."""
        grid = self.trunk(images)  # (B, C, h, w)
        scores = self.heads.scores(grid, self.where.tanh() * self.score.weight)
        scores = torch.tanh(scores + self.score.bias)
        attended = self.heads.attend(grid, scores, self.which.relu())
        return self.answer(grid, attended.read, attended.raw, attended.attention)


class AsenV2(Rival):
    """Second version: one attribute embedding, BatchNorm on the image's side, scaled sums."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.attribute = AttributeSide(config, config.common_dimension)
        self.embedding = attribute_table(config)
        self.heads = SharedHeads(
            self.channels,
            config.common_dimension,
            config.attribute_dimension,
            config.embedding_dimension,
            batch_norm=True,
        )

    def forward(self, images: Tensor) -> Embeddings:
        """(B, 3, H, W) normalised -> every attribute's vector, with one pass of the trunk."""
        grid = self.trunk(images)  # (B, C, h, w)
        queries, conditions = self.attribute(self.embedding)
        attended = self.heads.attend(grid, self.heads.scores(grid, queries), conditions)
        return self.answer(grid, attended.read, attended.raw, attended.attention)


class AttributeSide(nn.Module):
    """From an attribute's embedding to what the two attentions ask with."""

    def __init__(self, config: NetworkConfig, common_dimension: int) -> None:
        super().__init__()
        self.where = nn.Linear(config.attribute_dimension, common_dimension)
        self.which = nn.Linear(config.attribute_dimension, config.attribute_dimension)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """(A, E) -> queries (A, K), divided by sqrt(K), and conditions (A, E)."""
        queries = self.where(embedding).tanh() * self.where.out_features**-0.5
        return queries, self.which(embedding).relu()


def attribute_table(config: NetworkConfig) -> nn.Parameter:
    """(A, E), standard normal as published."""
    return nn.Parameter(torch.randn(len(config.value_counts), config.attribute_dimension))
