"""The table of labels: a CSV with a file column, attribute columns, and optionally split and group.

Three different things a cell can say: a value ("crew"); ``na``, the attribute is not there or
cannot be seen; and nothing (an empty cell), nobody has looked. The first two teach visibility,
only the first teaches values, the last teaches nothing.

Spreadsheets write commas, semicolons or tabs, in UTF-8 or UTF-16: all are read. What cannot be
told for sure, such as the letters of an old code page, is refused.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

NOT_VISIBLE: Final = "na"
GROUP_COLUMN: Final = "photographer"
RESERVED_COLUMNS: Final = frozenset({"file", "split", "quality", "kids", GROUP_COLUMN})
_DELIMITERS: Final = (",", ";", "\t")
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAVE_AS: Final = "save it as a CSV in UTF-8, which spreadsheet programs call 'CSV UTF-8'"


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
            known = ", ".join(sorted(set(self.splits) - {""}))
            has = known or "none (no column 'split', or an empty one)"
            raise LabelTableError(f"no rows in split {name!r}; the table has: {has}")
        return self.take(rows)

    def take(self, rows: Sequence[int]) -> "LabelTable":
        """The given rows, in the given order."""
        return LabelTable(
            files=tuple(self.files[i] for i in rows),
            splits=tuple(self.splits[i] for i in rows),
            groups=self.groups[list(rows)],
            cells={name: tuple(cells[i] for i in rows) for name, cells in self.cells.items()},
        )

    def require_files(self) -> None:
        """Look whether every image is there.

        Raises:
            LabelTableError: naming the first that is not, and how many are not.
        """
        files = dict.fromkeys(self.files)
        missing = [file for file in files if not file.is_file()]
        if missing:
            raise LabelTableError(
                f"{len(missing)} of {len(files)} image files are missing, the first is "
                f"{missing[0]}; paths in column 'file' are relative to the table's folder"
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


def comma_separated(names: str) -> tuple[str, ...]:
    """The names of a list as people write it on a command line.

    >>> comma_separated("collar, sleeve_length,")
    ('collar', 'sleeve_length')
    """
    return tuple(name.strip() for name in names.split(",") if name.strip())


def read_labels(
    path: Path,
    *,
    attributes: Sequence[str] | None = None,
    group_column: str = GROUP_COLUMN,
    group_required: bool = False,
    leave_out: Mapping[str, str] | None = None,
) -> LabelTable:
    """Read a label table.

    Args:
        path: the CSV; image paths in its ``file`` column are relative to its folder.
        attributes: attribute columns to read; default every column that is not reserved.
        group_column: column naming who took the photograph; ignored when absent.
        group_required: do not ignore its absence.
        leave_out: rows to leave out, as column -> value; default {"quality": "bad"}. Columns that
            are not there leave nothing out.

    Raises:
        LabelTableError: no such file, not a table in UTF-8 or UTF-16, no ``file`` column, a
            column twice, a row without a file or too long for the header, an unknown attribute,
            no ``group_column`` though required, or no rows.
    """
    columns, rows = _read_rows(path)
    names = tuple(attributes or (c for c in columns if c not in RESERVED_COLUMNS | {group_column}))
    needed = [group_column, *names] if group_required else names
    unknown = [name for name in needed if name not in columns]
    if unknown:
        raise LabelTableError(f"{path}: no column {unknown}; it has: {', '.join(columns)}")
    if not names:
        raise LabelTableError(f"{path}: no column of an attribute; it has: {', '.join(columns)}")
    left_out = {"quality": "bad"} if leave_out is None else leave_out
    kept = [row for row in rows if all(row.get(c) != v for c, v in left_out.items())]
    if not kept:
        raise LabelTableError(
            f"{path}: no rows are left of {len(rows)} when those with "
            f"{' or '.join(f'{c} {v}' for c, v in left_out.items())} are left out"
        )
    group_names = [row.get(group_column) or f"row {i}" for i, row in enumerate(kept)]
    _, groups = np.unique(group_names, return_inverse=True)
    return LabelTable(
        files=tuple((path.parent / row["file"]).resolve() for row in kept),
        splits=tuple(row.get("split", "") for row in kept),
        groups=groups.astype(np.int64),
        cells={name: tuple(row[name] for row in kept) for name in names},
    )


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Names of columns and the rows, every cell stripped; a cell that is not there is empty."""
    text = _text(path)
    try:
        delimiter = _delimiter(text)
        lines = list(_lines(text, delimiter))
    except csv.Error as exc:
        raise LabelTableError(f"cannot read {path}: {exc}") from exc
    if not lines:
        raise LabelTableError(
            f"{path} is empty; its first line must name the columns, 'file' among them"
        )
    columns = lines[0][1]
    _check_columns(path, columns)
    rows = []
    for number, cells in lines[1:]:
        if any(cells[len(columns) :]):
            raise LabelTableError(
                f"{path}: line {number} has {len(cells)} cells, the header {len(columns)}; "
                f"a value with {delimiter!r} in it needs quotes"
            )
        row = dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))
        if not row["file"]:
            raise LabelTableError(f"{path}: column 'file' is empty in line {number}")
        rows.append(row)
    if not rows:
        raise LabelTableError(f"{path} has a header but no rows")
    return [column for column in columns if column], rows


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8").lstrip("\ufeff")
    except OSError as exc:
        raise LabelTableError(f"cannot read {path}: {exc}") from exc
    except UnicodeDecodeError as exc:
        raise LabelTableError(f"cannot read {path}: {exc}; {_SAVE_AS}") from exc
    if "\0" in text:  # UTF-16 without its mark, or no text at all
        raise LabelTableError(f"cannot read {path}: zero bytes in it; {_SAVE_AS}")
    return text


def _delimiter(text: str) -> str:
    """The delimiter that gives a column ``file``, or else the most columns."""
    headers = {d: next(_lines(text, d), (0, list[str]()))[1] for d in _DELIMITERS}
    return max(headers, key=lambda d: ("file" in headers[d], len(headers[d])))


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Number and stripped cells of each line that has any."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for line in reader:
        cells = [cell.strip() for cell in line]
        if any(cells):
            yield reader.line_num, cells


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if "file" not in columns:
        raise LabelTableError(f"{path} has no column 'file'; it has: {', '.join(columns)}")
    twice = [name for name, count in Counter(columns).items() if name and count > 1]
    if twice:
        raise LabelTableError(f"{path} has more than one column {', '.join(map(repr, twice))}")
