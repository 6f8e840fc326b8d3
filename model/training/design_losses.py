"""What pulls copies to their source and pushes everything else away, in the ``design`` space.

Negatives are all other photographs of the step and, through a queue, of many steps before.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class DesignLosses:
    """Weights and constants."""

    temperature: float = 0.05
    direction: float = 0.3
    equal_content: float = 0.3
    spread: float = 3.0
    less_content: float = 0.1  # least difference of what is kept for one copy to be the lesser


def contrast_loss(
    vectors: Tensor, photographs: Tensor, queue: "Queue", temperature: float
) -> Tensor:
    """NT-Xent with several views of each photograph and a queue of further negatives.

    For each ordered pair of views of one photograph, ``-log(e(positive) / (e(positive) + sum of
    e(negatives)))`` with ``e = exp(cosine / temperature)``; the photograph's other views are left
    out of the sum, so that one easy view does not stand in a hard one's way.

    Args:
        vectors: (B, D), unit length.
        photographs: (B,) int64, which photograph each view shows.
        queue: earlier vectors; those of the same photograph do not count as negatives.
        temperature: of the softmax.
    """
    logits = vectors @ vectors.T / temperature  # (B, B)
    same = photographs.unsqueeze(1) == photographs
    negatives = logits.masked_fill(same, -torch.inf)
    if len(queue.vectors):
        further = vectors @ queue.vectors.T / temperature  # (B, Q)
        known = photographs.unsqueeze(1) == queue.photographs
        negatives = torch.cat([negatives, further.masked_fill(known, -torch.inf)], dim=1)
    against = negatives.logsumexp(dim=1, keepdim=True)  # (B, 1)
    positive = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    return (torch.logaddexp(against, logits) - logits)[positive].mean()


def direction_loss(norms: Tensor, photographs: Tensor, kept: Tensor, least: float) -> Tensor:
    """``exp(1 - |f_more| / |f_less|)``, the mean over pairs of views that differ in content.

    Args:
        norms: (B,).
        photographs: (B,) int64.
        kept: (B,) share of the photograph that each view still shows.
        least: difference from which a pair counts.
    """
    same = photographs.unsqueeze(1) == photographs
    more = same & (kept.unsqueeze(1) - kept > least)  # [i, j]: i shows more than j
    if not more.any():
        return norms.sum() * 0
    ratios = norms.unsqueeze(1) / norms
    return torch.exp(1 - ratios[more]).mean()


def equal_content_loss(norms: Tensor, photographs: Tensor, kept: Tensor) -> Tensor:
    """Squared log ratio of the norms, the mean over pairs of views that keep equally much."""
    same = photographs.unsqueeze(1) == photographs
    equal = (same & ((kept.unsqueeze(1) - kept).abs() < 1e-3)).triu(diagonal=1)
    if not equal.any():
        return norms.sum() * 0
    logs = norms.log()
    return (logs.unsqueeze(1) - logs)[equal].square().mean()


def spread_loss(vectors: Tensor, photographs: Tensor, queue: "Queue") -> Tensor:
    """Minus log distance to the nearest view of another photograph, queue included (KoLeo).

    It keeps distances comparable from one region to the next, so that one threshold serves all
    (Sablayrolles et al., ICLR 2019; for copies: SSCD, CVPR 2022).
    """
    others = torch.cat([vectors, queue.vectors])
    same = photographs.unsqueeze(1) == torch.cat([photographs, queue.photographs])
    with torch.no_grad():
        nearest = (vectors @ others.T).masked_fill(same, -2.0).argmax(dim=1)
    distances: Tensor = (vectors - others[nearest]).norm(dim=1)
    return -distances.clamp_min(1e-4).log().mean()


class Queue:
    """The latest vectors of earlier steps.

    Attributes:
        vectors: (Q, D), unit length, without gradient.
        photographs: (Q,) int64.
    """

    def __init__(self, length: int, dimension: int, device: torch.device) -> None:
        self.length = length
        self.vectors = torch.empty(0, dimension, device=device)
        self.photographs = torch.empty(0, dtype=torch.int64, device=device)

    def put(self, vectors: Tensor, photographs: Tensor) -> None:
        """Remember a step; the oldest are forgotten."""
        self.vectors = torch.cat([self.vectors, F.normalize(vectors.detach(), dim=-1)])
        self.vectors = self.vectors[-self.length :]
        self.photographs = torch.cat([self.photographs, photographs])[-self.length :]
