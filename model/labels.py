"""The table of labels: a CSV with a file column, attribute columns, and optionally split and group.

Three different things a cell can say: a value ("crew"); ``na``, the attribute is not there or
cannot be seen; and nothing (an empty cell), nobody has looked. The first two teach visibility,
only the first teaches values, the last teaches nothing.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

NOT_VISIBLE: Final = "na"
RESERVED_COLUMNS: Final = frozenset({"file", "split", "quality", "kids", "photographer"})


class LabelTableError(ValueError):
    """A table that cannot be used, with the reason."""


@dataclass(frozen=True)
class LabelTable:
    """Rows of a label table; every sequence has one entry per row.

    Attributes:
        files: absolute paths of the images.
        splits: split names ("" where the table has no split column).
        groups: int64 (N,), equal for images of one photographer; each image its own group where
            the table has no group column.
        cells: per attribute, the row's value, ``na``, or "" (unlabelled).
    """

    files: tuple[Path, ...]
    splits: tuple[str, ...]
    groups: NDArray[np.int64]
    cells: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.files)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attribute names, in the order asked for."""
        return tuple(self.cells)

    def split(self, name: str) -> "LabelTable":
        """The rows of one split.

        Raises:
            LabelTableError: no row has that split.
        """
        rows = [i for i, split in enumerate(self.splits) if split == name]
        if not rows:
            known = ", ".join(sorted(set(self.splits)))
            raise LabelTableError(f"no rows in split {name!r}; the table has: {known}")
        return self.take(rows)

    def take(self, rows: Sequence[int]) -> "LabelTable":
        """The given rows, in the given order."""
        return LabelTable(
            files=tuple(self.files[i] for i in rows),
            splits=tuple(self.splits[i] for i in rows),
            groups=self.groups[list(rows)],
            cells={name: tuple(cells[i] for i in rows) for name, cells in self.cells.items()},
        )

    def values(self, attribute: str, *, at_least: int = 1) -> tuple[str, ...]:
        """Value names of an attribute seen in at least ``at_least`` rows, most frequent first."""
        counts = Counter(cell for cell in self.cells[attribute] if cell not in ("", NOT_VISIBLE))
        return tuple(
            v for v, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if n >= at_least
        )

    def value_indices(self, attribute: str, values: Sequence[str]) -> NDArray[np.int64]:
        """(N,) index into ``values``; -1 where the cell is na, empty, or another value."""
        index = {value: i for i, value in enumerate(values)}
        return np.array([index.get(cell, -1) for cell in self.cells[attribute]], dtype=np.int64)

    def visible(self, attribute: str) -> NDArray[np.float32]:
        """(N,) 1 where a value is given, 0 where ``na``, NaN where unlabelled."""
        of_cell = {"": np.nan, NOT_VISIBLE: 0.0}
        return np.array([of_cell.get(cell, 1.0) for cell in self.cells[attribute]], np.float32)


def read_labels(
    path: Path,
    *,
    attributes: Sequence[str] | None = None,
    group_column: str = "photographer",
    leave_out: Mapping[str, str] | None = None,
) -> LabelTable:
    """Read a label table.

    Args:
        path: the CSV; image paths in its ``file`` column are relative to its folder.
        attributes: attribute columns to read; default every column that is not reserved.
        group_column: column naming who took the photograph; ignored when absent.
        leave_out: rows to leave out, as column -> value; default {"quality": "bad"}. Columns that
            are not there leave nothing out.

    Raises:
        LabelTableError: no such file, no ``file`` column, an unknown attribute, or no rows.
    """
    columns, rows = _read_rows(path)
    names = tuple(attributes or (c for c in columns if c not in RESERVED_COLUMNS | {group_column}))
    unknown = [name for name in names if name not in columns]
    if unknown or not names:
        raise LabelTableError(f"{path}: no column {unknown}; it has: {', '.join(columns)}")
    left_out = {"quality": "bad"} if leave_out is None else leave_out
    kept = [row for row in rows if all(row.get(c) != v for c, v in left_out.items())]
    if not kept:
        raise LabelTableError(f"{path}: no rows are left")
    group_names = [row.get(group_column) or f"row {i}" for i, row in enumerate(kept)]
    _, groups = np.unique(group_names, return_inverse=True)
    return LabelTable(
        files=tuple((path.parent / row["file"]).resolve() for row in kept),
        splits=tuple(row.get("split") or "" for row in kept),
        groups=groups.astype(np.int64),
        cells={name: tuple((row[name] or "").strip() for row in kept) for name in names},
    )


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise LabelTableError(f"cannot read {path}: {exc}") from exc
    columns = list(reader.fieldnames or ())
    if "file" not in columns:
        raise LabelTableError(f"{path} has no column 'file'; it has: {', '.join(columns)}")
    return columns, rows
