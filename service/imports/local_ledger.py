"""The ledger as one SQLite file, in a folder that one process at a time may use."""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.feeds.signatures import Shop
from service.imports.ledger import OPEN, Job, Received, State
from service.imports.records import Fault, ImportOptions, Step
from service.jobs.ledger_file import LedgerFile
from service.timestamps import now, stamp

DATABASE = "imports.db"
MAX_ENDED = 200
"""Imports remembered after their end."""
REMEMBERED = timedelta(days=14)
"""How long a delivery is known again, which is longer than a shop repeats one."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    options TEXT NOT NULL,
    format TEXT,
    entries INTEGER NOT NULL DEFAULT 0,
    progress REAL NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}',
    faults INTEGER NOT NULL DEFAULT 0,
    detail TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS faults (
    job TEXT NOT NULL,
    place INTEGER NOT NULL,
    fault TEXT NOT NULL,
    PRIMARY KEY (job, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY,
    shop TEXT NOT NULL,
    key TEXT NOT NULL,
    topic TEXT NOT NULL,
    catalog TEXT NOT NULL,
    currency TEXT,
    body BLOB,
    detail TEXT,
    received_at TEXT NOT NULL,
    UNIQUE (shop, key)
);
CREATE INDEX IF NOT EXISTS waiting ON deliveries (number) WHERE body IS NOT NULL;
"""
_JOB = (
    "id, options, state, format, entries, progress, counts, faults, detail, created_at, updated_at"
)
_OPEN = f"({', '.join(map(repr, OPEN))})"


class LocalLedger:
    """Implements `service.imports.ledger.Ledger`."""

    def __init__(self, folder: Path) -> None:
        """Open or make it.

        Raises:
            StoreLocked: another process has the folder.
            StoreError: the disk refuses, or the file is no ledger.
        """
        self._file = LedgerFile(
            folder / DATABASE, _SCHEMA, what="imports", setting="LAPEL_IMPORTS_FOLDER"
        )

    def add(self, id: str, options: ImportOptions, format: str) -> None:
        """See `Ledger.add`."""
        with self._file.writing() as database:
            database.execute(
                "INSERT INTO jobs (id, state, options, format, created_at, updated_at) "
                "VALUES (?, 'waiting', ?, ?, ?, ?)",
                (id, json.dumps(asdict(options)), format, *[now()] * 2),
            )

    def jobs(self, limit: int) -> list[Job]:
        """See `Ledger.jobs`."""
        rows = self._file.read(f"SELECT {_JOB} FROM jobs ORDER BY number DESC LIMIT ?", limit)
        return [_job(row) for row in rows]

    def job(self, id: str) -> Job | None:
        """See `Ledger.job`."""
        rows = self._file.read(f"SELECT {_JOB} FROM jobs WHERE id = ?", id)
        return _job(rows[0]) if rows else None

    def next_job(self) -> Job | None:
        """See `Ledger.next_job`."""
        with self._file.writing() as database:
            found = database.execute(
                f"UPDATE jobs SET state = 'running', updated_at = ? WHERE number = "
                f"(SELECT min(number) FROM jobs WHERE state IN {_OPEN}) RETURNING {_JOB}",
                (now(),),
            ).fetchone()
        return _job(found) if found else None

    def advance(self, id: str, step: Step) -> bool:
        """See `Ledger.advance`."""
        with self._file.writing() as database:
            row = database.execute(
                "SELECT counts, faults FROM jobs WHERE id = ? AND state = 'running'", (id,)
            ).fetchone()
            if row is None:
                return False
            counts = Counter(json.loads(row[0])) + step.counts
            lines = [
                (id, place, json.dumps(asdict(fault)))
                for place, fault in enumerate(step.faults, row[1])
            ]
            database.executemany("INSERT INTO faults VALUES (?, ?, ?)", lines)
            database.execute(
                "UPDATE jobs SET entries = ?, progress = ?, counts = ?, faults = ?, detail = NULL, "
                "updated_at = ? WHERE id = ?",
                (
                    *(step.entries, step.progress, json.dumps(counts)),
                    *(row[1] + len(lines), now(), id),
                ),
            )
        return True

    def hold(self, id: str, detail: str) -> None:
        """See `Ledger.hold`."""
        with self._file.writing() as database:
            database.execute(
                "UPDATE jobs SET detail = ?, updated_at = ? WHERE id = ? AND state = 'running'",
                (detail, now(), id),
            )

    def finish(self, id: str, state: State, detail: str | None = None) -> None:
        """See `Ledger.finish`."""
        with self._file.writing() as database:
            database.execute(
                "UPDATE jobs SET state = ?, detail = ?, updated_at = ?, "
                "progress = CASE ? WHEN 'done' THEN 1 ELSE progress END "
                f"WHERE id = ? AND state IN {_OPEN}",
                (state, detail, now(), state, id),
            )
            self._forget_old_jobs(database)

    def faults(self, id: str, skip: int, limit: int) -> list[Fault]:
        """See `Ledger.faults`."""
        rows = self._file.read(
            "SELECT fault FROM faults WHERE job = ? AND place >= ? ORDER BY place LIMIT ?",
            *(id, skip, limit),
        )
        return [Fault(**json.loads(line)) for (line,) in rows]

    def receive(
        self, shop: Shop, key: str, topic: str, catalog: str, currency: str | None, body: bytes
    ) -> bool:
        """See `Ledger.receive`."""
        with self._file.writing() as database:
            done = database.execute(
                "INSERT OR IGNORE INTO deliveries "
                "(shop, key, topic, catalog, currency, body, received_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (shop, key, topic, catalog, currency, body, now()),
            )
        return done.rowcount == 1

    def next_delivery(self) -> Received | None:
        """See `Ledger.next_delivery`."""
        rows = self._file.read(
            "SELECT number, shop, topic, catalog, currency, body FROM deliveries "
            "WHERE body IS NOT NULL ORDER BY number LIMIT 1"
        )
        return Received(*rows[0]) if rows else None

    def deliver(self, number: int, detail: str | None = None) -> None:
        """See `Ledger.deliver`."""
        long_ago = stamp(datetime.now(UTC) - REMEMBERED)
        with self._file.writing() as database:
            database.execute(
                "UPDATE deliveries SET body = NULL, detail = ? WHERE number = ?", (detail, number)
            )
            database.execute(
                "DELETE FROM deliveries WHERE body IS NULL AND received_at < ?", (long_ago,)
            )

    def close(self) -> None:
        """See `Ledger.close`."""
        self._file.close()

    def _forget_old_jobs(self, database: sqlite3.Connection) -> None:
        old = (
            f"SELECT id FROM jobs WHERE state NOT IN {_OPEN} "
            f"ORDER BY number DESC LIMIT -1 OFFSET {MAX_ENDED}"
        )
        database.execute(f"DELETE FROM faults WHERE job IN ({old})")
        database.execute(f"DELETE FROM jobs WHERE id IN ({old})")


def _job(row: Sequence[Any]) -> Job:
    values = dict(zip((column.name for column in fields(Job)), row, strict=True))
    values["options"] = ImportOptions(**json.loads(values["options"]))
    values["counts"] = json.loads(str(values["counts"]))
    return Job(**values)
