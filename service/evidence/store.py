"""What keeps evidence: one protocol, for a folder and for a Redis.

A record is whole or not there. Its parts are told apart because each is checked by itself: the
document by its own hash, pictures and attention by the hashes that the document holds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from service.evidence.canonical import Document


@dataclass(frozen=True, slots=True)
class Pictures:
    """What evidence was made from, byte for byte.

    Attributes:
        a, b: the two files; None where they were not to be kept.
        attention_a, attention_b: per attribute of the document, (A, h, w) float32, little-endian.
    """

    a: bytes | None
    b: bytes | None
    attention_a: bytes
    attention_b: bytes


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """One piece of evidence as it is kept.

    Attributes:
        id: the first digits of `sha256`.
        sha256: of the document when it was made.
        document: what was found; see `api_schemas.evidence.EvidenceDocument`.
        pictures: what it was found in.
    """

    id: str
    sha256: str
    document: Document
    pictures: Pictures

    @property
    def created_at(self) -> str:
        """ISO 8601 UTC."""
        return str(self.document["created_at"])


class Listed(NamedTuple):
    """A record without its pictures; `place` is where the next page begins behind it."""

    place: str
    sha256: str
    document: Document


class EvidenceStore(Protocol):
    """What is added is durable when the call returns; all of them raise `CatalogError`."""

    async def add(self, record: EvidenceRecord) -> None:
        """Keep a record; one of the same id is there already, or becomes this one."""
        ...

    async def get(self, id: str) -> EvidenceRecord | None:
        """One record."""
        ...

    async def page(self, after: str | None, limit: int) -> Sequence[Listed]:
        """Up to `limit` records behind a place, newest first."""
        ...

    async def delete(self, id: str) -> bool:
        """Forget a record; False when there was none."""
        ...

    async def close(self) -> None:
        """Let go of the folder or the server."""
        ...


def place_of(record: EvidenceRecord) -> str:
    """Where a record stands: later times sort behind earlier ones, equal ones by id."""
    return f"{record.created_at} {record.id}"


def as_text(document: Document) -> str:
    """A document as stores write it."""
    return json.dumps(document, allow_nan=False)


def from_text(text: str | bytes) -> Document:
    """The document; empty, so that its hash cannot hold, where the text is none any more."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
