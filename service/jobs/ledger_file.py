"""One SQLite file in a folder of its own that one process at a time may use.

What is written is on disk when `writing` is left: write-ahead log, synchronous=FULL.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.catalog.folder import locked
from service.catalog.store import StoreError, StoreLocked


class LedgerFile:
    """An open file and its folder; its methods may be called from any thread.

    Args:
        path: of the file; the folder is made if it is not there.
        schema: what makes the tables that are not there yet.
        what: the jobs written down, as messages call them.
        setting: names the folder.

    Raises:
        StoreLocked: another process has the folder.
        StoreError: the disk refuses, or the file is no ledger.
    """

    def __init__(self, path: Path, schema: str, *, what: str, setting: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        try:
            self._owner = locked(path.parent)
        except StoreLocked as exc:
            raise StoreLocked(
                f"the folder {path.parent} of {what} belongs to another process; "
                f"give each its own with {setting}"
            ) from exc
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode = WAL", "synchronous = FULL"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.executescript(schema)
        except sqlite3.Error as exc:
            self._owner.close()
            raise StoreError(f"{path}: {exc}") from exc

    def read(self, statement: str, *values: object) -> list[Any]:
        """All rows of one statement."""
        with self._lock, self._guarded():
            return self._database.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: durable on leaving, undone when an exception leaves the block."""
        with self._lock, self._guarded():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of file and folder."""
        with self._lock:
            self._database.close()
            self._owner.close()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise StoreError(f"the ledger of {self._what}: {exc}") from exc
