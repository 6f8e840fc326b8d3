"""Photographs of a split and edited copies of them, as the file that serves sees them.

What a card says of copies is fitted on these: each copy beside its source, and laid on the
photographs that are most like it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.alignment import Alignment
from model.encoder import Encoder
from model.evaluate import Progress
from model.evidence.copy_pairs import Laid, in_design, laid_on_nearest, table_in_design
from model.labels import LabelTable
from model.robustness import open_picture
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
    whole = table_in_design(encoder, table, progress)
    copies, norms, kept = [], [], list[float]()
    pairs = list[Laid]()
    for row, file in enumerate(table.files):
        source = Source.of(open_picture(file))
        edited = []
        for number in range(COPIES):
            rng = np.random.default_rng((seed, row, number))
            edited.append(editor.copy(source, float(rng.uniform(*_STRENGTHS)), rng))
        made = in_design(encoder, [each.picture for each in edited])
        pairs += laid_on_nearest(made, whole, [row] * COPIES, NEAREST, len(kept))
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


def _laid(split: CopiedSplit, pairs: Sequence[Laid]) -> CopiedSplit:
    if len(split.references) < 2:
        return split
    copies = np.array([each.copy for each in pairs], np.int64)
    rows = np.array([each.photograph for each in pairs], np.int64)
    cosines = (split.copies[copies] * split.references[rows]).sum(axis=1)
    laid = LaidPairs(
        copies,
        split.sources[copies] == rows,
        cosines,
        split.copy_norms[copies],
        split.reference_norms[rows],
        split.kept[copies],
        [each.alignment for each in pairs],
    )
    return replace(split, laid=laid)
