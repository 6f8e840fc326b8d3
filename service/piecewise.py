"""A batch cut into pieces, each computed by one thread.

ONNX Runtime's own threads meet after every layer, so whenever decoding or HTTP holds up one of
them, the others wait. Pieces meet once, at the end of the batch. An image that comes alone is
computed by all threads together: nothing else would use them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from model.encoder import Embeddings, Encoder, ImageEmbedding

LARGEST_PIECE: Final = 4
"""Images: from here on one thread gains nothing by larger batches, and a piece that is held up
holds the batch up for less time."""


class PiecewiseEncoder:
    """Encodes batches; a context manager that keeps one thread per piece under way.

    Args:
        together: computes one image with all its threads.
        alone: the same model with one thread; called from several threads at a time.
    """

    def __init__(self, together: Encoder, alone: Encoder) -> None:
        self._together = together
        self._alone = alone
        self._threads = ThreadPoolExecutor(together.threads, thread_name_prefix="network")

    @classmethod
    def of(cls, encoder: Encoder, path: Path) -> "PiecewiseEncoder":
        """For an encoder loaded from `path`."""
        return cls(encoder, encoder if encoder.threads == 1 else Encoder.load(path, threads=1))

    @property
    def alone(self) -> Encoder:
        """The model with one thread."""
        return self._alone

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown()

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """Embed decoded images.

        Args:
            images: at least one, each (S, S, 3) uint8.

        Returns:
            One embedding per image, in order.
        """
        batch = np.stack(images)  # (B, S, S, 3)
        if len(batch) == 1 or self._together.threads == 1:
            return _rows(self._together.encode(batch))
        pieces = np.array_split(batch, piece_count(len(batch), self._together.threads))
        encoded = self._threads.map(self._alone.encode, pieces)
        return [row for piece in encoded for row in _rows(piece)]


def piece_count(images: int, threads: int) -> int:
    """How many pieces keep the threads equally busy, none larger than `LARGEST_PIECE`.

    >>> piece_count(16, threads=2), piece_count(10, threads=2), piece_count(3, threads=4)
    (4, 4, 3)
    """
    rounds = -(-images // (threads * LARGEST_PIECE))
    return min(images, threads * rounds)


def _rows(embeddings: Embeddings) -> list[ImageEmbedding]:
    return [embeddings[place] for place in range(len(embeddings))]
