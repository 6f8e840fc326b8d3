"""Pairs of garments whose relation is known: what evidence is fitted on, and measured by.

Unrelated: photographs by different photographers. Same by chance: those among them whose labels
agree in every attribute that both show; no attribute can part them, though nobody copied. Copies:
a photograph and an edited one of it. Variants: a drawn garment, and the same design with one to
three attributes changed and everything that is not design (pose, shades, ground) drawn anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import ModelCard
from model.drawings.numbered import Drawn
from model.drawings.variants import CHANGEABLE, drawn_variants
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, Progress, embed_table, labelled_pairs
from model.evidence.edits import EDITS
from model.evidence.readings import Floats, angles_of
from model.labels import LabelTable
from model.robustness import Changed, as_served
from model.similarity import VISIBLE_THRESHOLD

Rows = NDArray[np.int64]

MOST_CHANGES: Final = 3
COPIES_OF_EACH: Final = 2
DRAWN_COUNT: Final = 200
"""Garments drawn, each with a variant of one, two and three changes."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of one kind.

    Attributes:
        angles: (P, A) radians between their vectors, NaN where not visible in both.
        groups: (P, 2) int64, their photographers; a drawn garment is its own.
    """

    angles: Floats
    groups: Rows

    def __len__(self) -> int:
        return len(self.angles)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Pairs":
        """Some of them."""
        return Pairs(self.angles[rows], self.groups[rows])


@dataclass(frozen=True, eq=False)
class Weighed:
    """Pairs at even odds: related and unrelated ones weigh a half each, 1 in all.

    Attributes:
        angles: (P, A), as in `Pairs`.
        related: (P,) bool.
        weights: (P,) float64.
    """

    angles: Floats
    related: NDArray[np.bool_]
    weights: Floats


@dataclass(frozen=True, eq=False)
class KnownPairs:
    """Everything known of one split.

    Attributes:
        split: its name.
        unrelated: all pairs of photographs by different photographers.
        same_by_chance: (P,) bool, which of these are labelled alike in all that both show.
        copies: photographs and edited copies of them.
        variants: drawn garments and variants, by how many attributes were changed; none where the
            model's attributes are not those that drawings have.
        unrelated_drawings: pairs of drawn garments; none likewise.
    """

    split: str
    unrelated: Pairs
    same_by_chance: NDArray[np.bool_]
    copies: Pairs
    variants: Mapping[int, Pairs]
    unrelated_drawings: Pairs

    def even_odds(self) -> Weighed:
        """Photographs and drawings count alike, and so does each number of changes."""
        unrelated = [each for each in (self.unrelated, self.unrelated_drawings) if len(each)]
        related = [([self.copies], 0.5), (list(self.variants.values()), 0.5)]
        present = [([p for p in pairs if len(p)], share) for pairs, share in related]
        whole = sum(share for pairs, share in present if pairs)
        parts = [(pairs, 0.5 / len(unrelated), False) for pairs in unrelated]
        parts += [
            (one, 0.5 * share / whole / len(pairs), True)
            for pairs, share in present
            for one in pairs
        ]
        return Weighed(
            angles=np.concatenate([pairs.angles for pairs, _, _ in parts]),
            related=np.concatenate([np.full(len(pairs), kind) for pairs, _, kind in parts]),
            weights=np.concatenate([np.full(len(p), share / len(p)) for p, share, _ in parts]),
        )


def known_pairs(
    encoder: Encoder,
    embedded: EmbeddedTable,
    *,
    drawn: int = DRAWN_COUNT,
    seed: int = 0,
    progress: Progress | None = None,
) -> KnownPairs:
    """Make edited copies of a split's photographs, draw garments, and pair them.

    Args:
        encoder: the model.
        embedded: the split's photographs.
        drawn: garments drawn, at least 2.
        seed: of the drawings.
        progress: told of pictures embedded; `pictures_needed` says how many there are.

    Raises:
        ValueError: no two photographs are by different photographers.
    """
    card = encoder.card
    groups = embedded.table.groups
    if len(np.unique(groups)) < 2:
        raise ValueError("unrelated garments need photographs by at least two photographers")
    left, right = np.triu_indices(len(groups), k=1)
    other = groups[left] != groups[right]
    left, right = left[other], right[other]
    variants, unrelated_drawings = _drawn_pairs(encoder, drawn, seed, progress)
    return KnownPairs(
        split=embedded.table.splits[0],
        unrelated=_pairs(card, embedded, left, embedded, right),
        same_by_chance=_labelled_alike(embedded.table, card, left, right),
        copies=_edited_copies(encoder, embedded, progress),
        variants=variants,
        unrelated_drawings=unrelated_drawings,
    )


def labelled_angles(
    embedded: EmbeddedTable, card: ModelCard, index: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Pairs by different photographers that are labelled, and seen to show, one attribute.

    Returns:
        (P,) radians, and (P,) whether the values are the same; none where the table does not have
        the attribute.
    """
    attribute = card.attributes[index]
    if attribute.name not in embedded.table.cells:
        return np.empty(0), np.empty(0, np.bool_)
    pairs = labelled_pairs(embedded, index, attribute)
    seen = embedded.visible[:, index] >= VISIBLE_THRESHOLD
    kept = seen[pairs.left] & seen[pairs.right]
    return angles_of(pairs.similarities[kept].astype(np.float64)), pairs.same[kept]


def pictures_needed(images: int, *, drawn: int = DRAWN_COUNT) -> int:
    """How many pictures `known_pairs` tells of at most, for a split of so many images."""
    return COPIES_OF_EACH * images + (1 + MOST_CHANGES) * drawn


def _labelled_alike(
    table: LabelTable, card: ModelCard, left: Rows, right: Rows
) -> NDArray[np.bool_]:
    shared = np.zeros(len(left), np.int64)
    differing = np.zeros(len(left), np.int64)
    for name in card.attribute_names:
        if name in table.cells:
            values = table.value_indices(name, table.values(name))
            both = (values[left] >= 0) & (values[right] >= 0)
            shared += both
            differing += both & (values[left] != values[right])
    return np.asarray((shared > 0) & (differing == 0))


def _edited_copies(encoder: Encoder, embedded: EmbeddedTable, progress: Progress | None) -> Pairs:
    """Each photograph beside COPIES_OF_EACH copies; the edits take turns."""
    card, table = encoder.card, embedded.table
    parts = []
    for place, edit in enumerate(EDITS.values()):
        turns = (place - COPIES_OF_EACH * np.arange(len(table))) % len(EDITS)
        rows = np.flatnonzero(turns < COPIES_OF_EACH)
        if len(rows):
            read = Changed(edit, card.preprocessing)
            copies = embed_table(encoder, table.take(rows.tolist()), progress=progress, read=read)
            made = np.array([file not in read.unchangeable for file in copies.table.files])
            pairs = _pairs(card, embedded, rows, copies, np.arange(len(rows)))
            parts.append(pairs.take(made))
    return Pairs(
        np.concatenate([part.angles for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )


def _drawn_pairs(
    encoder: Encoder, count: int, seed: int, progress: Progress | None
) -> tuple[dict[int, Pairs], Pairs]:
    """Variants by their number of changes, and unrelated drawings."""
    card = encoder.card
    if not set(card.attribute_names) & set(CHANGEABLE):
        return {}, Pairs(np.empty((0, len(card.attributes))), np.empty((0, 2), np.int64))
    originals = [Drawn.numbered(number, seed) for number in range(count)]
    first = _embedded_drawings(encoder, originals, progress)
    rows = np.arange(count)
    variants = {}
    for changes in range(1, MOST_CHANGES + 1):
        changed = drawn_variants(originals, changes, seed)
        second = _embedded_drawings(encoder, changed, progress)
        variants[changes] = _pairs(card, first, rows, second, rows)
    left, right = np.triu_indices(count, k=1)
    return variants, _pairs(card, first, left, first, right)


def _embedded_drawings(
    encoder: Encoder, drawn: Sequence[Drawn], progress: Progress | None
) -> EmbeddedTable:
    def read(file: Path) -> NDArray[np.uint8]:
        return as_served(drawn[int(file.name)].picture(), encoder.card.preprocessing)

    table = LabelTable(
        files=tuple(Path(str(number)) for number in range(len(drawn))),
        splits=("",) * len(drawn),
        groups=np.arange(len(drawn)),
        cells={},
    )
    return embed_table(encoder, table, progress=progress, read=read)


def _pairs(card: ModelCard, a: EmbeddedTable, left: Rows, b: EmbeddedTable, right: Rows) -> Pairs:
    """Rows ``left`` of one table beside rows ``right`` of another, in every attribute."""
    angles = np.full((len(left), len(card.attributes)), np.nan)
    seen_a, seen_b = a.visible >= VISIBLE_THRESHOLD, b.visible >= VISIBLE_THRESHOLD
    for index in range(len(card.attributes)):
        rows = np.flatnonzero(seen_a[left, index] & seen_b[right, index])
        cosines = np.einsum("pd,pd->p", a.vectors[left[rows], index], b.vectors[right[rows], index])
        angles[rows, index] = angles_of(cosines.astype(np.float64))
    return Pairs(angles, np.stack([a.table.groups[left], b.table.groups[right]], axis=1))
