"""What an import could not do, as a file: CSV, or NDJSON where its name ends so.

Lines are on disk as soon as their step is: a run that is killed has told what it knew.
"""

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic_core import to_json

from service.imports.records import Fault

COLUMNS = tuple(column.name for column in fields(Fault))
NDJSON_ENDINGS = (".ndjson", ".jsonl")


class FaultFile:
    """An open file; one that is there is written over.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._lines = path.suffix.lower() in NDJSON_ENDINGS
        self._file = path.open("w", encoding="utf-8", errors="replace", newline="")
        self._table = csv.DictWriter(self._file, COLUMNS)
        if not self._lines:
            self._table.writeheader()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, faults: Iterable[Fault]) -> None:
        """Write some lines."""
        for fault in faults:
            if self._lines:
                self._file.write(line_of(fault).decode())
            else:
                self._table.writerow(asdict(fault))
        self._file.flush()


def line_of(fault: Fault) -> bytes:
    """A fault as one line of NDJSON."""
    return to_json(asdict(fault), inf_nan_mode="null") + b"\n"
