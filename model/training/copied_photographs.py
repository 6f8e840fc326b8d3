"""Photographs of a split and edited copies of them, as the file that serves sees them.

What a card says of copies is fitted on these: each copy beside its source, and laid on the
photographs that are most like it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.alignment import Alignment, LocalFeatures, align, local_features, squared
from model.encoder import Encoder
from model.evaluate import Progress
from model.labels import LabelTable
from model.robustness import as_served, open_picture
from model.training.edits import Editor, Source

COPIES: Final = 3
"""Copies of every photograph."""
PHOTOGRAPHS: Final = 1000
"""At most: their points are all in memory, a third of a megabyte each."""
NEAREST: Final = 20
"""Photographs that a copy is laid on: those most alike in the space ``design``."""
LESS_CONTENT: Final = 0.9
"""A copy that keeps less than this share of its source is one that has a direction."""
_STRENGTHS: Final = (0.2, 1.0)
_OTHERS: Final = 200
_BATCH: Final = 32

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LaidPairs:
    """Copies laid on their source and on the photographs most like them.

    Attributes:
        copies: (P,) int64, which copy; every copy has one pair with its source.
        own: (P,) bool, whether the photograph is its source.
        cosines: (P,) in the space ``design``.
        copy_norms: (P,).
        photograph_norms: (P,).
        kept: (P,) share of the source still to be seen in the copy.
        alignments: P, the copy first.
    """

    copies: NDArray[np.int64]
    own: NDArray[np.bool_]
    cosines: NDArray[np.floating]
    copy_norms: NDArray[np.floating]
    photograph_norms: NDArray[np.floating]
    kept: NDArray[np.float64]
    alignments: Sequence[Alignment]


@dataclass(frozen=True)
class CopiedSplit:
    """Photographs and their copies in the space ``design``.

    Attributes:
        references: (N, D) float32 and ``reference_norms`` (N,), the photographs.
        copies: (M, D) float32 and ``copy_norms`` (M,).
        sources: (M,) int64, the photograph that each copy shows.
        kept: (M,) share of it still to be seen.
        laid: the copies laid on photographs; None where there is one photograph only.
    """

    references: Floats
    reference_norms: Floats
    copies: Floats
    copy_norms: Floats
    sources: NDArray[np.int64]
    kept: NDArray[np.float64]
    laid: LaidPairs | None = None


class InDesign(NamedTuple):
    """Pictures in the space ``design``, with their points.

    Attributes:
        vectors: (N, D) float32.
        norms: (N,) float32.
        features: N.
    """

    vectors: Floats
    norms: Floats
    features: list[LocalFeatures]


def copied_split(
    encoder: Encoder,
    table: LabelTable,
    others: LabelTable,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> CopiedSplit:
    """Edit every photograph ``COPIES`` times, embed all, and lay copies on photographs.

    Args:
        encoder: of a file with the space ``design``.
        table: the photographs; of more than ``PHOTOGRAPHS``, as many from all over it.
        others: photographs of another split, for pages, stickers and grounds.
        seed: of the edits.
        progress: told of images embedded.

    Raises:
        UndecodableImage: naming the first file that cannot be read.
    """
    if len(table) > PHOTOGRAPHS:
        table = table.take(np.linspace(0, len(table) - 1, PHOTOGRAPHS).astype(int).tolist())
    step = max(1, len(others) // _OTHERS)
    editor = Editor([open_picture(file) for file in others.files[::step]])
    whole = _joined(
        in_design(encoder, [open_picture(file) for file in table.files[start : start + _BATCH]])
        for start in _batches(len(table), progress)
    )
    copies, norms, kept = [], [], list[float]()
    pairs = list[tuple[int, int, Alignment]]()
    for row, file in enumerate(table.files):
        source = Source.of(open_picture(file))
        edited = []
        for number in range(COPIES):
            rng = np.random.default_rng((seed, row, number))
            edited.append(editor.copy(source, float(rng.uniform(*_STRENGTHS)), rng))
        made = in_design(encoder, [each.picture for each in edited])
        pairs += _pairs(made, whole, row, len(kept))
        copies.append(made.vectors)
        norms.append(made.norms)
        kept += [each.kept for each in edited]
        if progress:
            progress(len(edited))
    split = CopiedSplit(
        whole.vectors,
        whole.norms,
        np.concatenate(copies),
        np.concatenate(norms),
        np.repeat(np.arange(len(table)), COPIES),
        np.array(kept),
    )
    return _laid(split, pairs)


def in_design(encoder: Encoder, pictures: Sequence[Image.Image]) -> InDesign:
    """Pictures of any shape in the file's last space."""
    preprocessing = encoder.card.preprocessing
    found = encoder.encode(np.stack([as_served(each, preprocessing) for each in pictures]))
    larger = squared(preprocessing)
    features = [
        local_features(as_served(picture, larger), picture.size, attention, preprocessing)
        for picture, attention in zip(pictures, found.attention, strict=True)
    ]
    return InDesign(found.vectors[:, -1], found.norms[:, -1], features)


def _pairs(
    made: InDesign, whole: InDesign, source: int, before: int
) -> Iterator[tuple[int, int, Alignment]]:
    """Each copy laid on its source, then on the others most like it."""
    cosines = made.vectors @ whole.vectors.T
    cosines[:, source] = np.inf
    for number, features in enumerate(made.features):
        for row in np.argsort(-cosines[number], kind="stable")[: NEAREST + 1].tolist():
            yield before + number, row, align(features, whole.features[row])


def _laid(split: CopiedSplit, pairs: Sequence[tuple[int, int, Alignment]]) -> CopiedSplit:
    if len(split.references) < 2:
        return split
    copies, rows = (np.array(column, np.int64) for column in list(zip(*pairs, strict=True))[:2])
    cosines = (split.copies[copies] * split.references[rows]).sum(axis=1)
    laid = LaidPairs(
        copies,
        split.sources[copies] == rows,
        cosines,
        split.copy_norms[copies],
        split.reference_norms[rows],
        split.kept[copies],
        [alignment for _, _, alignment in pairs],
    )
    return replace(split, laid=laid)


def _joined(parts: Iterator[InDesign]) -> InDesign:
    vectors, norms, features = zip(*parts, strict=True)
    return InDesign(
        np.concatenate(vectors), np.concatenate(norms), [each for part in features for each in part]
    )


def _batches(count: int, progress: Progress | None) -> Iterator[int]:
    for start in range(0, count, _BATCH):
        yield start
        if progress:
            progress(min(_BATCH, count - start))
