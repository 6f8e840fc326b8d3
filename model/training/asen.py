"""The network: one trunk pass, then every attribute's space at once.

ASEN (Ma et al., AAAI 2020, arXiv 2002.02814) looks at an image once per attribute: where
(attribute-aware spatial attention, ASA), then which channels (attribute-aware channel attention,
ACA). The trunk does not depend on the attribute, so it runs once here and the attribute axis
``A`` is one more tensor dimension in the heads.

Differences from the paper: an attribute has several maps, and beside what they see it learns where
they look, since what tells a knee-length skirt from a mini is how far the hem is from the waist;
each attribute has its own final projection; and a value head reads each space through one
prototype per value, so that "like this" and "is this" share a geometry.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.training.backbones import build_trunk

INITIAL_SCALE: Final = 12.0
PLACES: Final = 4  # functions of position that join the features, see `with_places`
_SHARPNESS: Final = 2.0  # of the maps: the paper's scores lie within the root of the dimension
_PLACE_WEIGHT: Final = 2.0  # places lie within -1..1, features are larger
_LEAST_PART: Final = 1e-6  # of plain attention, for a vector that no place speaks for
_NEVER: Final = -1e4  # logit of a value an attribute does not have; finite, so that 0 * it is 0


class Embeddings(NamedTuple):
    """What the network says of a batch. A tuple, so that tracing and autocast pass it through."""

    vectors: Tensor  # (B, A, D), unit length
    norms: Tensor  # (B, A), before normalisation
    attention: Tensor  # (B, A, h, w), each map sums to 1; what a loss can teach
    origins: Tensor  # (B, A, h, w), which part of a vector each place gives; each sums to 1
    value_logits: Tensor  # (B, A, V), scaled cosines to prototypes; padding far below
    visible_logits: Tensor  # (B, A), of "this attribute can be seen"
    global_vector: Tensor  # (B, C), the mean-pooled trunk feature, unit length


@dataclass(frozen=True)
class NetworkConfig:
    """The network's shape; travels in checkpoints."""

    value_counts: tuple[int, ...]
    backbone: str = "compact24"
    pretrained: bool = False
    embedding_dimension: int = 64
    attribute_dimension: int = 64  # of one map's query
    maps: int = 2
    common_dimension: int = 128
    reduction: int = 4
    dropout: float = 0.1


class Asen(nn.Module):
    """Attribute-specific embedding network."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        attributes, maps = len(config.value_counts), config.maps
        self.trunk, channels = build_trunk(config.backbone, pretrained=config.pretrained)
        self.attribute_embedding = nn.Parameter(
            torch.randn(attributes, maps * config.attribute_dimension)
            * config.attribute_dimension**-0.5
        )
        self.spatial_attention = SpatialAttention(
            channels + PLACES, config.attribute_dimension, config.common_dimension
        )
        self.channel_attention = ChannelAttention(
            maps * channels, maps * config.attribute_dimension, maps * config.reduction
        )
        self.dropout = nn.Dropout(config.dropout)
        seen = maps * (channels + PLACES)
        self.projection = PerAttributeLinear(attributes, seen, config.embedding_dimension)
        self.visibility = PerAttributeLinear(attributes, seen, 1)
        self.values = ValueHead(config.value_counts, config.embedding_dimension)

    def forward(self, images: Tensor) -> Embeddings:
        """Embed each image once per attribute, with one pass of the trunk.

        Args:
            images: (B, 3, H, W) float32, normalised.

        Returns:
            Embeddings, attributes in the order of ``config.value_counts``.
        """
        return self.from_features(self.trunk(images))

    def from_features(self, features: Tensor) -> Embeddings:
        """The same from the trunk's last grid, (B, C, h, w)."""
        placed = with_places(features)  # (B, C + P, h, w)
        maps = self.spatial_attention(placed, self.attribute_embedding)  # (B, A, M, h, w)
        pooled = torch.matmul(
            maps.flatten(3).flatten(1, 2), placed.flatten(2).transpose(1, 2)
        )  # (B, A * M, C + P)
        pooled = torch.unflatten(pooled, 1, maps.shape[1:3])  # (B, A, M, C + P)
        content, places = torch.split(pooled, [features.shape[1], PLACES], dim=-1)
        content = content.flatten(2)  # (B, A, M * C)
        gate = self.channel_attention(content, self.attribute_embedding)
        attended = torch.cat(
            [self.dropout(content * gate), _PLACE_WEIGHT * places.flatten(2)], dim=-1
        )
        raw = self.projection(attended)  # (B, A, D)
        norms = raw.norm(dim=-1)
        vectors = raw / norms.clamp_min(1e-6).unsqueeze(-1)
        return Embeddings(
            vectors=vectors,
            norms=norms,
            attention=maps.mean(dim=2),
            origins=self._origins(placed, maps, gate, vectors),
            value_logits=self.values(vectors),
            visible_logits=self.visibility(attended).squeeze(-1),
            global_vector=F.normalize(features.mean(dim=(2, 3)), dim=-1, eps=1e-6),
        )

    def _origins(self, placed: Tensor, maps: Tensor, gate: Tensor, vectors: Tensor) -> Tensor:
        """Which part of each vector each place gives: the attention and what is seen under it.

        A vector's length is a sum over places of attention times what the place shows, gated,
        projected and measured along the vector. Attention alone counts a place that shows nothing
        (Kobayashi et al., EMNLP 2020, arXiv 2004.10102). What speaks against the vector counts as
        nothing; a cell sees past its edges, so its part is shared with its neighbours.

        Args:
            placed: (B, C + P, h, w), features with their places.
            maps: (B, A, M, h, w).
            gate: (B, A, M * C).
            vectors: (B, A, D), unit length.

        Returns:
            (B, A, h, w), each summing to 1.
        """
        along = torch.matmul(self.projection.weight, vectors.permute(1, 2, 0)).permute(2, 0, 1)
        content, places = torch.split(along, [gate.shape[2], along.shape[2] - gate.shape[2]], -1)
        count = maps.shape[2]
        reading = torch.cat(
            [
                torch.unflatten(content * gate, 2, (count, -1)),
                _PLACE_WEIGHT * torch.unflatten(places, 2, (count, -1)),
            ],
            dim=-1,
        )  # (B, A, M, C + P)
        shown = torch.matmul(reading.flatten(1, 2), placed.flatten(2))  # (B, A * M, h * w)
        parts = (shown.view(maps.shape) * maps).sum(dim=2).relu()  # (B, A, h, w)
        shared = _shared_with_neighbours(parts) + _LEAST_PART * maps.mean(dim=2)
        return shared / shared.sum(dim=(2, 3), keepdim=True)


def _shared_with_neighbours(maps: Tensor) -> Tensor:
    """(B, A, h, w) smoothed by 1, 2, 1 each way, edges repeated."""
    once = F.avg_pool2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), 2, stride=1)
    return F.avg_pool2d(once, 2, stride=1)


def with_places(features: Tensor) -> Tensor:
    """Append functions of position: height, its square, the square and size of the offset sideways.

    Summed under a map, they tell where it looks and how far it spreads. Left and right are alike,
    as they are in garments.

    Args:
        features: (B, C, h, w).

    Returns:
        (B, C + ``PLACES``, h, w); positions run from -1 to 1.
    """
    height, width = features.shape[2:]
    down = torch.linspace(-1, 1, height).view(height, 1).expand(height, width)
    across = torch.linspace(-1, 1, width).view(1, width).expand(height, width)
    places = torch.stack([down, down.square(), across.square(), across.abs()]).to(features)
    return torch.cat([features, places.expand(features.shape[0], -1, -1, -1)], dim=1)


class SpatialAttention(nn.Module):
    """ASA, second version: BatchNorm on the image side, scores scaled by sqrt of the dimension.

    An attribute's embedding holds one query per map.
    """

    def __init__(self, channels: int, attribute_dimension: int, common_dimension: int) -> None:
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(channels, common_dimension, 1, bias=False),
            nn.BatchNorm2d(common_dimension),
            nn.Tanh(),
        )
        self.attribute = nn.Sequential(nn.Linear(attribute_dimension, common_dimension), nn.Tanh())
        self.attribute_dimension = attribute_dimension

    def forward(self, features: Tensor, attribute_embedding: Tensor) -> Tensor:
        """(B, C, h, w) and (A, M * E) -> (B, A, M, h, w), each map summing to 1."""
        keys = self.image(features)
        one_each = attribute_embedding.view(-1, self.attribute_dimension)  # (A * M, E)
        queries = self.attribute(one_each) * (_SHARPNESS * keys.shape[1] ** -0.5)
        maps = torch.matmul(queries, keys.flatten(2)).softmax(dim=-1)  # (B, A * M, h * w)
        maps = torch.unflatten(maps, 1, (attribute_embedding.shape[0], -1))
        return torch.unflatten(maps, 3, features.shape[2:])


class ChannelAttention(nn.Module):
    """ACA: squeeze-and-excitation conditioned on the attribute."""

    def __init__(self, channels: int, attribute_dimension: int, reduction: int) -> None:
        super().__init__()
        self.attribute = nn.Sequential(nn.Linear(attribute_dimension, channels), nn.ReLU())
        self.reduce_image = nn.Linear(channels, channels // reduction)
        self.reduce_attribute = nn.Linear(channels, channels // reduction, bias=False)
        self.expand = nn.Linear(channels // reduction, channels)

    def forward(self, pooled: Tensor, attribute_embedding: Tensor) -> Tensor:
        """(B, A, C) and (A, E) -> gates in 0..1, (B, A, C).

        The paper's first layer reads [attribute; pooled]; as a sum of two layers the attribute's
        half is computed once per batch.
        """
        condition = self.reduce_attribute(self.attribute(attribute_embedding))  # (A, C/r)
        hidden = torch.relu(self.reduce_image(pooled) + condition)
        return torch.sigmoid(self.expand(hidden))


class PerAttributeLinear(nn.Module):
    """A linear layer of its own for every attribute, applied in one product."""

    def __init__(self, attributes: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(attributes, inputs, outputs) * inputs**-0.5)
        self.bias = nn.Parameter(torch.zeros(attributes, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, A, inputs) -> (B, A, outputs)."""
        return (torch.matmul(x.transpose(0, 1), self.weight) + self.bias).transpose(0, 1)


class ValueHead(nn.Module):
    """Scaled cosine to one prototype per value (normalised softmax)."""

    mask: Tensor

    def __init__(self, value_counts: tuple[int, ...], dimension: int) -> None:
        super().__init__()
        attributes, most = len(value_counts), max(value_counts)
        self.prototypes = nn.Parameter(torch.randn(attributes, most, dimension))
        self.log_scale = nn.Parameter(torch.full((attributes,), INITIAL_SCALE).log())
        counts = torch.tensor(value_counts).unsqueeze(1)
        self.register_buffer("mask", torch.arange(most) < counts)  # (A, V)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, A, D) unit vectors -> logits (B, A, V)."""
        cosine = torch.matmul(
            vectors.transpose(0, 1), self.unit_prototypes().transpose(1, 2)
        ).transpose(0, 1)
        logits = cosine * self.log_scale.exp().view(1, -1, 1)
        return logits.masked_fill(~self.mask, _NEVER)

    def unit_prototypes(self) -> Tensor:
        """(A, V, D), unit length; rows past an attribute's last value are meaningless."""
        return F.normalize(self.prototypes, dim=-1)
