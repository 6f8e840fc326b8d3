"""What pulls together and what pushes apart, one attribute at a time.

Every loss sees all attributes of a batch at once and skips what is not labelled. ``na`` teaches
the visibility logit alone: two garments without a collar are not alike in their collar.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor, nn

from model.training.asen import Embeddings

UNLABELLED: Final = -1
_NEVER: Final = -1e4  # score of a pair that does not count; finite, so that 0 * it is 0
_MOSTLY_OWN: Final = 0.9  # share from which a mixed picture counts as one of its own values
_COVERED: Final = 0.25  # share of a cell from which it counts as the part's in full


class Labels(NamedTuple):
    """What is known of the pictures of a batch.

    Attributes:
        values: (B, A) int64, value index or ``UNLABELLED``.
        visible: (B, A) float32, 1, 0, or NaN where unlabelled.
        groups: (B,) int64, who took the picture.
        partners: (B,) int64, the picture that each is mixed with, or itself.
        own_shares: (B,) float32, how much of each mixture is the picture itself.
    """

    values: Tensor
    visible: Tensor
    groups: Tensor
    partners: Tensor
    own_shares: Tensor

    @classmethod
    def unmixed(cls, values: Tensor, visible: Tensor, groups: Tensor) -> "Labels":
        """Of pictures that are not mixed."""
        itself = torch.arange(len(values), device=values.device)
        return cls(values, visible, groups, itself, torch.ones_like(itself, dtype=torch.float32))


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts; a part of weight 0 is not computed."""

    prototypes: float = 1.0
    supcon: float = 0.5
    triplet: float = 0.0  # over the triplets a semi-hard miner finds
    all_triplets: float = 0.0  # over all of a batch
    visibility: float = 0.5
    attention: float = 0.0  # where parts are known: on drawn garments
    label_smoothing: float = 0.1
    supcon_temperature: float = 0.1
    triplet_margin: float = 0.2  # the paper's


class AttributeLoss(nn.Module):
    """Weighted sum of the parts, averaged over the attributes that have a label in the batch.

    Args:
        weights: how much each part counts.
        value_weights: (A, V) float32, weight of each value in the prototype softmax.
    """

    value_weights: Tensor

    def __init__(self, weights: LossWeights, value_weights: Tensor) -> None:
        super().__init__()
        self.weights = weights
        self.register_buffer("value_weights", value_weights)
        self.triplet = TripletMarginLoss(margin=weights.triplet_margin, distance=CosineSimilarity())
        self.triplet_miner = TripletMarginMiner(
            margin=weights.triplet_margin, distance=CosineSimilarity(), type_of_triplets="semihard"
        )

    def forward(self, embeddings: Embeddings, labels: Labels) -> Tensor:
        """Score a batch.

        Mixed pictures have the values of both in their shares; they are neither alike nor unlike
        others.

        Args:
            embeddings: the network's answer.
            labels: of the pictures.

        Returns:
            Scalar loss.
        """
        parts = self.weights
        mixed = labels.own_shares < _MOSTLY_OWN
        values = labels.values.masked_fill(mixed.unsqueeze(1), UNLABELLED)
        total = embeddings.vectors.new_zeros(())
        if parts.visibility:
            share = labels.own_shares.unsqueeze(1)
            visible = share * labels.visible + (1 - share) * labels.visible[labels.partners]
            total = total + parts.visibility * visibility_loss(embeddings.visible_logits, visible)
        if parts.prototypes:
            total = total + parts.prototypes * self._prototypes(embeddings, labels)
        if parts.supcon:
            total = total + parts.supcon * contrast_across_groups(
                embeddings.vectors, values, labels.groups, parts.supcon_temperature
            )
        if parts.triplet:
            total = total + parts.triplet * self._mined_triplets(embeddings, values)
        if parts.all_triplets:
            total = total + parts.all_triplets * cosine_triplets(
                embeddings.vectors, values, parts.triplet_margin
            )
        return total

    def _prototypes(self, embeddings: Embeddings, labels: Labels) -> Tensor:
        """A mixed picture is two rows, one for each picture's values, counted by shares."""
        mixed = (labels.own_shares < 1).nonzero().flatten()
        return prototype_loss(
            torch.cat([embeddings.value_logits, embeddings.value_logits[mixed]]),
            torch.cat([labels.values, labels.values[labels.partners[mixed]]]),
            self.value_weights,
            self.weights.label_smoothing,
            torch.cat([labels.own_shares, 1 - labels.own_shares[mixed]]),
        )

    def _mined_triplets(self, embeddings: Embeddings, values: Tensor) -> Tensor:
        def mined(vectors: Tensor, labels: Tensor) -> Tensor:
            loss: Tensor = self.triplet(vectors, labels, self.triplet_miner(vectors, labels))
            return loss

        return mean_over_attributes(mined, embeddings.vectors, values)


def mean_over_attributes(
    loss: Callable[[Tensor, Tensor], Tensor], vectors: Tensor, values: Tensor
) -> Tensor:
    """Mean of a loss over the attributes with two labels or more; 0 where none has.

    Args:
        loss: from one attribute's labelled vectors (N, D) and labels (N,) to a scalar.
        vectors: (B, A, D).
        values: (B, A), ``UNLABELLED`` where there is none.
    """
    terms = [
        loss(space[labels >= 0], labels[labels >= 0])
        for space, labels in zip(vectors.unbind(1), values.unbind(1), strict=True)
        if (labels >= 0).sum() > 1
    ]
    return torch.stack(terms).mean() if terms else vectors.sum() * 0.0


def contrast_across_groups(
    vectors: Tensor, values: Tensor, groups: Tensor, temperature: float
) -> Tensor:
    """Supervised contrastive loss whose positives are by other photographers than the anchor.

    Khosla et al., NeurIPS 2020, arXiv 2004.11362, its L_out. Pictures of the anchor's value by the
    anchor's photographer neither attract nor repel: their floor is alike, and what draws them
    together would be learnt from it. Its other pictures stay negatives, the hardest there are.

    Args:
        vectors: (B, A, D), unit length.
        values: (B, A), ``UNLABELLED`` where there is none.
        groups: (B,), who took the picture.
        temperature: cosines are divided by it.

    Returns:
        Mean over attributes of the mean over anchors with a positive; 0 where there is none.
    """
    labelled = values >= 0  # (B, A)
    both = labelled.unsqueeze(1) & labelled.unsqueeze(0)  # (B, B, A)
    same = (values.unsqueeze(1) == values.unsqueeze(0)) & both
    by_others = (groups.unsqueeze(1) != groups.unsqueeze(0)).unsqueeze(2)
    positive = (same & by_others).permute(2, 0, 1)  # (A, B, B)
    counted = positive | (both & ~same).permute(2, 0, 1)
    by_attribute = vectors.transpose(0, 1)
    scores = torch.matmul(by_attribute, by_attribute.transpose(1, 2)) / temperature
    scores = scores.masked_fill(~counted, _NEVER)
    likelihood = scores - scores.logsumexp(dim=2, keepdim=True)
    positives = positive.sum(dim=2)  # (A, B)
    loss = -(likelihood * positive).sum(dim=2) / positives.clamp_min(1)
    anchors = (positives > 0).sum(dim=1)  # (A,)
    per_attribute = loss.sum(dim=1) / anchors.clamp_min(1)
    return per_attribute.sum() / (anchors > 0).sum().clamp_min(1)


def cosine_triplets(vectors: Tensor, values: Tensor, margin: float) -> Tensor:
    """`triplet_loss` of cosines, (B, A, D) unit vectors, averaged over attributes."""

    def triplets(space: Tensor, labels: Tensor) -> Tensor:
        return triplet_loss(space @ space.T, labels, margin)

    return mean_over_attributes(triplets, vectors, values)


def triplet_loss(similarity: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean of max(0, margin - s(anchor, positive) + s(anchor, negative)) over all triplets.

    ASEN's published sampling draws the anchor's value first, all values alike. Here every triplet
    counts alike.

    Args:
        similarity: (N, N).
        labels: (N,).
        margin: in units of similarity.

    Returns:
        Scalar; 0 where no triplet can be made.
    """
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    triplet = (same & ~itself).unsqueeze(2) & ~same.unsqueeze(1)  # (anchor, positive, negative)
    hinge = (margin - similarity.unsqueeze(2) + similarity.unsqueeze(1)).relu()
    return (hinge * triplet).sum() / triplet.sum().clamp_min(1)


def prototype_loss(
    logits: Tensor,
    values: Tensor,
    value_weights: Tensor,
    label_smoothing: float,
    shares: Tensor | None = None,
) -> Tensor:
    """Cross entropy per attribute over the values it has, smoothed over them alone.

    Args:
        logits: (B, A, V); values an attribute does not have are far below the rest.
        values: (B, A), ``UNLABELLED`` where there is none.
        value_weights: (A, V), 0 for values an attribute does not have.
        label_smoothing: share of the target spread evenly over an attribute's values.
        shares: (B,) how much each row counts; None: all alike.

    Returns:
        Mean over attributes of the weighted mean over their labelled rows; 0 with no label.
    """
    exists = (value_weights > 0).float()  # (A, V)
    uniform = exists / exists.sum(dim=1, keepdim=True)
    target = F.one_hot(values.clamp_min(0), logits.shape[2]).float()
    target = (1 - label_smoothing) * target + label_smoothing * uniform
    row_loss = -(target * logits.log_softmax(dim=-1)).sum(dim=-1)  # (B, A)
    attribute_index = torch.arange(values.shape[1], device=values.device)
    row_weight = value_weights[attribute_index, values.clamp_min(0)] * (values >= 0)  # (B, A)
    if shares is not None:
        row_weight = row_weight * shares.unsqueeze(1)
    per_attribute = (row_loss * row_weight).sum(0) / row_weight.sum(0).clamp_min(1e-6)
    has_label = (row_weight.sum(0) > 0).float()
    return (per_attribute * has_label).sum() / has_label.sum().clamp_min(1.0)


def attention_loss(attention: Tensor, parts: Tensor) -> Tensor:
    """Minus the log of the attention that falls on the right part, where that is known.

    Args:
        attention: (B, A, h, w), each map summing to 1.
        parts: (B, A, c, c) in 0..1, how much of each place shows the part; all 0 where unknown.

    Returns:
        Mean over the maps whose part is known; 0 where none is.
    """
    coverage = F.adaptive_avg_pool2d(parts, (attention.shape[2], attention.shape[3]))
    inside = (coverage / _COVERED).clamp_max(1.0)
    known = coverage.amax(dim=(2, 3)) >= _COVERED  # (B, A)
    on_part = (attention * inside).sum(dim=(2, 3))
    return -(on_part.clamp_min(1e-4).log() * known).sum() / known.sum().clamp_min(1)


def visibility_loss(logits: Tensor, visible: Tensor) -> Tensor:
    """Binary cross entropy of (B, A) logits over the labelled entries; 0 with no label."""
    labelled = visible.isfinite()
    entries = F.binary_cross_entropy_with_logits(logits, visible.nan_to_num(), reduction="none")
    return (entries * labelled).sum() / labelled.sum().clamp_min(1)


def balanced_value_weights(counts: Tensor, *, power: float = 0.5) -> Tensor:
    """Weights that lift rare values: count ** -power, mean 1 over each attribute's rows.

    Args:
        counts: (A, V) rows of each value, 0 where the attribute has no such value.
        power: 0 weighs rows alike, 1 weighs values alike.

    Returns:
        (A, V) float32, 0 where the count is 0.
    """
    counts = counts.float()
    weights = torch.where(counts > 0, counts.clamp_min(1) ** -power, torch.zeros_like(counts))
    rows = counts.sum(dim=1, keepdim=True)
    return weights * rows / (weights * counts).sum(dim=1, keepdim=True).clamp_min(1e-6)
