"""Pairs of garments of which it is known in what they differ: drawn, and photographed.

The kind of garment is never what a drawing changes: its parts imply it, and a drawing whose parts
say one kind and whose label says another contradicts itself. Photographs are labelled by people,
who do not always agree on a neckline or a color, so not every answer there is right.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice, repeat
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import ModelCard
from model.drawings import allowed_values, variant
from model.drawings.numbered import Drawn
from model.encoder import Encoder, ImageEmbedding
from model.evaluate import EmbeddedTable, Progress, shared_attributes
from model.evidence.conceptual import KIND
from model.labels import NOT_VISIBLE
from model.robustness import as_served

PICTURES_OF_A_PAIR: Final = 3
"""The garment, and the changed one under the same look and under another."""
PHOTOGRAPH_PAIRS: Final = 4000
"""Pairs of photographs of one kind, at most."""
_BATCH: Final = 32
_TRIES: Final = 100  # garments looked at for each that is wanted


class Pair(NamedTuple):
    """Two images, and the attribute in which they differ, or None."""

    a: ImageEmbedding
    b: ImageEmbedding
    differs: str | None


@dataclass(frozen=True)
class ChangedDesign:
    """A drawn garment, and the same with one attribute changed under the same look."""

    attribute: str
    before: Drawn
    after: Drawn

    def under_another_look(self) -> Drawn:
        """The changed garment in another pose, in other shades, on another ground."""
        seed, number, look = self.after.look
        return Drawn(self.after.design, (seed, number, look + 1), self.after.side)


def changed_designs(card: ModelCard, *, count: int, seed: int = 0) -> list[ChangedDesign]:
    """Garments with one attribute changed, whose values the card names, before and after.

    Returns:
        `count` of them; fewer, or none, where few garments have only values that the card names.
    """
    named = {attribute.name: attribute.values for attribute in card.attributes}
    drawn = (Drawn.numbered(number, seed) for number in range(_TRIES * count))
    return list(islice((changed for each in drawn for changed in _changed(each, named)), count))


def drawn_pairs(
    encoder: Encoder, *, count: int, seed: int = 0, progress: Progress | None = None
) -> dict[str, list[Pair]]:
    """Pairs of drawings by kind; none where the card names nothing that can be drawn.

    Args:
        encoder: the model.
        count: pairs of each kind.
        seed: of the drawings.
        progress: told of each picture embedded; there are ``PICTURES_OF_A_PAIR * count``.
    """
    designs = changed_designs(encoder.card, count=count, seed=seed)
    drawings = [d for c in designs for d in (c.before, c.after, c.under_another_look())]
    images = _embedded(encoder, drawings, progress)
    befores, afters, others = (images[place::PICTURES_OF_A_PAIR] for place in range(3))
    names = [changed.attribute for changed in designs]
    kinds = {
        "drawn, one attribute differs": [*map(Pair, befores, afters, names)],
        "drawn, one differs, another look": [*map(Pair, befores, others, names)],
        "drawn alike, another look": [*map(Pair, afters, others, repeat(None))],
    }
    return {kind: pairs for kind, pairs in kinds.items() if pairs}


def photographed_pairs(
    embedded: EmbeddedTable, card: ModelCard, *, seed: int = 0
) -> dict[str, list[Pair]]:
    """Pairs by different photographers, labelled alike but for one attribute or none, by kind.

    Every shared attribute is labelled in both, with a value in both or in neither.

    Args:
        embedded: one split.
        card: of the model that embedded it.
        seed: of the choice where there are more than PHOTOGRAPH_PAIRS of a kind.

    Raises:
        ValueError: the model and the table share no attribute.
    """
    left, right, differing, names = _labelled_pairs(embedded, card)
    images = [_image(embedded, row) for row in range(len(embedded.table))]
    rng = np.random.default_rng(seed)

    def some(differences: int) -> list[Pair]:
        rows = np.flatnonzero(differing.sum(axis=1) == differences)
        if len(rows) > PHOTOGRAPH_PAIRS:
            rows = np.sort(rng.choice(rows, PHOTOGRAPH_PAIRS, replace=False))
        return [
            Pair(
                images[left[row]],
                images[right[row]],
                names[int(differing[row].argmax())] if differences else None,
            )
            for row in rows
        ]

    kinds = {"photographs, one label differs": some(1), "photographs labelled alike": some(0)}
    return {kind: pairs for kind, pairs in kinds.items() if pairs}


def _changed(drawn: Drawn, named: Mapping[str, tuple[str, ...]]) -> Iterator[ChangedDesign]:
    """One change of a garment at random; none where the card lacks a word for it."""
    design = asdict(drawn.design)
    if any(
        value != NOT_VISIBLE and value not in named.get(name, (value,))
        for name, value in design.items()
    ):
        return
    rng = np.random.default_rng((*drawn.look, 0))
    changes = {
        name: [
            value
            for value in allowed_values(drawn.design, name)
            if value in named.get(name, ()) and value != present
        ]
        for name, present in design.items()
        if name != KIND and present != NOT_VISIBLE
    }
    possible = [name for name, values in changes.items() if values]
    if possible:
        name = possible[int(rng.integers(len(possible)))]
        value = changes[name][int(rng.integers(len(changes[name])))]
        after = Drawn(variant(drawn.design, name, value), drawn.look, drawn.side)
        yield ChangedDesign(name, drawn, after)


def _embedded(
    encoder: Encoder, drawings: list[Drawn], progress: Progress | None
) -> list[ImageEmbedding]:
    images: list[ImageEmbedding] = []
    for start in range(0, len(drawings), _BATCH):
        batch = drawings[start : start + _BATCH]
        pixels = [as_served(drawn.picture(), encoder.card.preprocessing) for drawn in batch]
        embeddings = encoder.encode(np.stack(pixels))
        images.extend(embeddings[row] for row in range(len(embeddings)))
        if progress:
            progress(len(batch))
    return images


def _labelled_pairs(
    embedded: EmbeddedTable, card: ModelCard
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], list[str]]:
    """Rows (P,) and (P,), where the labels differ (P, A), and the names of the A attributes."""
    table = embedded.table
    left, right = np.triu_indices(len(table), k=1)
    kept = table.groups[left] != table.groups[right]
    differing = []
    names = [attribute.name for _, attribute in shared_attributes(table, card.attributes)]
    for name in names:
        values, shown = table.value_indices(name, table.values(name)), table.visible(name)
        kept &= shown[left] == shown[right]  # NaN, not labelled, equals nothing
        differing.append(values[left] != values[right])
    return left[kept], right[kept], np.stack(differing, axis=1)[kept], names


def _image(embedded: EmbeddedTable, row: int) -> ImageEmbedding:
    """What a comparison reads of a row; the rest is not kept in a table."""
    nothing = np.zeros(0, np.float32)
    return ImageEmbedding(
        embedded.vectors[row],
        nothing,
        embedded.visible[row],
        nothing,
        embedded.global_vectors[row],
    )
