"""Nodes of a JSON-LD document and how they refer to each other, on disk.

A group may name its variants, a variant its group, and a picture or a brand may be a node of its
own anywhere in the document; so nothing can be answered before all of it is read.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from service.feeds.pictures import MAX_VARIANTS

Node = Mapping[str, Any]

_TABLES = """
CREATE TABLE node(number INTEGER PRIMARY KEY, id TEXT, kind TEXT, parent TEXT, body TEXT);
CREATE INDEX id ON node(id) WHERE id IS NOT NULL;
CREATE INDEX parent ON node(parent) WHERE parent IS NOT NULL;
CREATE TABLE member(id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE family(name TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Nodes:
    """The nodes of one document at a time."""

    def __init__(self) -> None:
        # An empty name is a private file on disk that SQLite removes by itself. An iterator may
        # be continued by another thread, never by two at once.
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.executescript(_TABLES)
        self._rows.execute("BEGIN")

    def close(self) -> None:
        """Remove everything."""
        self._rows.close()

    def clear(self) -> None:
        """Begin another document."""
        for table in ("node", "member", "family"):
            self._rows.execute(f"DELETE FROM {table}")

    def add(self, number: int, node: Node) -> None:
        """Keep a node."""
        body = json.dumps(node)
        record = (number, _text(node.get("@id")), kind_of(node), parent_of(node), body)
        self._rows.execute("INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?, ?)", record)
        if kind_of(node) == "ProductGroup":
            for name in _names(node):
                self._rows.execute("INSERT OR IGNORE INTO family VALUES (?)", (name,))
            for variant in listed(node.get("hasVariant")):
                if identity := reference(variant):
                    self._rows.execute("INSERT OR IGNORE INTO member VALUES (?)", (identity,))

    def any_products(self) -> bool:
        """Whether there is a product or a group at all."""
        found = self._rows.execute("SELECT 1 FROM node WHERE kind <> '' LIMIT 1").fetchone()
        return found is not None

    def products(self) -> Iterator[tuple[int, Node]]:
        """Groups, and products that are in none, in order."""
        found = self._rows.execute(
            "SELECT number, body FROM node WHERE kind = 'ProductGroup' OR (kind = 'Product'"
            " AND (id IS NULL OR id NOT IN (SELECT id FROM member))"
            " AND (parent IS NULL OR parent NOT IN (SELECT name FROM family))) ORDER BY number"
        )
        for number, body in found:
            yield number, json.loads(body)

    def variants(self, group: Node) -> list[Node]:
        """The products that name this group as theirs, in order."""
        names = _names(group)
        found = self._rows.execute(
            f"SELECT body FROM node WHERE parent IN ({','.join('?' * len(names))})"
            " AND kind = 'Product' ORDER BY number LIMIT ?",
            (*names, MAX_VARIANTS),
        )
        return [json.loads(body) for (body,) in found]

    def resolve(self, value: Any) -> Any:
        """A node in place of a reference to it; anything else as it is."""
        identity = reference(value)
        if identity is None:
            return value
        row = self._rows.execute("SELECT body FROM node WHERE id = ?", (identity,)).fetchone()
        return value if row is None else json.loads(row[0])


def kind_of(node: Node) -> str:
    """ProductGroup, Product, or empty for any other type."""
    kinds = {_last(kind) for kind in listed(node.get("@type")) if isinstance(kind, str)}
    if "ProductGroup" in kinds or "hasVariant" in node:
        return "ProductGroup"
    return "Product" if kinds & {"Product", "IndividualProduct", "ProductModel"} else ""


def parent_of(node: Node) -> str | None:
    """The group that a variant names as its own: its @id, or ``id:`` and its productGroupID."""
    parents = [p for p in listed(node.get("isVariantOf")) if isinstance(p, Mapping)]
    names = [name for parent in parents for name in _names(parent)]
    if identity := _text(node.get("inProductGroupWithID")):
        names.append(f"id:{identity}")
    return names[0] if names else None


def reference(value: Any) -> str | None:
    """The @id of an object that holds nothing else."""
    if isinstance(value, Mapping) and set(value) <= {"@id", "@type"}:
        return _text(value.get("@id"))
    return None


def listed(value: Any) -> list[Any]:
    """A property's values, of which JSON-LD may write one without a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _names(group: Node) -> list[str]:
    """What variants may call a group."""
    names = [identity] if (identity := _text(group.get("@id"))) else []
    given = _text(group.get("productGroupID"))
    return [*names, f"id:{given}"] if given else names


def _last(name: str) -> str:
    return name.replace(":", "/").replace("#", "/").rpartition("/")[2]


def _text(value: Any) -> str | None:
    # SQLite refuses lone surrogates.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and value else None
