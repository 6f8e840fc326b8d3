"""What survives the process: screens, their findings, and notifications that wait.

A screen's step is one transaction: its findings, how far it is, and what fell out of the best of
each design. Three tables in one file; findings and notifications have modules of their own.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

from api_schemas.screens import ScreenRequest, ScreenState
from service.jobs.ledger_file import LedgerFile
from service.screening import findings, outbox
from service.screening.findings import Findings
from service.screening.outbox import Outbox
from service.screening.records import Step
from service.screening.screen import Basis, Screen
from service.timestamps import now

DATABASE: Final = "screens.db"
MAX_ENDED = 200
"""Screens remembered after their end."""
OPEN: Final = "('waiting', 'running', 'watching')"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS screens (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    basis TEXT,
    after TEXT NOT NULL DEFAULT '',
    begun TEXT NOT NULL DEFAULT '',
    since TEXT NOT NULL DEFAULT '',
    garments INTEGER NOT NULL DEFAULT 0,
    pairs INTEGER NOT NULL DEFAULT 0,
    found INTEGER NOT NULL DEFAULT 0,
    progress REAL NOT NULL DEFAULT 0,
    detail TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
"""
_SCREEN = (
    "id, state, request, basis, after, since, garments, pairs, found, progress, detail, "
    "created_at, updated_at"
)


class ScreenLedger:
    """Durable when a method returns; each may block, and may be called from any thread.

    Args:
        folder: holds the file.

    Attributes:
        findings: that are kept.
        outbox: notifications that wait.

    Raises:
        StoreLocked, StoreError: see `LedgerFile`.
    """

    def __init__(self, folder: Path) -> None:
        schema = _SCHEMA + findings.SCHEMA + outbox.SCHEMA
        self._file = LedgerFile(
            folder / DATABASE, schema, what="screens", setting="LAPEL_SCREENS_FOLDER"
        )
        self.findings = Findings(self._file)
        self.outbox = Outbox(self._file)

    def add(self, id: str, request: ScreenRequest) -> None:
        """A new screen, waiting."""
        with self._file.writing() as database:
            database.execute(
                "INSERT INTO screens (id, state, request, created_at, updated_at) "
                "VALUES (?, 'waiting', ?, ?, ?)",
                (id, request.model_dump_json(exclude_unset=True), *[now()] * 2),
            )

    def screens(self, limit: int) -> list[Screen]:
        """The newest screens, newest first."""
        rows = self._file.read(f"SELECT {_SCREEN} FROM screens ORDER BY number DESC LIMIT ?", limit)
        return [_screen(row) for row in rows]

    def screen(self, id: str) -> Screen | None:
        """One screen."""
        rows = self._file.read(f"SELECT {_SCREEN} FROM screens WHERE id = ?", id)
        return _screen(rows[0]) if rows else None

    def open(self) -> int:
        """How many have not ended."""
        return int(self._file.read(f"SELECT count(*) FROM screens WHERE state IN {OPEN}")[0][0])

    def next(self) -> Screen | None:
        """The oldest screen under way or waiting; it is running from now on."""
        with self._file.writing() as database:
            found = database.execute(
                "UPDATE screens SET state = 'running', updated_at = ? WHERE number = "
                "(SELECT min(number) FROM screens WHERE state IN ('waiting', 'running')) "
                f"RETURNING {_SCREEN}",
                (now(),),
            ).fetchone()
        return _screen(found) if found else None

    def watching(self) -> list[Screen]:
        """Screens that wait for garments stored later."""
        rows = self._file.read(
            f"SELECT {_SCREEN} FROM screens WHERE state = 'watching' ORDER BY number"
        )
        return [_screen(row) for row in rows]

    def begin(self, id: str, basis: Basis, *, forget: bool) -> None:
        """Begin a screen on this basis, from the first garment.

        Args:
            id: of the screen.
            basis: what it goes by.
            forget: forget the findings that were told, too; they will be told again.
        """
        text = json.dumps(astuple(basis))
        with self._file.writing() as database:
            database.execute(
                "UPDATE screens SET basis = ?, after = '', begun = ?, since = '', garments = 0, "
                "pairs = 0, found = 0, progress = 0 WHERE id = ?",
                (text, now(), id),
            )
            self.findings.forget(database, id, told=forget)

    def resume(self, id: str) -> None:
        """A screen that was watching has to compare again."""
        with self._file.writing() as database:
            database.execute(
                "UPDATE screens SET state = 'waiting', after = '', since = begun, begun = ?, "
                "progress = 0, updated_at = ? WHERE id = ? AND state = 'watching'",
                (*[now()] * 2, id),
            )

    def advance(self, id: str, step: Step, limit: int) -> bool:
        """Add a step, keeping the best findings of each design.

        Returns:
            False when the screen is not running any more, and nothing is added.
        """
        with self._file.writing() as database:
            done = database.execute(
                "UPDATE screens SET after = ?, garments = garments + ?, pairs = pairs + ?, "
                "found = found + ?, progress = ?, detail = NULL, updated_at = ? "
                "WHERE id = ? AND state = 'running'",
                (
                    *(step.after, step.garments, step.pairs, step.found, step.progress),
                    *(now(), id),
                ),
            )
            if not done.rowcount:
                return False
            self.findings.add(database, id, step.findings, limit)
        return True

    def complete(self, id: str, state: ScreenState) -> None:
        """End a pass: what was not told before is put down to be sent, if anyone is to be told."""
        with self._file.writing() as database:
            done = database.execute(
                "UPDATE screens SET state = ?, after = '', progress = 1, detail = NULL, "
                "updated_at = ? WHERE id = ? AND state = 'running'",
                (state, now(), id),
            )
            if done.rowcount:
                self._have_told(database, id)
            self._forget_old(database)

    def hold(self, id: str, detail: str) -> None:
        """Say what a running screen waits for."""
        with self._file.writing() as database:
            database.execute(
                "UPDATE screens SET detail = ?, updated_at = ? WHERE id = ? AND state = 'running'",
                (detail, now(), id),
            )

    def finish(self, id: str, state: ScreenState, detail: str | None = None) -> None:
        """End a screen that has not ended; nothing more is sent for one that was cancelled."""
        with self._file.writing() as database:
            database.execute(
                "UPDATE screens SET state = ?, detail = ?, updated_at = ? "
                f"WHERE id = ? AND state IN {OPEN}",
                (state, detail, now(), id),
            )
            if state == "cancelled":
                self.outbox.drop(database, id)
            self._forget_old(database)

    def note(self, id: str, detail: str) -> None:
        """Say of a screen what its owner should know, whatever its state."""
        with self._file.writing() as database:
            database.execute("UPDATE screens SET detail = ? WHERE id = ?", (detail, id))

    def close(self) -> None:
        """Let go of the folder."""
        self._file.close()

    def _have_told(self, database: sqlite3.Connection, id: str) -> None:
        """Put down what is new, if anyone is to be told."""
        row = database.execute(f"SELECT {_SCREEN} FROM screens WHERE id = ?", (id,)).fetchone()
        screen = _screen(row)
        fresh, kept = self.findings.tell(database, id)
        if screen.request.notify is not None:
            self.outbox.put_down(database, screen, fresh, kept)

    def _forget_old(self, database: sqlite3.Connection) -> None:
        old = (
            f"SELECT id FROM screens WHERE state NOT IN {OPEN} "
            f"ORDER BY number DESC LIMIT -1 OFFSET {MAX_ENDED}"
        )
        database.execute(f"DELETE FROM findings WHERE screen IN ({old})")
        database.execute(f"DELETE FROM screens WHERE id IN ({old})")


def _screen(row: Sequence[Any]) -> Screen:
    id, state, request, basis, *rest = row
    begun = None if basis is None else Basis(*json.loads(basis))
    return Screen(id, state, ScreenRequest.model_validate_json(request), begun, *rest)
