"""Every design against every suspect of a page, from stored vectors alone.

Most pairs are unrelated. So all pairs get one number, the policy's combined probability, and only
the few that reach the threshold are looked at point by point. Pairs are taken in tiles, since a
hundred designs and a thousand suspects make a hundred thousand pairs in ten spaces each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import ModelCard
from model.copies import copy_scores
from model.evidence.examining import chance_levels, combined_probability, log_likelihood_ratios
from service.screening.garments import Garments
from service.screening.records import Document, Finding
from service.screening.threshold import Threshold

TILE_PAIRS: Final = 1 << 16
"""Pairs compared at a time: 5 MiB for each array of ten float64 per pair."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What comparing a page brought.

    Attributes:
        pairs: compared; a garment is not compared with itself.
        findings: the best of each design.
        found: all beyond the threshold.
    """

    pairs: int
    findings: tuple[Finding, ...]
    found: int


class Scorer:
    """Compares garments; may run in any thread.

    Args:
        card: of the model that made the vectors; it has evidence figures.
        threshold: what a finding has to reach.
    """

    def __init__(self, card: ModelCard, threshold: Threshold) -> None:
        self.threshold = threshold
        self._card = card
        names = card.attribute_names
        weights = threshold.policy.attributes
        self._counted = [names.index(name) for name in names if weights.get(name, 0.0) > 0]

    def compare(self, held: Garments, page: Garments, held_are_designs: bool, limit: int) -> Scored:
        """Compare all of one side with all of the other.

        Args:
            held: one side.
            page: some of the other.
            held_are_designs: which of the two they are.
            limit: findings per design.
        """
        designs, suspects = (held, page) if held_are_designs else (page, held)
        same = _same(designs, suspects)
        findings: list[Finding] = []
        found = 0
        step = max(1, TILE_PAIRS // len(suspects))
        for start in range(0, len(designs), step):
            tile = _Tile(designs.some(start, start + step), suspects)
            hits = self._beyond(tile).without(same, start * len(suspects))
            found += len(hits.rows)
            findings += self._findings(tile, hits.best(limit, len(suspects)))
        return Scored(len(designs) * len(suspects) - len(same), tuple(findings), found)

    def _beyond(self, tile: "_Tile") -> "_Hits":
        """The pairs that reach the threshold, with their points."""
        policy, names = self.threshold.policy, self._card.attribute_names
        # By spaces: each is written and read in one piece.
        ratios = np.full((len(names), tile.pairs), np.nan)
        for index in self._counted:
            known = log_likelihood_ratios(tile.cosines(index), self._card, names[index])
            np.copyto(ratios[index], known, where=tile.seen(index))
        probabilities = combined_probability(ratios.T, self._card, policy)
        rows: Rows = np.flatnonzero(probabilities >= self.threshold.min_probability)
        chances = np.full((len(rows), len(self._counted)), np.nan)
        for place, index in enumerate(self._counted):
            levels = chance_levels(tile.cosines(index, rows), self._card, names[index])
            np.copyto(chances[:, place], levels, where=tile.seen(index)[rows])
        enough = (chances <= policy.max_chance).sum(axis=1) >= policy.min_points
        kept = rows[enough]
        counted = ratios[np.ix_(self._counted, kept)].T
        return _Hits(kept, probabilities[kept], chances[enough], counted)

    def _findings(self, tile: "_Tile", hits: "_Hits") -> Iterator[Finding]:
        if not len(hits.rows):
            return
        rates = self.threshold.rates(hits.probabilities)
        cosines = np.stack([tile.cosines(index, hits.rows) for index in self._counted], axis=1)
        copies = self._copies(tile, hits.rows)
        for place, row in enumerate(hits.rows.tolist()):
            design, suspect = divmod(row, len(tile.suspects))
            probability = float(hits.probabilities[place])
            document: Document = {
                "design": tile.designs.names[design],
                "suspect": tile.suspects.names[suspect],
                "probability": probability,
                "false_accusation_rate": float(rates[place]),
                **self._points(cosines[place], hits.chances[place], hits.ratios[place]),
                "copy": copies[place] if copies else None,
            }
            keys = (tile.designs.keys[design], tile.suspects.keys[suspect])
            yield Finding(*keys, probability, document)

    def _points(self, cosines: Floats, chances: Floats, ratios: Floats) -> Document:
        policy = self.threshold.policy
        names = [self._card.attribute_names[index] for index in self._counted]
        alike = [
            {
                "name": name,
                "similarity": float(cosine),
                "chance": float(chance),
                "likelihood_ratio": float(np.exp(ratio)),
            }
            for name, cosine, chance, ratio in zip(names, cosines, chances, ratios, strict=True)
            if chance <= policy.max_chance
        ]
        unseen = np.isnan(chances)
        return {
            "points_alike": sorted(alike, key=lambda point: (point["chance"], point["name"])),
            "points_counted": int((~unseen).sum()),
            "points_required": policy.min_points,
            "not_visible": [name for name, out in zip(names, unseen, strict=True) if out],
        }

    def _copies(self, tile: "_Tile", rows: Rows) -> list[Document]:
        """As `api_schemas.screens.FindingCopy`; nothing where the model has no such space."""
        if self._card.design_space is None:
            return []
        design, suspect = np.divmod(rows, len(tile.suspects))
        a, b = tile.designs.vectors[-1][design], tile.suspects.vectors[-1][suspect]
        norms = tile.designs.norms[-1][design], tile.suspects.norms[-1][suspect]
        scores = copy_scores(a, norms[0], b, norms[1], self._card)
        return [
            {
                "similarity": float(cosine),
                "design_is_copy_of_suspect": float(ours),
                "suspect_is_copy_of_design": float(theirs),
            }
            for cosine, (ours, theirs) in zip((a * b).sum(axis=1), scores, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Hits:
    """H pairs: rows of a tile, (H,) probabilities, (H, K) chance levels and log ratios."""

    rows: Rows
    probabilities: Floats
    chances: Floats
    ratios: Floats

    def without(self, same: set[int], before: int) -> "_Hits":
        """Those that are no pair of a garment with itself; `before` rows came in other tiles."""
        if not same:
            return self
        others = [row + before not in same for row in self.rows.tolist()]
        return self._taken(np.array(others, np.bool_))

    def best(self, limit: int, width: int) -> "_Hits":
        """The surest `limit` of each design; rows are `width` to a design."""
        designs = self.rows // width
        order = np.lexsort((self.rows, -self.probabilities, designs))
        ordered = designs[order]
        first = np.searchsorted(ordered, ordered)  # where each one's design begins
        return self._taken(order[np.arange(len(order)) - first < limit])

    def _taken(self, rows: NDArray[np.bool_] | Rows) -> "_Hits":
        return _Hits(
            self.rows[rows], self.probabilities[rows], self.chances[rows], self.ratios[rows]
        )


class _Tile:
    """Some designs with some suspects: P pairs, all suspects of a design next to each other."""

    def __init__(self, designs: Garments, suspects: Garments) -> None:
        self.designs = designs
        self.suspects = suspects
        self.pairs = len(designs) * len(suspects)
        self._cosines: dict[int, NDArray[np.float32]] = {}

    def cosines(self, index: int, rows: Rows | None = None) -> Floats:
        """(P,) of one space, or those of some rows."""
        if index not in self._cosines:
            product = self.designs.vectors[index] @ self.suspects.vectors[index].T
            self._cosines[index] = np.clip(product, -1.0, 1.0, out=product).reshape(-1)
        cosines = self._cosines[index]
        return (cosines if rows is None else cosines[rows]).astype(np.float64)

    def seen(self, index: int) -> NDArray[np.bool_]:
        """(P,) whether both show the space."""
        a, b = self.designs.visible[index], self.suspects.visible[index]
        both: NDArray[np.bool_] = a[:, None] & b[None, :]
        return both.reshape(-1)


def _same(designs: Garments, suspects: Garments) -> set[int]:
    """Rows, over all designs, that pair a stored garment with itself."""
    places = {
        (name["catalog"], name["id"]): place
        for place, name in enumerate(suspects.names)
        if name["catalog"] is not None
    }
    found = ((row, places.get((n["catalog"], n["id"]))) for row, n in enumerate(designs.names))
    return {row * len(suspects) + place for row, place in found if place is not None}
