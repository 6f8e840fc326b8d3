"""The network: one trunk pass, then every attribute's space at once.

ASEN (Ma et al., AAAI 2020, arXiv 2002.02814) looks at an image once per attribute: where
(attribute-aware spatial attention, ASA), then which channels (attribute-aware channel attention,
ACA). The trunk does not depend on the attribute, so it runs once here and the attribute axis
``A`` is one more tensor dimension in the heads.

Differences from the paper: each attribute has its own final projection, and a value head reads
each space through one prototype per value, so that "like this" and "is this" share a geometry.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.training.backbones import build_trunk

INITIAL_SCALE: Final = 12.0
_NEVER: Final = -1e4  # logit of a value an attribute does not have; finite, so that 0 * it is 0


class Embeddings(NamedTuple):
    """What the network says of a batch. A tuple, so that tracing and autocast pass it through."""

    vectors: Tensor  # (B, A, D), unit length
    norms: Tensor  # (B, A), before normalisation
    attention: Tensor  # (B, A, h, w), each map sums to 1
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
    attribute_dimension: int = 64
    common_dimension: int = 128
    reduction: int = 4
    dropout: float = 0.1


class Asen(nn.Module):
    """Attribute-specific embedding network."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        attributes = len(config.value_counts)
        self.trunk, channels = build_trunk(config.backbone, pretrained=config.pretrained)
        self.attribute_embedding = nn.Parameter(
            torch.randn(attributes, config.attribute_dimension) * config.attribute_dimension**-0.5
        )
        self.spatial_attention = SpatialAttention(
            channels, config.attribute_dimension, config.common_dimension
        )
        self.channel_attention = ChannelAttention(
            channels, config.attribute_dimension, config.reduction
        )
        self.dropout = nn.Dropout(config.dropout)
        self.projection = PerAttributeLinear(attributes, channels, config.embedding_dimension)
        self.visibility = PerAttributeLinear(attributes, channels, 1)
        self.values = ValueHead(config.value_counts, config.embedding_dimension)

    def forward(self, images: Tensor) -> Embeddings:
        """Embed each image once per attribute, with one pass of the trunk.

        Args:
            images: (B, 3, H, W) float32, normalised.

        Returns:
            Embeddings, attributes in the order of ``config.value_counts``.
        """
        features = self.trunk(images)  # (B, C, h, w)
        attention = self.spatial_attention(features, self.attribute_embedding)  # (B, A, h, w)
        pooled = torch.matmul(
            attention.flatten(2), features.flatten(2).transpose(1, 2)
        )  # (B, A, C)
        gate = self.channel_attention(pooled, self.attribute_embedding)
        attended = self.dropout(pooled * gate)
        raw = self.projection(attended)  # (B, A, D)
        norms = raw.norm(dim=-1)
        vectors = raw / norms.clamp_min(1e-6).unsqueeze(-1)
        return Embeddings(
            vectors=vectors,
            norms=norms,
            attention=attention,
            value_logits=self.values(vectors),
            visible_logits=self.visibility(attended).squeeze(-1),
            global_vector=F.normalize(features.mean(dim=(2, 3)), dim=-1, eps=1e-6),
        )


class SpatialAttention(nn.Module):
    """ASA, second version: BatchNorm on the image side, scores scaled by sqrt of the dimension."""

    def __init__(self, channels: int, attribute_dimension: int, common_dimension: int) -> None:
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(channels, common_dimension, 1, bias=False),
            nn.BatchNorm2d(common_dimension),
            nn.Tanh(),
        )
        self.attribute = nn.Sequential(nn.Linear(attribute_dimension, common_dimension), nn.Tanh())

    def forward(self, features: Tensor, attribute_embedding: Tensor) -> Tensor:
        """(B, C, h, w) and (A, E) -> (B, A, h, w), each map summing to 1."""
        keys = self.image(features)
        queries = self.attribute(attribute_embedding) * keys.shape[1] ** -0.5
        scores = torch.matmul(queries, keys.flatten(2))  # (B, A, h*w)
        return torch.unflatten(scores.softmax(dim=-1), 2, features.shape[2:])


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
