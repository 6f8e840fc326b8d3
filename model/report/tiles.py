"""The photographs of a report, each encoded once, small, and under one limit for the page."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from model.report.overlay import data_uri, picture, with_attention

TILE_PIXELS: Final = 200
TILE_QUALITY: Final = 72
THUMBNAIL_PIXELS: Final = 144
THUMBNAIL_QUALITY: Final = 58
MOST_BYTES: Final = 8_000_000
"""Of pictures in a page, as base64; thumbnails beyond it are left out, tiles never."""


class Tiles:
    """Pictures of a table's rows as data URIs.

    Args:
        files: the rows' images.
        fit: how the network's input was fitted, so that attention lies on what it looked at.
    """

    def __init__(self, files: Sequence[Path], fit: Literal["pad", "squash"]) -> None:
        self._files = files
        self._fit: Literal["pad", "squash"] = fit
        self._tiles: dict[int, str] = {}
        self.spent_bytes = 0

    def tile(self, row: int) -> str:
        """A row's picture."""
        if row not in self._tiles:
            shown = picture(self._files[row].read_bytes(), TILE_PIXELS, self._fit)
            self._tiles[row] = data_uri(shown, "webp", TILE_QUALITY)
        # Counted at every use: a page holds it as often as it shows it.
        self.spent_bytes += len(self._tiles[row])
        return self._tiles[row]

    def attended(self, row: int, attention: NDArray[np.float32]) -> str:
        """A row's picture, coloured where the network looked; attention is (h, w)."""
        shown = picture(self._files[row].read_bytes(), TILE_PIXELS, self._fit)
        uri = data_uri(with_attention(shown, attention), "webp", TILE_QUALITY)
        self.spent_bytes += len(uri)
        return uri

    def thumbnails(self, rows: Iterable[int]) -> dict[int, str]:
        """Smaller pictures of rows, as many as the page may still hold."""
        found = {}
        for row in rows:
            shown = picture(self._files[row].read_bytes(), THUMBNAIL_PIXELS, self._fit)
            uri = data_uri(shown, "webp", THUMBNAIL_QUALITY)
            if self.spent_bytes + len(uri) > MOST_BYTES:
                break
            self.spent_bytes += len(uri)
            found[row] = uri
        return found
