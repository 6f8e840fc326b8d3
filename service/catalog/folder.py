"""The catalog's folder: who may open it, and what its database must look like.

The lock is the kernel's, on an open file: it ends with the process however that ends, and the
file's being there means nothing.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from service.catalog.store import StoreError, StoreLocked, UnknownSchema

LOCK = "lock"
APPLICATION_ID = 0x4C61706C
"""Marks the file as a catalog: "Lapl"."""
SCHEMA_VERSION = 2
PAGE_BYTES = 8192
"""Holds several garments' vectors; with 4096, a page of 10 x 128 would be a third empty."""

FURTHER = """
CREATE TABLE further (
    number INTEGER NOT NULL REFERENCES garments (number) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    image_sha256 TEXT NOT NULL,
    bytes BLOB,
    PRIMARY KEY (number, place)
);
"""
"""A garment's images beside its main one, from place 1; the bytes where they are kept."""
VECTORS = """
CREATE TABLE vectors (
    number INTEGER NOT NULL REFERENCES garments (number) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL,
    norms BLOB NOT NULL,
    visible BLOB NOT NULL,
    vectors BLOB NOT NULL,
    UNIQUE (number, fingerprint)
);
CREATE INDEX vectors_by_fingerprint ON vectors (fingerprint);
CREATE TABLE roles (role TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
"""
"""One row per garment and model, with all images one behind the other; the roles are those of
`models.Roles`."""

SCHEMA = f"""
CREATE TABLE garments (
    number INTEGER PRIMARY KEY,
    catalog TEXT NOT NULL,
    id TEXT NOT NULL,
    image_sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    metadata TEXT NOT NULL,
    UNIQUE (catalog, id)
);
CREATE TABLE images (
    number INTEGER PRIMARY KEY REFERENCES garments (number) ON DELETE CASCADE,
    bytes BLOB NOT NULL
);
{FURTHER}
{VECTORS}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

FROM_VERSION_1 = f"""
{FURTHER}
{VECTORS}
INSERT INTO vectors (number, fingerprint, norms, visible, vectors)
    SELECT number, fingerprint, norms, visible, vectors FROM garments;
DROP INDEX garments_by_fingerprint;
ALTER TABLE garments DROP COLUMN vectors;
ALTER TABLE garments DROP COLUMN visible;
ALTER TABLE garments DROP COLUMN norms;
ALTER TABLE garments DROP COLUMN fingerprint;
PRAGMA user_version = 2;
"""
"""Version 1 kept the vectors of one model in the garment's own row."""


def locked(folder: Path) -> IO[str]:
    """Make the folder if need be and lock it, until the file returned is closed.

    Raises:
        StoreLocked: another process has it.
        StoreError: the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    except OSError as exc:
        raise StoreError(f"{folder}: {exc.strerror}") from exc
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise StoreLocked(
            f"the catalog in {folder} is open in another process (number {owner}); "
            "stop it, or ask it over HTTP"
        ) from exc
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the schema in a new database, or bring that of an old one up to date.

    Raises:
        UnknownSchema: another version of the program wrote it.
        StoreError: another program wrote it, or it cannot be made durable here.
    """
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program")
    if tables and version not in (1, SCHEMA_VERSION):
        raise UnknownSchema(
            f"{path} has schema version {version}; this program knows {SCHEMA_VERSION}"
        )
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL")
    if mode != "wal":
        raise StoreError(f"{path}: the file system allows no write-ahead log, only {mode!r}")
    if not tables:
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    elif version == 1:
        connection.executescript(f"BEGIN IMMEDIATE; {FROM_VERSION_1} COMMIT;")


def keep_file(folder: Path, name: str, data: bytes) -> None:
    """Write a file that is there whole or not at all, also after a loss of power.

    Raises:
        StoreError: the disk refuses.
    """
    part = folder / f"{name}.part"
    try:
        folder.mkdir(exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / name)
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
    except OSError as exc:
        raise StoreError(f"{folder / name}: {exc.strerror}") from exc


def file_in(folder: Path, name: str) -> bytes | None:
    """A file's bytes; None where there is no such file.

    Raises:
        StoreError: the disk refuses.
    """
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StoreError(f"{folder / name}: {exc.strerror}") from exc
