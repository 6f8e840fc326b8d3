"""One embedding for all attributes: a plain triplet network, and one seen through learnt masks.

Both pool the whole picture: neither looks at a part of it, so ``attention`` is uniform.
"""

from typing import Final

import torch
from torch import Tensor, nn

from model.training.asen import Embeddings, NetworkConfig
from model.training.designs.rival import Rival, Terms
from model.training.losses import mean_over_attributes, triplet_loss

MARGIN: Final = 0.2
EMBEDDING_WEIGHT: Final = 5e-3  # of the published code
MASK_WEIGHT: Final = 5e-4
_MASK_MEAN, _MASK_DEVIATION = 0.9, 0.7  # of a mask at the start


class GlobalTriplet(Rival):
    """One space, in which garments of one value are pulled together whatever the attribute."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(self.channels, config.embedding_dimension)

    def forward(self, images: Tensor) -> Embeddings:
        """(B, 3, H, W) normalised -> the same vector for every attribute."""
        attributes = len(self.config.value_counts)
        grid = self.trunk(images)  # (B, C, h, w)
        pooled = grid.mean(dim=(2, 3))
        raw = self.projection(pooled).unsqueeze(1).expand(-1, attributes, -1)
        read = pooled.unsqueeze(1).expand(-1, attributes, -1)
        return self.answer(grid, read, raw, _uniform(grid, attributes))


class MaskedSimilarity(Rival):
    """Conditional similarity network (Veit et al., CVPR 2017): dimensions weighted by attribute.

    As in the published code the triplet loss compares Euclidean distances of masked embeddings,
    and embeddings and masks are held small. Searches compare by cosine, here as in every design.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(self.channels, config.embedding_dimension)
        masks = torch.randn(len(config.value_counts), config.embedding_dimension)
        self.masks = nn.Parameter(_MASK_MEAN + _MASK_DEVIATION * masks)

    def forward(self, images: Tensor) -> Embeddings:
        """(B, 3, H, W) normalised -> the one embedding under every attribute's mask."""
        return self.embed_with_terms(images)[0]

    def embed_with_terms(self, images: Tensor) -> tuple[Embeddings, Terms]:
        """Terms: ``embedding`` (B, D), ``mask`` (A, D), ``masked`` (B, A, D)."""
        attributes = len(self.config.value_counts)
        grid = self.trunk(images)  # (B, C, h, w)
        pooled = grid.mean(dim=(2, 3))
        embedding = self.projection(pooled)
        mask = self.masks.relu()
        masked = embedding.unsqueeze(1) * mask
        read = pooled.unsqueeze(1).expand(-1, attributes, -1)
        embeddings = self.answer(grid, read, masked, _uniform(grid, attributes))
        return embeddings, {"embedding": embedding, "mask": mask, "masked": masked}

    def own_loss(self, terms: Terms, values: Tensor) -> Tensor:
        """Triplets by distance, the embeddings' root mean square length, the masks' L1 norm."""

        def triplets(masked: Tensor, labels: Tensor) -> Tensor:
            return triplet_loss(-_distances(masked), labels, MARGIN)

        length = terms["embedding"].square().sum(dim=1).mean().sqrt()
        mask = terms["mask"].sum(dim=1).mean()
        metric = mean_over_attributes(triplets, terms["masked"], values)
        return metric + EMBEDDING_WEIGHT * length + MASK_WEIGHT * mask


def _uniform(grid: Tensor, attributes: int) -> Tensor:
    height, width = grid.shape[2:]
    return grid.new_full((1, 1, 1, 1), 1 / (height * width)).expand(
        grid.shape[0], attributes, height, width
    )


def _distances(vectors: Tensor) -> Tensor:
    """(N, D) -> (N, N), Euclidean; the root's slope at 0 is kept finite."""
    difference = vectors.unsqueeze(1) - vectors.unsqueeze(0)
    return (difference.square().sum(dim=-1) + 1e-12).sqrt()
