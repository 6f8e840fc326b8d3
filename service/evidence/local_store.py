"""Evidence as one SQLite file, in a folder that one process at a time may use."""

import asyncio
from pathlib import Path

from service.evidence.store import (
    EvidenceRecord,
    Listed,
    Pictures,
    as_text,
    from_text,
    place_of,
)
from service.jobs.ledger_file import LedgerFile

DATABASE = "evidence.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS evidence (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    document TEXT NOT NULL,
    a BLOB,
    b BLOB,
    attention_a BLOB NOT NULL,
    attention_b BLOB NOT NULL
);
"""
_PICTURES = "a, b, attention_a, attention_b"


class LocalEvidence:
    """Implements `service.evidence.store.EvidenceStore`."""

    def __init__(self, folder: Path) -> None:
        """Open or make it.

        Raises:
            StoreLocked: another process has the folder.
            StoreError: the disk refuses, or the file is no database.
        """
        self._file = LedgerFile(folder / DATABASE, _SCHEMA, what="evidence", setting="LAPEL_STORE")

    async def add(self, record: EvidenceRecord) -> None:
        """See `EvidenceStore.add`."""
        await asyncio.to_thread(self._add, record)

    async def get(self, id: str) -> EvidenceRecord | None:
        """See `EvidenceStore.get`."""
        rows = await asyncio.to_thread(
            self._file.read,
            f"SELECT sha256, document, {_PICTURES} FROM evidence WHERE id = ?",
            id,
        )
        if not rows:
            return None
        sha256, document, *pictures = rows[0]
        return EvidenceRecord(id, sha256, from_text(document), Pictures(*pictures))

    async def page(self, after: str | None, limit: int) -> list[Listed]:
        """See `EvidenceStore.page`."""
        behind, values = ("", ()) if after is None else ("WHERE place < ?", (after,))
        rows = await asyncio.to_thread(
            self._file.read,
            f"SELECT place, sha256, document FROM evidence {behind} ORDER BY place DESC LIMIT ?",
            *values,
            limit,
        )
        return [Listed(place, sha256, from_text(document)) for place, sha256, document in rows]

    async def delete(self, id: str) -> bool:
        """See `EvidenceStore.delete`."""
        return await asyncio.to_thread(self._delete, id)

    async def close(self) -> None:
        """See `EvidenceStore.close`."""
        await asyncio.to_thread(self._file.close)

    def _add(self, record: EvidenceRecord) -> None:
        kept = record.pictures
        with self._file.writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO evidence "
                f"(id, place, sha256, document, {_PICTURES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(record.id, place_of(record), record.sha256, as_text(record.document)),
                    *(kept.a, kept.b, kept.attention_a, kept.attention_b),
                ),
            )

    def _delete(self, id: str) -> bool:
        with self._file.writing() as database:
            return database.execute("DELETE FROM evidence WHERE id = ?", (id,)).rowcount > 0
