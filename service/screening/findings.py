"""Findings that are kept, the best of each design, and which of them are new.

New is one that was not told before, or whose pictures have changed since.
"""

import json
import sqlite3
from collections.abc import Sequence

from service.jobs.ledger_file import LedgerFile
from service.screening.records import Document, Finding

SCHEMA = """
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
"""
_ADD = """
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


class Findings:
    """The table of a ledger that holds them; what changes it is part of a transaction under way.

    Args:
        file: of the ledger; has the table of ``SCHEMA``.
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def page(self, id: str, skip: int, limit: int) -> list[Document]:
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

    def add(
        self, database: sqlite3.Connection, id: str, findings: Sequence[Finding], limit: int
    ) -> None:
        """Take findings in, keeping so many of each design."""
        database.executemany(_ADD, [_row(id, finding) for finding in findings])
        designs = sorted({finding.design for finding in findings})
        database.executemany(_TRIM, [(id, design, id, design, limit) for design in designs])

    def tell(self, database: sqlite3.Connection, id: str) -> tuple[list[str], int]:
        """What is new, which counts as told from now on.

        Returns:
            Documents as JSON, the surest first; and how many findings are kept in all.
        """
        fresh = database.execute(
            "SELECT document FROM findings WHERE screen = ? AND told = 0 "
            "ORDER BY probability DESC, design, suspect",
            (id,),
        ).fetchall()
        database.execute("UPDATE findings SET told = 1 WHERE screen = ?", (id,))
        count = "SELECT count(*) FROM findings WHERE screen = ?"
        (kept,) = database.execute(count, (id,)).fetchone()
        return [document for (document,) in fresh], int(kept)

    def forget(self, database: sqlite3.Connection, id: str, *, told: bool) -> None:
        """Remove a screen's findings; those that were told only if it is said."""
        some = "" if told else "AND told = 0"
        database.execute(f"DELETE FROM findings WHERE screen = ? {some}", (id,))


def _row(id: str, finding: Finding) -> tuple[object, ...]:
    document = finding.document
    pictures = [document[side]["image_sha256"] for side in ("design", "suspect")]
    return (
        *(id, finding.design, finding.suspect, json.dumps(pictures)),
        *(finding.probability, json.dumps(document)),
    )
