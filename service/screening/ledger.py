"""What survives the process: screens, their findings, and notifications that wait.

A screen's step is one transaction: its findings, how far it is, and what fell out of the best of
each design. Which findings are new is told by the ledger alone: one that was not told before, or
whose pictures have changed since.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from api_schemas.screens import ScreenRequest, ScreenState
from service.jobs.ledger_file import LedgerFile
from service.screening.records import Document, Finding, Step
from service.timestamps import now

DATABASE: Final = "screens.db"
MAX_ENDED = 200
"""Screens remembered after their end."""
TOGETHER = 100
"""Findings in one notification."""
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
CREATE TABLE IF NOT EXISTS findings (
    screen TEXT NOT NULL,
    design TEXT NOT NULL,
    suspect TEXT NOT NULL,
    pictures TEXT NOT NULL,
    probability REAL NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    document TEXT NOT NULL,
    PRIMARY KEY (screen, design, suspect)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ranked ON findings (screen, probability DESC, design, suspect);
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
_SCREEN = (
    "id, state, request, basis, after, since, garments, pairs, found, progress, detail, "
    "created_at, updated_at"
)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a screen was begun with; under another model it begins anew.

    Attributes:
        designs: how many there were.
        threshold: as `api_schemas.screens.ScreenThreshold`.
        model: as `api_schemas.attributes.ModelIdentity`.
    """

    designs: int
    threshold: Document
    model: Document

    @property
    def fingerprint(self) -> str:
        """Of the model."""
        return str(self.model["fingerprint"])

    @property
    def rate(self) -> float:
        """Of false accusations, which the first pass settles for all."""
        return float(self.threshold["max_false_accusation_rate"])


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen.

    Attributes:
        basis: None until it has begun.
        after: id of the last garment compared in this pass.
        since: when the pass before this one began; empty in the first.
        garments, pairs, found: so far, of all passes.
        created_at, updated_at: ISO 8601 UTC.
    """

    id: str
    state: ScreenState
    request: ScreenRequest
    basis: Basis | None
    after: str
    since: str
    garments: int
    pairs: int
    found: int
    progress: float
    detail: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Notification:
    """Findings to be sent."""

    number: int
    screen: str
    key: str
    body: bytes
    attempts: int


class ScreenLedger:
    """Durable when a method returns; each may block, and may be called from any thread.

    Args:
        folder: holds the file.

    Raises:
        StoreLocked, StoreError: see `LedgerFile`.
    """

    def __init__(self, folder: Path) -> None:
        self._file = LedgerFile(
            folder / DATABASE, _SCHEMA, what="screens", setting="LAPEL_SCREENS_FOLDER"
        )

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
            told = "" if forget else "AND told = 0"
            database.execute(f"DELETE FROM findings WHERE screen = ? {told}", (id,))

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
            database.executemany(_ADD_FINDING, [_row(id, finding) for finding in step.findings])
            designs = sorted({finding.design for finding in step.findings})
            database.executemany(_TRIM, [(id, design, id, design, limit) for design in designs])
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
                self._put_down(database, id)
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
                database.execute("DELETE FROM notifications WHERE screen = ?", (id,))
            self._forget_old(database)

    def findings(self, id: str, skip: int, limit: int) -> list[Document]:
        """Some of a screen's findings, the surest first."""
        rows = self._file.read(
            "SELECT document FROM findings WHERE screen = ? "
            "ORDER BY probability DESC, design, suspect LIMIT ? OFFSET ?",
            *(id, limit, skip),
        )
        return [json.loads(document) for (document,) in rows]

    def kept(self, id: str) -> int:
        """How many findings a screen has."""
        return int(self._file.read("SELECT count(*) FROM findings WHERE screen = ?", id)[0][0])

    def waiting(self, id: str) -> int:
        """How many notifications of a screen wait."""
        rows = self._file.read("SELECT count(*) FROM notifications WHERE screen = ?", id)
        return int(rows[0][0])

    def next_notification(self, at: float) -> Notification | None:
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

    def note(self, id: str, detail: str) -> None:
        """Say of a screen what its owner should know, whatever its state."""
        with self._file.writing() as database:
            database.execute("UPDATE screens SET detail = ? WHERE id = ?", (detail, id))

    def close(self) -> None:
        """Let go of the folder."""
        self._file.close()

    def _put_down(self, database: sqlite3.Connection, id: str) -> None:
        row = database.execute(f"SELECT {_SCREEN} FROM screens WHERE id = ?", (id,)).fetchone()
        screen = _screen(row)
        fresh = database.execute(
            "SELECT document FROM findings WHERE screen = ? AND told = 0 "
            "ORDER BY probability DESC, design, suspect",
            (id,),
        ).fetchall()
        database.execute("UPDATE findings SET told = 1 WHERE screen = ?", (id,))
        if screen.request.notify is None:
            return
        (kept,) = database.execute(
            "SELECT count(*) FROM findings WHERE screen = ?", (id,)
        ).fetchone()
        for start in range(0, len(fresh), TOGETHER):
            document = {
                "event": "screen.findings",
                "screen": id,
                "findings": [json.loads(text) for (text,) in fresh[start : start + TOGETHER]],
                "summary": summary_of(screen, int(kept)),
            }
            (number,) = database.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM notifications"
            ).fetchone()
            key = f"{id}-{screen.updated_at}-{start // TOGETHER}"
            database.execute(
                "INSERT INTO notifications (number, screen, key, body) VALUES (?, ?, ?, ?)",
                (number, id, key, json.dumps(document).encode()),
            )

    def _forget_old(self, database: sqlite3.Connection) -> None:
        old = (
            f"SELECT id FROM screens WHERE state NOT IN {OPEN} "
            f"ORDER BY number DESC LIMIT -1 OFFSET {MAX_ENDED}"
        )
        database.execute(f"DELETE FROM findings WHERE screen IN ({old})")
        database.execute(f"DELETE FROM screens WHERE id IN ({old})")


_ADD_FINDING = """
INSERT INTO findings (screen, design, suspect, pictures, probability, document)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (screen, design, suspect) DO UPDATE SET
    told = told AND pictures = excluded.pictures, pictures = excluded.pictures,
    probability = excluded.probability, document = excluded.document
"""
_TRIM = """
DELETE FROM findings WHERE screen = ? AND design = ? AND suspect IN (
    SELECT suspect FROM findings WHERE screen = ? AND design = ?
    ORDER BY probability DESC, suspect LIMIT -1 OFFSET ?
)
"""


def summary_of(screen: Screen, kept: int) -> Document | None:
    """As `api_schemas.screens.ScreenSummary`; None before it has begun."""
    basis = screen.basis
    if basis is None:
        return None
    return summary(
        basis.threshold,
        basis.model,
        designs=basis.designs,
        suspects=screen.garments,
        pairs=screen.pairs,
        findings=kept,
        found=screen.found,
    )


def summary(
    threshold: Document,
    model: Document,
    *,
    designs: int,
    suspects: int,
    pairs: int,
    findings: int,
    found: int,
) -> Document:
    """As `api_schemas.screens.ScreenSummary`."""
    return {
        "designs": designs,
        "suspects": suspects,
        "pairs": pairs,
        "threshold": threshold,
        "expected_false_findings": threshold["max_false_accusation_rate"] * pairs,
        "findings": findings,
        "not_kept": max(0, found - findings),
        "model": model,
    }


def _row(id: str, finding: Finding) -> tuple[object, ...]:
    document = finding.document
    pictures = [document[side]["image_sha256"] for side in ("design", "suspect")]
    return (
        *(id, finding.design, finding.suspect, json.dumps(pictures)),
        *(finding.probability, json.dumps(document)),
    )


def _screen(row: Sequence[Any]) -> Screen:
    id, state, request, basis, *rest = row
    begun = None if basis is None else Basis(*json.loads(basis))
    return Screen(id, state, ScreenRequest.model_validate_json(request), begun, *rest)
