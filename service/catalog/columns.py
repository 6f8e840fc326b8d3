"""Filters answered for all garments of a catalog at once.

A column stores which distinct value each garment has, so that a condition is put to each distinct
value once, by `where.holds`, and its answer is gathered for the garments.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.catalog.where import MISSING, Condition, Missing, Where, holds, value_at

MAX_COLUMNS = 64
"""Fields kept as columns; the one built first is dropped first."""
MAX_TABLES = 32
"""Answers remembered per column."""


@dataclass(frozen=True, slots=True)
class FreshColumns:
    """Columns that a filter lacked.

    Attributes:
        wanted: every field of the filter, which none of them may push out.
        columns: by field.
        read: the metadata they were read from.
    """

    wanted: frozenset[str]
    columns: "dict[str, _Column]"
    read: list[str]


class Columns:
    """Fields of many garments, each encoded as one code per slot into its distinct values.

    A column is built when a filter first asks for its field and kept up to date from then on.
    Building takes a second for 100,000 garments, so that `build` may run beside everything else;
    `install`, which takes milliseconds, and `put` must run alone. `mask` may run in several
    threads at once, and builds what `build` was not asked for.
    """

    def __init__(self, metadata: Sequence[str]) -> None:
        """Watch `metadata`: one JSON object per slot, as text; empty text in an unused slot."""
        self._metadata = metadata
        self._columns: dict[str, _Column] = {}
        self._building = threading.Lock()
        self._masking = threading.Lock()

    def build(self, where: Where, install: Callable[[FreshColumns], None]) -> None:
        """Have the columns that `where` needs built, and installed by `install`.

        The same columns are built once, however many threads ask for them.
        """
        if not self._absent(where):
            return
        with self._building:
            if self._absent(where):
                install(self._built(where))

    def install(self, fresh: FreshColumns) -> None:
        """Take over columns after reading again what changed since they were built."""
        for slot, text in enumerate(self._metadata):
            if text and (slot >= len(fresh.read) or text is not fresh.read[slot]):
                metadata = json.loads(text)
                for field, column in fresh.columns.items():
                    column.put(slot, value_at(metadata, field))
        kept = [field for field in self._columns if field not in fresh.wanted]
        for field in kept[: max(0, len(self._columns) + len(fresh.columns) - MAX_COLUMNS)]:
            del self._columns[field]
        self._columns.update(fresh.columns)

    def mask(self, where: Where) -> NDArray[np.bool_]:
        """(slots,) which slots pass; the answer for an unused slot means nothing."""
        with self._masking:
            if self._absent(where):
                self.install(self._built(where))
            return self._mask(where)

    def put(self, slots: Sequence[int]) -> None:
        """Read these slots again: their metadata changed."""
        if not self._columns:
            return
        for slot in slots:
            metadata = json.loads(self._metadata[slot])
            for field, column in self._columns.items():
                column.put(slot, value_at(metadata, field))
        self._columns = {
            field: column
            for field, column in self._columns.items()
            if column.distinct <= 2 * len(self._metadata) + 1024
        }

    def distinct_values(self, field: str) -> int:
        """Values remembered for a field, out-of-date ones included; 0 without a column."""
        column = self._columns.get(field)
        return column.distinct if column else 0

    def _absent(self, where: Where) -> set[str]:
        return {field for field in _fields(where) if field not in self._columns}

    def _built(self, where: Where) -> FreshColumns:
        read = list(self._metadata)  # one step, which no other thread can come between
        columns = {field: _Column(len(read)) for field in self._absent(where)}
        for slot, text in enumerate(read):
            if text:
                metadata = json.loads(text)
                for field, column in columns.items():
                    column.put(slot, value_at(metadata, field))
        return FreshColumns(_fields(where), columns, read)

    def _mask(self, where: Where) -> NDArray[np.bool_]:
        if isinstance(where, Condition):
            return self._columns[where.field].mask(where, len(self._metadata))
        join = np.logical_and if where.mode == "all" else np.logical_or
        mask = np.full(len(self._metadata), where.mode == "all")
        for part in where.parts:
            join(mask, self._mask(part), out=mask)
        return ~mask if where.mode == "none" else mask


class _Column:
    """One field: a code per slot, -1 where it is missing, and the distinct values by code."""

    def __init__(self, slots: int) -> None:
        self._codes = np.full(max(slots, 16), -1, np.int32)
        self._values: list[JsonValue] = []
        self._code_of: dict[object, int] = {}
        self._tables: dict[Condition, NDArray[np.bool_]] = {}

    @property
    def distinct(self) -> int:
        return len(self._values)

    def put(self, slot: int, value: JsonValue | Missing) -> None:
        if slot >= len(self._codes):
            grown = np.full(max(slot + 1, 2 * len(self._codes)), -1, np.int32)
            grown[: len(self._codes)] = self._codes
            self._codes = grown
        self._codes[slot] = self._code(value)

    def mask(self, condition: Condition, slots: int) -> NDArray[np.bool_]:
        known = self._tables.pop(condition, np.zeros(0, np.bool_))
        fresh = [holds(condition, value) for value in self._values[len(known) :]]
        table = np.concatenate([known, np.array(fresh, np.bool_)])
        self._tables[condition] = table
        if len(self._tables) > MAX_TABLES:
            del self._tables[next(iter(self._tables))]
        # Code -1 gathers the last entry: the answer for a missing field.
        answers = np.append(table, holds(condition, MISSING))
        mask: NDArray[np.bool_] = answers[self._codes[:slots]]
        return mask

    def _code(self, value: JsonValue | Missing) -> int:
        if isinstance(value, Missing):
            return -1
        nested = isinstance(value, list | dict)
        key = (type(value), json.dumps(value) if nested else value)
        code = self._code_of.setdefault(key, len(self._values))
        if code == len(self._values):
            self._values.append(value)
        return code


def _fields(where: Where) -> frozenset[str]:
    if isinstance(where, Condition):
        return frozenset([where.field])
    return frozenset().union(*(_fields(part) for part in where.parts))
