"""The connections to one SQLite file: one that writes, and one for each thread that reads."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from service.catalog.folder import prepare
from service.catalog.store import StoreClosed, StoreError


class Connections:
    """Open from construction to `close`.

    `writer` and the transactions around it belong to one thread at a time; what else there is may
    be used in any thread, and sees what was committed before it began.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the database.

        Raises:
            UnknownSchema: another version of the program wrote it.
            StoreError: the disk refuses, or the file is damaged or no catalog.
        """
        self.path = path
        self._all: list[sqlite3.Connection] = []
        self._own = threading.local()
        self._closed = False
        try:
            with self.guarded():
                self.writer = self._connect()
                prepare(self.writer, path)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on leaving, or undo everything when an exception leaves the block."""
        with self.guarded():
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.writer.execute("COMMIT")
            finally:
                if self.writer.in_transaction:
                    self.writer.execute("ROLLBACK")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo this part of the transaction alone when an exception leaves the block."""
        with self.guarded():
            self.writer.execute("SAVEPOINT part")
            try:
                yield
            except BaseException:
                if self.writer.in_transaction:
                    self.writer.execute("ROLLBACK TO part")
                raise
            finally:
                if self.writer.in_transaction:
                    self.writer.execute("RELEASE part")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that this thread reads inside is as it was when the first of it was read."""
        with self.guarded():
            connection = self.reader()
            connection.execute("BEGIN")
            try:
                yield
            finally:
                connection.execute("COMMIT")

    def read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows that a statement finds."""
        with self.guarded():
            try:
                return self.reader().execute(statement, values).fetchall()
            except UnicodeEncodeError:
                return []  # a lone surrogate: no stored name can equal it

    def reader(self) -> sqlite3.Connection:
        """This thread's own."""
        if not hasattr(self._own, "connection"):
            self._own.connection = self._connect()
        connection: sqlite3.Connection = self._own.connection
        return connection

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what SQLite says into the catalog's errors."""
        if self._closed:
            raise StoreClosed(f"the catalog in {self.path.parent} is closed")
        try:
            yield
        except sqlite3.Error as exc:
            raise StoreError(f"{self.path}: {exc}") from exc

    def close(self) -> None:
        """Close every one of them; calling it again does nothing."""
        self._closed = True
        while self._all:
            self._all.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._all.append(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection
