"""Copies laid on their source and on the pictures most like them, as the file that serves does it.

What a card says of copies is fitted on such pairs, and measured by them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from api_schemas.card import Preprocessing
from model.alignment import Alignment, align
from model.encoder import Encoder
from model.evaluate import Progress
from model.labels import LabelTable
from model.local_features import LocalFeatures, local_features, squared
from model.robustness import as_served, open_picture

_BATCH = 32


class InDesign(NamedTuple):
    """Pictures in the space ``design``, with their points.

    Attributes:
        vectors: (N, D) float32, unit length.
        norms: (N,) float32.
        features: N.
    """

    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    features: list[LocalFeatures]


class Laid(NamedTuple):
    """A copy laid on a photograph.

    Attributes:
        copy: which one.
        photograph: which one.
        alignment: the copy first.
    """

    copy: int
    photograph: int
    alignment: Alignment


def in_design(encoder: Encoder, pictures: Sequence[Image.Image]) -> InDesign:
    """Pictures of any shape in the file's last space."""
    preprocessing = encoder.card.preprocessing
    found = encoder.encode(np.stack([as_served(each, preprocessing) for each in pictures]))
    features = points_of(pictures, found.attention, preprocessing)
    return InDesign(found.vectors[:, -1], found.norms[:, -1], features)


def points_of(
    pictures: Sequence[Image.Image], attention: NDArray[np.float32], preprocessing: Preprocessing
) -> list[LocalFeatures]:
    """Of each picture.

    Args:
        pictures: B of them, of any shape.
        attention: (B, K, h, w), the network's maps of them.
        preprocessing: of the network.
    """
    larger = squared(preprocessing)
    return [
        local_features(as_served(picture, larger), picture.size, maps, preprocessing)
        for picture, maps in zip(pictures, attention, strict=True)
    ]


def table_in_design(
    encoder: Encoder, table: LabelTable, progress: Progress | None = None
) -> InDesign:
    """A table's photographs, a third of a megabyte each.

    Raises:
        UndecodableImage: naming the first file that cannot be read.
    """
    parts = []
    for start in range(0, len(table), _BATCH):
        files = table.files[start : start + _BATCH]
        parts.append(in_design(encoder, [open_picture(file) for file in files]))
        if progress:
            progress(len(files))
    vectors, norms, features = zip(*parts, strict=True)
    return InDesign(
        np.concatenate(vectors), np.concatenate(norms), [each for part in features for each in part]
    )


def laid_on_nearest(
    copies: InDesign, photographs: InDesign, sources: Sequence[int], nearest: int, first: int = 0
) -> Iterator[Laid]:
    """Each copy on its source, then on the others most like it, by vectors.

    Args:
        copies: M of them, numbered from ``first`` on.
        photographs: N.
        sources: M rows of photographs.
        nearest: how many others.
        first: number of the first copy.
    """
    cosines = copies.vectors @ photographs.vectors.T
    for number, source in enumerate(sources):
        cosines[number, source] = np.inf
        for row in np.argsort(-cosines[number], kind="stable")[: nearest + 1].tolist():
            alignment = align(copies.features[number], photographs.features[row])
            yield Laid(first + number, row, alignment)
