"""ASA, ACA and last layer as published: one set of weights, shared by all attributes.

Kept apart from the attention of ``model.training.asen``, which is free to change: a rival stands
still. The published code runs all this once per image and attribute; here the attribute is an
axis of the tensors, and what depends on the attribute alone is computed once per batch.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

REDUCTION: Final = 2  # channels over hidden width of the channel attention, as published


class Attended(NamedTuple):
    """What the heads say of a batch."""

    raw: Tensor  # (B, A, D), before normalisation
    attention: Tensor  # (B, A, h, w), each map sums to 1
    read: Tensor  # (B, A, C), the features behind ``raw``


class SharedHeads(nn.Module):
    """Where, which channels, and what vector, for every attribute with the same weights.

    The grid of features is (B, C, h, w), looked at by all attributes, or (B, A, C, h, w), one
    for each.

    Args:
        channels: C.
        common_dimension: K, in which image and attribute meet.
        condition_dimension: E, of what channel attention knows of an attribute.
        embedding_dimension: D.
        batch_norm: normalise the image's side of the common space (ASEN V2).
    """

    def __init__(
        self,
        channels: int,
        common_dimension: int,
        condition_dimension: int,
        embedding_dimension: int,
        *,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(channels, common_dimension, 1),
            nn.BatchNorm2d(common_dimension) if batch_norm else nn.Identity(),
            nn.Tanh(),
        )
        hidden = channels // REDUCTION
        self.reduce_image = nn.Linear(channels, hidden)
        self.reduce_condition = nn.Linear(condition_dimension, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels)
        self.projection = nn.Linear(channels, embedding_dimension)

    def scores(self, grid: Tensor, queries: Tensor) -> Tensor:
        """(A, K) queries -> (B, A, h, w), before the softmax."""
        if grid.ndim == 4:
            keys = self.image(grid).flatten(2)  # (B, K, h*w)
            scores = torch.matmul(queries, keys)
        else:
            keys = self.image(grid.flatten(0, 1)).flatten(2)  # (B*A, K, h*w)
            keys = torch.unflatten(keys, 0, (-1, grid.shape[1]))
            scores = torch.matmul(queries.unsqueeze(1), keys).squeeze(2)
        return torch.unflatten(scores, 2, grid.shape[-2:])

    def attend(self, grid: Tensor, scores: Tensor, conditions: Tensor) -> Attended:
        """(B, A, h, w) scores and (A, E) conditions -> each attribute's vector."""
        attention = scores.flatten(2).softmax(dim=-1)  # (B, A, h*w)
        if grid.ndim == 4:
            pooled = torch.matmul(attention, grid.flatten(2).transpose(1, 2))
        else:
            pooled = torch.matmul(grid.flatten(3), attention.unsqueeze(3)).squeeze(3)
        hidden = self.reduce_image(pooled) + self.reduce_condition(conditions)
        read = pooled * torch.sigmoid(self.expand(hidden.relu()))  # (B, A, C)
        return Attended(self.projection(read), torch.unflatten(attention, 2, grid.shape[-2:]), read)
