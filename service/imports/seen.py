"""The ids that a feed has had so far, on disk: a million of them are not worth the memory."""

import sqlite3
from collections.abc import Iterable
from types import TracebackType
from typing import Self


class Seen:
    """A set of ids; one thread at a time may use it."""

    def __init__(self) -> None:
        # An empty name is a private file that SQLite removes by itself.
        self._ids = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._ids.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._ids.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ids.close()

    def add(self, id: str) -> bool:
        """Whether the id is new."""
        return self._ids.execute("INSERT OR IGNORE INTO seen VALUES (?)", (id,)).rowcount == 1

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those that were never added."""
        return [id for id in ids if not self._has(id)]

    def _has(self, id: str) -> bool:
        found = self._ids.execute("SELECT 1 FROM seen WHERE id = ?", (id,))
        return found.fetchone() is not None
