"""How often two garments are said to part where they do, and how far apart equal ones come out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from api_schemas.card import ModelCard
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, Progress
from model.evidence.conceptual import compare_concepts
from model.evidence.parting_pairs import Pair, drawn_pairs, photographed_pairs
from model.sheet import Sheet, figure


@dataclass(frozen=True)
class Parting:
    """What is said of pairs of one kind.

    Attributes:
        pairs: how many.
        right: per attribute that differs: its pairs, and how many of them are said to part there;
            empty where nothing differs.
        clear: share of pairs said to part clearly.
        clear_right: share of those that do, where they are said to; None where there are none.
        distance: over all statements, bits: the median, and what 90 % of pairs stay within.
    """

    pairs: int
    right: Mapping[str, tuple[int, int]]
    clear: float
    clear_right: float | None
    distance: tuple[float, float]

    @property
    def share_right(self) -> float | None:
        """Of all pairs."""
        return sum(right for _, right in self.right.values()) / self.pairs if self.right else None

    @property
    def mean_right(self) -> float | None:
        """Mean over the attributes that differ, each counting alike."""
        shares = [right / pairs for pairs, right in self.right.values()]
        return float(np.mean(shares)) if shares else None


def measure_parting(
    encoder: Encoder,
    embedded: EmbeddedTable,
    *,
    drawn: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Parting]:
    """Measure on drawn garments and on photographs, by kind of pair.

    Args:
        encoder: the model.
        embedded: one split.
        drawn: pairs of drawings of each kind, at least 1.
        seed: of the drawings, and of the choice among many pairs of photographs.
        progress: told of each picture embedded; there are ``PICTURES_OF_A_PAIR * drawn``.

    Raises:
        ValueError: the model and the table share no attribute.
    """
    pairs = {
        **drawn_pairs(encoder, count=drawn, seed=seed, progress=progress),
        **photographed_pairs(embedded, encoder.card, seed=seed),
    }
    return {kind: partings(some, encoder.card) for kind, some in pairs.items()}


def partings(pairs: Sequence[Pair], card: ModelCard) -> Parting:
    """Compare each pair and count; at least one pair."""
    right: dict[str, list[bool]] = defaultdict(list)
    clear, distances = [], []
    for a, b, differs in pairs:
        said = compare_concepts(a, b, card)
        if differs is not None:
            right[differs].append(said.parting == differs)
        if said.clear:
            clear.append(said.parting == differs)
        distances.append(said.distances[-1] if said.distances else 0.0)
    median, most = np.quantile(distances, (0.5, 0.9))
    return Parting(
        pairs=len(pairs),
        right={name: (len(answers), sum(answers)) for name, answers in sorted(right.items())},
        clear=len(clear) / len(pairs),
        clear_right=float(np.mean(clear)) if clear else None,
        distance=(float(median), float(most)),
    )


def parting_sheets(measured: Mapping[str, Parting]) -> tuple[Sheet, Sheet]:
    """The figures as texts: over all pairs, and by the attribute that differs."""
    differing = {kind: parting for kind, parting in measured.items() if parting.right}
    overall = Sheet(
        "where two garments are said to part, and their distance over all statements in bits",
        ("pairs", "number", "right", "mean", "clear", "of which right", "median", "90 %"),
        tuple((kind, *_overall(parting)) for kind, parting in measured.items()),
    )
    names = sorted({name for parting in differing.values() for name in parting.right})
    by_attribute = Sheet(
        "said to part at the attribute that differs, of how many pairs",
        ("attribute", *differing),
        tuple(
            (name, *(_counted(parting.right.get(name)) for parting in differing.values()))
            for name in names
        ),
    )
    return overall, by_attribute


def _overall(parting: Parting) -> tuple[str, ...]:
    return (
        str(parting.pairs),
        figure(parting.share_right),
        figure(parting.mean_right),
        figure(parting.clear),
        figure(parting.clear_right if parting.right else None),
        *(f"{bits:.2f}" for bits in parting.distance),
    )


def _counted(counted: tuple[int, int] | None) -> str:
    return "" if counted is None else f"{figure(counted[1] / counted[0])} of {counted[0]}"
