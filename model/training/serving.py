"""What the exported file computes: the network, its spaces centred and gathered around values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from api_schemas.card import AttributeCard
from model.training.design_space import DesignHead, Taps
from model.training.palette import Palette, Reading, Readings

OUTPUTS: Final = ("vectors", "norms", "attention", "visible", "global")
VALUE_PULL: Final = 1.0
"""Length of the step from a vector towards its values' prototypes."""


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """What is done to one attribute's centred vectors.

    Attributes:
        whitening: (D, D) float32, what they are multiplied by before unit length is restored.
        pull: length of the step towards the prototypes of a vector's values.
        reading: what colours say of those values, or None where they are not asked.
    """

    whitening: NDArray[np.float32]
    pull: float = VALUE_PULL
    reading: Reading | None = None


class Serving(nn.Module):
    """What the file computes: the network, its spaces centred and gathered around values.

    Trained vectors of one attribute share a common part, which squeezes all cosines towards 1,
    more in one attribute than in another; weights between attributes then mean little. The
    centre is subtracted before unit length is restored. Then each vector is drawn towards the
    prototypes of its values, as much to each as it is probable, so that what is surely a polo
    collar lies nearer to other polo collars. Values are read from those vectors by the card's
    prototypes, so the file holds no value head. Which spaces are whitened between both steps, which
    ask the colours too how probable a value is, and which go without the second step, is fitted
    (`model.training.refinement`).

    A design head adds the space ``design`` as the last row, as it is: no centre, no values.
    """

    centres: Tensor  # (A, D), or zero as long as they are not known
    prototypes: Tensor  # (A, V, D), rows past an attribute's last value are zero
    scales: Tensor  # (A, 1)
    no_value: Tensor  # (A, V) bool, past an attribute's last value
    pulls: Tensor  # (A, 1)
    whitenings: Tensor  # (A, D, D)

    def __init__(self, network: nn.Module, design_head: DesignHead | None = None) -> None:
        super().__init__()
        self.network: Any = network.eval()
        self.design_head = None if design_head is None else design_head.eval()
        self.taps = None if design_head is None else Taps(self.network.get_submodule("trunk"))
        self.register_buffer("centres", torch.zeros(1, 1))
        self.register_buffer("pulls", torch.tensor(VALUE_PULL))
        self.draws = self.refines = False
        self.readings: Readings | None = None

    def refine(self, refinements: Sequence[Refinement], palette: Palette | None = None) -> None:
        """From now on do this to the attributes' vectors; readings need the palette."""
        readings = [refinement.reading for refinement in refinements]
        self.readings = Readings(palette, readings) if palette and any(readings) else None
        whitenings = np.stack([refinement.whitening for refinement in refinements])
        self.register_buffer("whitenings", torch.from_numpy(whitenings))
        self.register_buffer("pulls", torch.tensor([[r.pull] for r in refinements]))
        self.refines = True

    def draw_towards(self, attributes: Sequence[AttributeCard]) -> None:
        """From now on draw vectors towards these prototypes, probabilities as the card has them."""
        most = max(len(attribute.values) for attribute in attributes)
        places = [np.array(attribute.prototypes, np.float32) for attribute in attributes]
        padded = [np.pad(rows, ((0, most - len(rows)), (0, 0))) for rows in places]
        missing = [[v >= len(rows) for v in range(most)] for rows in places]
        self.register_buffer("prototypes", torch.from_numpy(np.stack(padded)))
        self.register_buffer("no_value", torch.tensor(missing))
        self.register_buffer("scales", torch.tensor([[a.scale] for a in attributes]))
        self.draws = True

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) normalised -> the tensors named in ``OUTPUTS``.

        ``attention`` are the places that vectors come from, not the network's maps.
        """
        if self.taps is None or self.design_head is None:
            e, design = self.network(images), None
        else:
            grids = self.taps(images)
            e, design = self.network.from_features(grids[-1]), self.design_head(grids)
        vectors = self.centred(e.vectors)
        if self.draws:
            told = None if self.readings is None else self.readings(images, e.origins)
            vectors = self.drawn(vectors, told)
        visible = e.visible_logits.sigmoid()
        if design is None:
            return vectors, e.norms, e.origins, visible, e.global_vector
        return (
            torch.cat([vectors, design.vectors.unsqueeze(1)], dim=1),
            torch.cat([e.norms, design.norms.unsqueeze(1)], dim=1),
            torch.cat([e.origins, design.attention.unsqueeze(1)], dim=1),
            torch.cat([visible, torch.ones_like(visible[:, :1])], dim=1),
            e.global_vector,
        )

    def centred(self, vectors: Tensor) -> Tensor:
        """(B, A, D) unit vectors -> unit vectors around the centres, whitened once it is known."""
        around = F.normalize(vectors - self.centres, dim=-1, eps=1e-6)
        if not self.refines:
            return around
        white = torch.matmul(around.transpose(0, 1), self.whitenings).transpose(0, 1)
        return F.normalize(white, dim=-1, eps=1e-6)

    def drawn(self, vectors: Tensor, told: Tensor | None = None) -> Tensor:
        """Unit vectors nearer to the prototypes of their values.

        Args:
            vectors: (B, A, D), unit length.
            told: (B, A, V), logits of the values by colours, which multiply probabilities.

        Returns:
            (B, A, D), unit length.
        """
        by_attribute = vectors.transpose(0, 1)  # (A, B, D)
        cosines = torch.matmul(by_attribute, self.prototypes.transpose(1, 2))  # (A, B, V)
        logits = cosines * self.scales.unsqueeze(2)
        if told is not None:
            logits = logits + told.transpose(0, 1)
        probable = logits.masked_fill(self.no_value.unsqueeze(1), -1e4).softmax(dim=-1)
        step = torch.matmul(probable, self.prototypes).transpose(0, 1)
        return F.normalize(vectors + self.pulls * step, dim=-1, eps=1e-6)
