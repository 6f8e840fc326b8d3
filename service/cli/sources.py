"""The garments that a folder or a table names, before any picture is read."""

import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from api_schemas.bases import MAX_INTEGER, GarmentId
from service.cli.failures import CommandError

EXTENSIONS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
FILE_COLUMNS: Final = ("file", "image")
ID_COLUMN: Final = "id"

# With a leading zero it is an article number or a post code, not a quantity.
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d*)")
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_BOOLEANS: Final = {"true": True, "false": False}
_GARMENT_ID: Final[TypeAdapter[str]] = TypeAdapter(GarmentId)
_SURPLUS: Final = ""
"""Where cells beyond the last column go: no column is called so."""

Row = Mapping[str, str | list[str] | None]


@dataclass(frozen=True, slots=True)
class Source:
    """One garment to store; metadata None where the source does not speak of them."""

    id: str
    file: Path
    metadata: dict[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something in the folder or table that cannot become a garment."""

    place: str
    reason: str


def find_sources(path: Path) -> tuple[list[Source], list[Unusable]]:
    """Every garment of a folder (its pictures, at any depth) or of a CSV file, in order.

    Raises:
        CommandError: there is no such folder or table, or nothing in it.
    """
    if path.is_dir():
        found: list[Source | Unusable] = list(_in_folder(path))
    elif path.suffix.lower() == ".csv":
        found = list(_in_table(path))
    else:
        raise CommandError(f"{path}: give a folder of images or a .csv file")
    if not found:
        raise CommandError(f"{path}: no images in it ({', '.join(sorted(EXTENSIONS))})")
    return _distinct(found)


def infer_types(rows: Sequence[Row], columns: Iterable[str]) -> list[dict[str, JsonValue]]:
    """Cells as numbers or booleans where all of their column are; empty cells left out.

    >>> infer_types([{"price": "19", "sku": "007"}, {"price": "", "sku": "12"}], ["price", "sku"])
    [{'price': 19, 'sku': '007'}, {'sku': '12'}]
    """
    typed: list[dict[str, JsonValue]] = [{} for _ in rows]
    for column in columns:
        cells = [_cell(row, column) for row in rows]
        read = _reader([cell for cell in cells if cell])
        for target, cell in zip(typed, cells, strict=True):
            if cell:
                target[column] = read(cell)
    return typed


def _in_folder(folder: Path) -> Iterable[Source]:
    for file in sorted(folder.rglob("*")):
        inner = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in inner.parts)
        if file.suffix.lower() in EXTENSIONS and not hidden and file.is_file():
            yield Source(_id_of(inner), file, None)


def _in_table(table: Path) -> Iterable[Source | Unusable]:
    columns, rows = _read(table)
    file_column = next((name for name in FILE_COLUMNS if name in columns), None)
    if file_column is None:
        raise CommandError(
            f"{table}: no column {' or '.join(FILE_COLUMNS)}; it has: {', '.join(columns)}"
        )
    described = infer_types(rows, [c for c in columns if c not in (file_column, ID_COLUMN)])
    for number, (row, metadata) in enumerate(zip(rows, described, strict=True), start=1):
        name = _cell(row, file_column)
        if not name:
            yield Unusable(f"{table} row {number}", f"its {file_column!r} is empty")
            continue
        yield Source(_cell(row, ID_COLUMN) or _id_of(Path(name)), table.parent / name, metadata)


def _read(table: Path) -> tuple[list[str], list[Row]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey=_SURPLUS)
            rows: list[Row] = list(reader)
    except (UnicodeDecodeError, csv.Error) as exc:
        raise CommandError(f"{table} is no CSV file in UTF-8: {exc}") from exc
    return list(reader.fieldnames or ()), rows


def _distinct(found: Sequence[Source | Unusable]) -> tuple[list[Source], list[Unusable]]:
    """Sources whose id can be used and was not used before, and the rest."""
    first: dict[str, Source] = {}
    unusable = [each for each in found if isinstance(each, Unusable)]
    for source in found:
        if isinstance(source, Unusable):
            continue
        try:
            _GARMENT_ID.validate_python(source.id)
        except ValidationError as exc:
            unusable.append(Unusable(str(source.file), f"id {source.id!r}: {_why(exc)}"))
            continue
        before = first.setdefault(source.id, source)
        if before is not source:
            reason = f"its id {source.id!r} is already that of {before.file}"
            unusable.append(Unusable(str(source.file), reason))
    return list(first.values()), unusable


def _id_of(file: Path) -> str:
    """`coats/red.jpg` is coats-red: a garment's id has no slash."""
    parts = [part for part in file.with_suffix("").parts if part not in ("/", ".", "..")]
    return "-".join(parts)


def _cell(row: Row, column: str) -> str:
    value = row.get(column)
    return value.strip() if isinstance(value, str) else ""


def _reader(cells: Sequence[str]) -> Callable[[str], JsonValue]:
    if all(cell.lower() in _BOOLEANS for cell in cells):
        return lambda cell: _BOOLEANS[cell.lower()]
    if all(_INTEGER.fullmatch(cell) and abs(int(cell)) <= MAX_INTEGER for cell in cells):
        return int
    if all(_NUMBER.fullmatch(cell) and math.isfinite(float(cell)) for cell in cells):
        return float
    return str


def _why(exc: ValidationError) -> str:
    return exc.errors()[0]["msg"]
