"""Published annotations as a table of labels, and such a table as a CSV.

A cell holds one value, but the published files may give a picture several values of one attribute
(DeepFashion does). Such a picture gets several rows, of one group, so that it is never measured
against itself.
"""

import csv
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from model.labels import LabelTable
from model.protocols.tasks import Rows


def label_rows(
    files: Sequence[Path], attributes: Sequence[str], annotations: Rows, *, split: str
) -> LabelTable:
    """A table of the pictures that have annotations.

    Args:
        files: all pictures.
        attributes: names, by attribute number.
        annotations: int64 (L, 3): picture, attribute and value number.
        split: goes into every row.

    Returns:
        One row per picture, more where an attribute has several values; cells are empty where
        nothing was annotated. The group is the picture.
    """
    values: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for picture, attribute, value in np.unique(annotations, axis=0).tolist():
        values[picture][attribute].append(str(value))
    pictures: list[int] = []
    cells: list[list[str]] = []
    for picture in sorted(values):
        for row in _rows(values[picture], len(attributes)):
            pictures.append(picture)
            cells.append(row)
    columns = zip(*cells, strict=True)
    return LabelTable(
        files=tuple(files[picture] for picture in pictures),
        splits=(split,) * len(pictures),
        groups=np.array(pictures, dtype=np.int64),
        cells=dict(zip(attributes, columns, strict=True)),
    )


def joined(tables: Sequence[LabelTable]) -> LabelTable:
    """Tables of the same attributes one after another; their groups stay apart."""
    starts = np.cumsum([0, *(table.groups.max() + 1 for table in tables[:-1])])
    return LabelTable(
        files=tuple(file for table in tables for file in table.files),
        splits=tuple(split for table in tables for split in table.splits),
        groups=np.concatenate([t.groups + s for t, s in zip(tables, starts, strict=True)]),
        cells={
            name: tuple(cell for table in tables for cell in table.cells[name])
            for name in tables[0].attributes
        },
    )


def write_labels(table: LabelTable, path: Path) -> None:
    """Write a table as `model.labels.read_labels` reads it, files relative to the CSV's folder.

    Raises:
        OSError: it cannot be written.
    """
    folder = path.parent.resolve()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *table.attributes, "photographer", "split"])
        for row, picture in enumerate(table.files):
            values = (table.cells[name][row] for name in table.attributes)
            place = os.path.relpath(picture.resolve(), folder)
            writer.writerow([place, *values, int(table.groups[row]), table.splits[row]])


def _rows(values: dict[int, list[str]], attributes: int) -> Iterator[list[str]]:
    for turn in range(max(len(given) for given in values.values())):
        given = (values.get(attribute, []) for attribute in range(attributes))
        yield [each[turn] if turn < len(each) else "" for each in given]
