"""The colours that lie under an attribute's attention, and what they say of its values.

A trunk that learns ten attributes keeps little of colours: what tells navy from black is hardly
in its last grid. Colour histograms are (Swain and Ballard, "Color Indexing", IJCV 1991): one of
the places that an attribute's vector comes from, and one of all the others, which tells in what
light a garment lies. A linear reading of both names values beside the network's own
(`model.training.serving`); which spaces gain by it is fitted (`model.training.refinement`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from api_schemas.card import ModelCard, Preprocessing
from model.encoder import Embeddings
from model.labels import LabelTable
from model.pixels import normalise

LIGHTS: Final = (0.05, 0.18, 0.31, 0.44, 0.56, 0.69, 0.82, 0.95)
CHROMAS: Final = (-0.5, -0.25, -0.12, -0.05, 0.0, 0.05, 0.12, 0.25, 0.5)
"""Middles of bins in opponent colours: lightness, and red against green or yellow against blue."""
SIZE: Final = 2 * len(LIGHTS) * len(CHROMAS) ** 2
"""Numbers of one palette, P."""
POOLED: Final = 4
"""Pixels each way that are taken together before colours are counted."""
OTHERS_WEIGHT: Final = 0.5
"""Of the histogram of all other places, whose colours say less."""
RIDGE: Final = 3e-5
"""Weight of the squared length of a reading; chosen on valid among 1e-5 to 3e-4."""
LEARNT_FROM: Final = 80_000
"""Palettes that readings are fitted to at most, over all attributes: 200 MB of them."""


class Palette(nn.Module):
    """Colour histograms under attention, as roots of shares (Hellinger's kernel)."""

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        mean, std = (
            torch.tensor(x).view(1, 3, 1, 1) for x in (preprocessing.mean, preprocessing.std)
        )
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.lights = _Bins(LIGHTS)
        self.chromas = _Bins(CHROMAS)

    def forward(self, images: Tensor, attention: Tensor) -> Tensor:
        """(B, 3, H, W) normalised and (B, A, h, w) maps -> (B, A, P)."""
        colours = F.avg_pool2d(images * self.std + self.mean, POOLED)
        red, green, blue = colours.unbind(dim=1)  # each (B, H / 4, W / 4)
        light = self.lights((red + green + blue) / 3)  # (B, N, lights)
        chroma = torch.matmul(
            self.chromas(red - green).unsqueeze(3),
            self.chromas((red + green) / 2 - blue).unsqueeze(2),
        ).flatten(2)  # (B, N, chromas ** 2)
        size = colours.shape[2:]
        near = F.interpolate(attention, size=size, mode="bilinear").flatten(2)  # (B, A, N)
        near = near / near.amax(dim=2, keepdim=True).clamp_min(1e-12)
        others = (1 - near).square().square()
        return torch.cat(
            [_histogram(near, light, chroma), OTHERS_WEIGHT * _histogram(others, light, chroma)],
            dim=2,
        )


class _Bins(nn.Module):
    """How much of each bin a number is: all of one, or parts of the two that it lies between."""

    middles: Tensor
    rise: Tensor
    fall: Tensor

    def __init__(self, middles: Sequence[float]) -> None:
        super().__init__()
        places = torch.tensor(middles)
        self.register_buffer("middles", places)
        widths = places.diff()
        self.register_buffer("rise", torch.cat([widths[:1], widths]))
        self.register_buffer("fall", torch.cat([widths, widths[-1:]]))

    def forward(self, numbers: Tensor) -> Tensor:
        """(B, H, W) -> (B, H * W, bins), each row summing to 1."""
        inside = numbers.flatten(1).clamp(self.middles[0], self.middles[-1]).unsqueeze(2)
        away = inside - self.middles
        return torch.minimum(1 + away / self.rise, 1 - away / self.fall).clamp_min(0)


def _histogram(weights: Tensor, light: Tensor, chroma: Tensor) -> Tensor:
    """(B, A, N), (B, N, L) and (B, N, C) -> (B, A, L * C), roots of shares."""
    weighted = weights.unsqueeze(2) * light.transpose(1, 2).unsqueeze(1)  # (B, A, L, N)
    each = torch.matmul(weighted.flatten(1, 2), chroma)  # (B, A * L, C)
    counts = torch.unflatten(each, 1, weighted.shape[1:3]).flatten(2)
    return (counts / counts.sum(dim=2, keepdim=True).clamp_min(1e-12)).sqrt()


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What palettes say of one attribute's values.

    Attributes:
        weights: (P, V) float32, zero past the attribute's last value.
        biases: (V,) float32.
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]


class Readings(nn.Module):
    """The readings that a file holds."""

    spread: Tensor  # (A, K), which attribute each reading is of
    weights: Tensor  # (K, P, V)
    biases: Tensor  # (K, V)

    def __init__(self, palette: Palette, readings: Sequence[Reading | None]) -> None:
        """Take one reading, or none, per attribute; at least one must be there."""
        super().__init__()
        self.palette = palette
        held = [(index, reading) for index, reading in enumerate(readings) if reading is not None]
        self.places = [index for index, _ in held]
        spread = np.eye(len(readings), dtype=np.float32)[:, self.places]
        self.register_buffer("spread", torch.from_numpy(spread))
        self.register_buffer("weights", torch.from_numpy(np.stack([r.weights for _, r in held])))
        self.register_buffer("biases", torch.from_numpy(np.stack([r.biases for _, r in held])))

    def forward(self, images: Tensor, attention: Tensor) -> Tensor:
        """(B, 3, H, W) and (B, A, h, w) -> logits (B, A, V), zero where there is no reading."""
        palettes = self.palette(images, attention[:, self.places])  # (B, K, P)
        logits = torch.matmul(palettes.transpose(0, 1), self.weights).transpose(0, 1) + self.biases
        return torch.matmul(self.spread, logits)


@dataclass
class Watched:
    """What a module says of pictures while they are embedded; see `model.evaluate.embed_table`.

    Attributes:
        module: a `Palette` or `Readings`.
        preprocessing: of the pictures.
        attributes: how many there are; spaces behind them have no palette.
        every: of so many pictures one is asked about.
    """

    module: nn.Module
    preprocessing: Preprocessing
    attributes: int
    every: int = 1
    _seen: int = 0
    _said: list[NDArray[np.float16]] = field(default_factory=list)

    def __call__(self, pixels: NDArray[np.uint8], embeddings: Embeddings) -> None:
        """Ask about a batch."""
        some = slice(-self._seen % self.every, None, self.every)
        self._seen += len(pixels)
        if not len(pixels[some]):
            return
        images = torch.from_numpy(normalise(pixels[some], self.preprocessing))
        attention = torch.from_numpy(embeddings.attention[some, : self.attributes])
        with torch.no_grad():
            self._said.append(self.module(images, attention).numpy().astype(np.float16))

    def said(self) -> NDArray[np.float16]:
        """(N, A, P or V) of the pictures 0, ``every``, 2 * ``every`` and so on."""
        return np.concatenate(self._said)


def fit_readings(
    palettes: NDArray[np.float16], table: LabelTable, card: ModelCard
) -> tuple[Reading, ...]:
    """Logistic regressions from palettes to values.

    Args:
        palettes: (N, A, P), of the table's rows.
        table: labels of training photographs.
        card: gives attributes and values.

    Returns:
        One per attribute, in the card's order.
    """
    most = max(len(attribute.values) for attribute in card.attributes)
    readings = []
    for index, attribute in enumerate(card.attributes):
        actual = table.value_indices(attribute.name, attribute.values)
        rows = np.flatnonzero(actual >= 0)
        weights, biases = _fit_reading(
            torch.from_numpy(palettes[rows, index].astype(np.float32)),
            torch.from_numpy(actual[rows]).long(),
            len(attribute.values),
        )
        padding = (0, most - len(attribute.values))
        readings.append(Reading(np.pad(weights, ((0, 0), padding)), np.pad(biases, padding)))
    return tuple(readings)


def _fit_reading(
    palettes: Tensor, actual: Tensor, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    weights = torch.zeros(SIZE, count, requires_grad=True)
    biases = torch.zeros(count, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights, biases], max_iter=60, history_size=8, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(palettes @ weights + biases, actual)
        loss = loss + RIDGE * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    if len(actual):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach().numpy(), biases.detach().numpy()
