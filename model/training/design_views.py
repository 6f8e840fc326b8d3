"""Photographs as the design space sees them: each whole, and in several edited copies.

A packed photograph is cut back to its own shape before it is edited, and fitted again afterwards,
as a copy that is uploaded would be.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from api_schemas.card import Preprocessing
from model.robustness import as_served
from model.training.edits import Edited, Editor, Source

_WHITE: Final = 255
_WIDEST_BAR: Final = 0.375  # of a side: something is left even of a white picture


class Views(NamedTuple):
    """What one step sees.

    Attributes:
        pixels: (B, S, S, 3) uint8.
        photographs: (B,) int64, the row of the photograph that each view shows.
        kept: (B,) float32, share of its content still to be seen.
    """

    pixels: NDArray[np.uint8]
    photographs: NDArray[np.int64]
    kept: NDArray[np.float32]


class Ask(NamedTuple):
    """One view: of which photograph, how strongly edited, and in which ways (None: some)."""

    photograph: int
    strength: float
    kinds: tuple[str, ...] | None
    seed: tuple[int, ...]


@dataclass(frozen=True)
class ViewMaker:
    """Packed photographs and what copies of them are made with.

    Attributes:
        packed: (N, P, P, 3) uint8, larger than the network's input.
        garments: (N, P, P) bool, nothing where a garment could not be cut out; None for none.
        others: (M, P, P, 3) uint8, what comes beside a picture on a page, and behind it.
        preprocessing: of the network.
        threads: views are made in.
    """

    packed: NDArray[np.uint8]
    garments: NDArray[np.bool_] | None
    others: NDArray[np.uint8]
    preprocessing: Preprocessing
    threads: int = 1

    def make(self, asked: Sequence[Ask]) -> Views:
        """The views asked for, in their order; the same seeds give the same views."""
        if self.threads == 1:
            made = [self._one(ask) for ask in asked]
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                made = list(pool.map(self._one, asked))
        return Views(
            np.stack([as_served(edited.picture, self.preprocessing) for edited in made]),
            np.array([ask.photograph for ask in asked], np.int64),
            np.array([edited.kept for edited in made], np.float32),
        )

    def _one(self, ask: Ask) -> Edited:
        source = self.source(ask.photograph)
        if ask.kinds == ():
            return Edited(source.picture, 1.0, ())
        editor = Editor(_Pictures(self.others))
        rng = np.random.default_rng(ask.seed)
        return editor.copy(source, ask.strength, rng, kinds=ask.kinds)

    def source(self, photograph: int) -> Source:
        """A photograph in its own shape, with its garment where that is known."""
        pixels = self.packed[photograph]
        rows, columns = _own_shape(pixels)

        def garment() -> NDArray[np.bool_] | None:
            if self.garments is None or not self.garments[photograph].any():
                return None
            return np.asarray(self.garments[photograph][rows, columns])

        return Source(Image.fromarray(pixels[rows, columns]), garment)


class _Pictures(Sequence[Image.Image]):
    """Packed photographs in their own shape, one at a time."""

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, index: int) -> Image.Image:  # type: ignore[override]
        rows, columns = _own_shape(self._packed[index])
        return Image.fromarray(self._packed[index][rows, columns])


def _own_shape(pixels: NDArray[np.uint8]) -> tuple[slice, slice]:
    """The part between equally wide white bars, above and below or left and right."""
    return (
        _between_bars(pixels[:, 0], lambda row: pixels[row]),
        _between_bars(pixels[0], lambda column: pixels[:, column]),
    )


def _between_bars(edge: NDArray[np.uint8], line: Callable[[int], NDArray[np.uint8]]) -> slice:
    """Lines that are left when white ones are taken from both ends alike.

    Args:
        edge: (P, 3), what each line begins with; a line that is white begins white.
        line: all of a line.
    """
    bar, last, most = 0, len(edge) - 1, round(len(edge) * _WIDEST_BAR)
    begins_white = (edge == _WHITE).all(axis=1)
    while bar < most and begins_white[bar] and begins_white[last - bar]:
        if (line(bar) != _WHITE).any() or (line(last - bar) != _WHITE).any():
            break
        bar += 1
    return slice(bar, len(edge) - bar)
