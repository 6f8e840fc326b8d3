"""Notifications that wait: put down with what they tell of, kept until they have arrived."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from service.jobs.ledger_file import LedgerFile
from service.screening.screen import Screen, summary_of

TOGETHER = 100
"""Findings in one notification."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS notifications (
    number INTEGER PRIMARY KEY,
    screen TEXT NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS due ON notifications (due);
"""


@dataclass(frozen=True, slots=True)
class Notification:
    """Findings to be sent."""

    number: int
    screen: str
    key: str
    body: bytes
    attempts: int


class Outbox:
    """The table of a ledger that holds them.

    Args:
        file: of the ledger; has the tables of ``SCHEMA``.
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def put_down(
        self, database: sqlite3.Connection, screen: Screen, fresh: Sequence[str], kept: int
    ) -> None:
        """Have findings sent, as part of a transaction that is under way.

        Args:
            database: the transaction.
            screen: whose findings they are.
            fresh: documents of the findings to tell of, as JSON, the surest first.
            kept: how many findings the screen has.
        """
        for part, start in enumerate(range(0, len(fresh), TOGETHER)):
            document = {
                "event": "screen.findings",
                "screen": screen.id,
                "findings": [json.loads(text) for text in fresh[start : start + TOGETHER]],
                "summary": summary_of(screen, kept),
            }
            (number,) = database.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM notifications"
            ).fetchone()
            key = f"{screen.id}-{screen.updated_at}-{part}"
            database.execute(
                "INSERT INTO notifications (number, screen, key, body) VALUES (?, ?, ?, ?)",
                (number, screen.id, key, json.dumps(document).encode()),
            )

    def drop(self, database: sqlite3.Connection, id: str) -> None:
        """Send nothing more of a screen, as part of a transaction that is under way."""
        database.execute("DELETE FROM notifications WHERE screen = ?", (id,))

    def waiting(self, id: str) -> int:
        """How many notifications of a screen wait."""
        rows = self._file.read("SELECT count(*) FROM notifications WHERE screen = ?", id)
        return int(rows[0][0])

    def next(self, at: float) -> Notification | None:
        """The oldest that is due at this time, seconds of the epoch."""
        rows = self._file.read(
            "SELECT number, screen, key, body, attempts FROM notifications WHERE due <= ? "
            "ORDER BY number LIMIT 1",
            at,
        )
        return Notification(*rows[0]) if rows else None

    def next_due(self) -> float | None:
        """When the next one is due; None where none waits."""
        due: float | None = self._file.read("SELECT min(due) FROM notifications")[0][0]
        return due

    def sent(self, number: int) -> None:
        """A notification has arrived, or is given up."""
        with self._file.writing() as database:
            database.execute("DELETE FROM notifications WHERE number = ?", (number,))

    def put_off(self, number: int, due: float) -> None:
        """A notification did not arrive: try again then."""
        with self._file.writing() as database:
            database.execute(
                "UPDATE notifications SET attempts = attempts + 1, due = ? WHERE number = ?",
                (due, number),
            )
