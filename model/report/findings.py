"""All that a report shows, as figures and rows of the table; how it is drawn is another matter.

Figures come from `model.evaluate`; here is only what stands behind them: which garments, which
values for which, and where they lie.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import AttributeCard, AttributeQuality, ModelCard, Quality
from model.calibration import Calibration, CheckedCalibration, measure_calibration
from model.encoder import Encoder
from model.evaluate import (
    EmbeddedTable,
    evaluate,
    same_value_reliability,
    shared_attributes,
    value_reliability,
)
from model.further import FurtherQuality
from model.metrics import ReliabilityBin
from model.report.queries import Counts, Query, find_queries
from model.report.space import MIN_POINTS, SEED, lay_out
from model.similarity import value_probabilities

MOST_POINTS: Final = 1000
"""Garments on a map; of a larger split a random choice, since each brings its thumbnail."""
COUNTS: Final = Counts(worst=2, typical=2, best=1)
NOTHING_FURTHER: Final = FurtherQuality()


@dataclass(frozen=True)
class Confusion:
    """Which value was read for which.

    Attributes:
        read: (V,) the values the model can name: the columns.
        labelled: (L,) those of them that occur, then values it never learnt: the rows.
        counts: (L, V) garments.
    """

    read: tuple[str, ...]
    labelled: tuple[str, ...]
    counts: NDArray[np.int64]

    def mistakes(self) -> list[tuple[str, str, int, int]]:
        """(labelled, read, how often, of how many), the commonest first."""
        found = [
            (labelled, read, int(self.counts[i, j]), int(self.counts[i].sum()))
            for i, labelled in enumerate(self.labelled)
            for j, read in enumerate(self.read)
            if labelled in self.read and labelled != read and self.counts[i, j]
        ]
        return sorted(found, key=lambda each: (-each[2], each[3]))


@dataclass(frozen=True)
class Point:
    """A garment on a map: its row, its place by `lay_out`, its value, and the value read."""

    row: int
    x: float
    y: float
    value: str
    read: str

    @property
    def right(self) -> bool:
        """Whether it is read as it is labelled."""
        return self.value == self.read


@dataclass(frozen=True)
class AttributeFindings:
    """One attribute's section of the report."""

    card: AttributeCard
    quality: AttributeQuality
    queries: tuple[Query, ...]
    confusion: Confusion
    value_reliability: tuple[ReliabilityBin, ...]
    same_value_reliability: tuple[ReliabilityBin, ...]
    calibration: CheckedCalibration
    points: tuple[Point, ...]
    """Empty where there are too few garments for a map."""


@dataclass(frozen=True)
class Findings:
    """All that a report shows.

    Attributes:
        card: the model's.
        fingerprint: of the model's file.
        file_bytes: size of the model's file.
        data: name of the table.
        quality: of all attributes that model and table share.
        calibration: of the same.
        attributes: those with a section of their own.
        further: robustness and attention, as far as they were measured.
    """

    card: ModelCard
    fingerprint: str
    file_bytes: int
    data: str
    quality: Quality
    calibration: Calibration
    attributes: tuple[AttributeFindings, ...]
    further: FurtherQuality = NOTHING_FURTHER


def find(
    encoder: Encoder,
    embedded: EmbeddedTable,
    *,
    split: str,
    data: str,
    file_bytes: int,
    names: Sequence[str] | None = None,
    counts: Counts = COUNTS,
    further: FurtherQuality = NOTHING_FURTHER,
    progress: Callable[[], None] | None = None,
) -> Findings:
    """Measure a split and choose what to show of it.

    Args:
        encoder: the model.
        embedded: the split's images.
        split: its name.
        data: name of the table.
        file_bytes: size of the model's file.
        names: attributes with a section of their own; all that model and table share by default.
        counts: queries to show.
        further: as measured before.
        progress: told of each attribute done.

    Raises:
        ValueError: the model and the table share no attribute.
        MissingLibraryError: scikit-learn is not installed.
    """
    quality = evaluate(embedded, encoder.card.attributes, split)
    calibration = measure_calibration(embedded, encoder.card.attributes)
    sections = []
    for index, attribute in shared_attributes(embedded.table, encoder.card.attributes):
        if names is None or attribute.name in names:
            measured = quality.attributes[attribute.name]
            checked = calibration.attributes[attribute.name]
            sections.append(
                _section(encoder, embedded, index, attribute, measured, checked, counts)
            )
            if progress:
                progress()
    return Findings(
        card=encoder.card,
        fingerprint=encoder.fingerprint,
        file_bytes=file_bytes,
        data=data,
        quality=quality,
        calibration=calibration,
        attributes=tuple(sections),
        further=further,
    )


def _section(
    encoder: Encoder,
    embedded: EmbeddedTable,
    index: int,
    attribute: AttributeCard,
    quality: AttributeQuality,
    calibration: CheckedCalibration,
    counts: Counts,
) -> AttributeFindings:
    probabilities = value_probabilities(embedded.vectors[:, index], attribute)
    read = [attribute.values[best] for best in probabilities.argmax(axis=1)]
    return AttributeFindings(
        card=attribute,
        quality=quality,
        queries=find_queries(encoder, embedded, attribute.name, counts)[1],
        confusion=_confusion(embedded, attribute, read),
        value_reliability=value_reliability(embedded, index, attribute),
        same_value_reliability=same_value_reliability(embedded, index, attribute),
        calibration=calibration,
        points=_points(embedded, index, attribute.name, read),
    )


def _confusion(embedded: EmbeddedTable, attribute: AttributeCard, read: list[str]) -> Confusion:
    table = embedded.table
    occurring = table.values(attribute.name)
    known = [value for value in attribute.values if value in occurring]
    labelled = (*known, *(value for value in occurring if value not in attribute.values))
    counts = np.zeros((len(labelled), len(attribute.values)), np.int64)
    for cell, value in zip(table.cells[attribute.name], read, strict=True):
        if cell in labelled:
            counts[labelled.index(cell), attribute.values.index(value)] += 1
    return Confusion(read=attribute.values, labelled=labelled, counts=counts)


def _points(embedded: EmbeddedTable, index: int, name: str, read: list[str]) -> tuple[Point, ...]:
    table, cells = embedded.table, embedded.table.cells[name]
    values = table.value_indices(name, table.values(name))
    # One choice for all attributes: a garment's thumbnail then serves all its maps.
    shown = np.random.default_rng(SEED).permutation(len(table))[:MOST_POINTS]
    rows = np.sort(shown[values[shown] >= 0])
    if len(rows) < MIN_POINTS:
        return ()
    places = lay_out(embedded.vectors[rows, index])
    return tuple(
        Point(row=int(row), x=float(x), y=float(y), value=cells[row], read=read[row])
        for row, (x, y) in zip(rows, places, strict=True)
    )
