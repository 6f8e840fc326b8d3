"""Which queries are worth a look, and what the model finds for them.

Both follow the evaluation: a query's candidates are labelled photographs by others.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from model import pixels
from model.encoder import Encoder
from model.evaluate import EmbeddedTable
from model.metrics import RetrievalScore, retrieval_score
from model.similarity import ValueReading, read_values

HITS: Final = 8
Kind = Literal["worst", "typical", "best"]


@dataclass(frozen=True)
class Counts:
    """Queries to show per attribute."""

    worst: int = 0
    typical: int = 0
    best: int = 0


@dataclass(frozen=True)
class Hit:
    """A garment found: its row, its value, its cosine to the query, and whether values agree."""

    row: int
    value: str
    similarity: float
    right: bool


@dataclass(frozen=True, eq=False)
class Query:
    """A query, what the model reads there, where it looked (h, w), and its hits, best first."""

    kind: Kind
    row: int
    value: str
    precision: float
    reading: ValueReading
    attention: NDArray[np.float32]
    hits: tuple[Hit, ...]

    @property
    def right(self) -> int:
        """How many of the hits are right."""
        return sum(hit.right for hit in self.hits)


def find_queries(
    encoder: Encoder, embedded: EmbeddedTable, name: str, counts: Counts
) -> tuple[RetrievalScore, tuple[Query, ...]]:
    """Score an attribute's retrieval and show queries of it, the worst first.

    Args:
        encoder: the model.
        embedded: the split's images.
        name: an attribute that model and table share.
        counts: how many queries.
    """
    table, index = embedded.table, encoder.card.attribute_names.index(name)
    values = table.value_indices(name, table.values(name))
    similarities = embedded.vectors[:, index] @ embedded.vectors[:, index].T  # (N, N)
    score = retrieval_score(similarities, values, table.groups)
    queries = []
    for kind, row in choose(score.per_query, values, counts):
        # An embedded table keeps no attention maps: the few that are shown are made again.
        seen = pixels.decode_file(table.files[row], encoder.card.preprocessing)
        embedding = encoder.encode(seen[None])[0]
        queries.append(
            Query(
                kind=kind,
                row=row,
                value=table.cells[name][row],
                precision=float(score.per_query[row]),
                reading=read_values(embedding, encoder.card)[index],
                attention=embedding.attention[index],
                hits=tuple(
                    Hit(
                        row=hit,
                        value=table.cells[name][hit],
                        similarity=float(similarities[row, hit]),
                        right=bool(values[hit] == values[row]),
                    )
                    for hit in nearest(row, similarities[row], values, table.groups)
                ),
            )
        )
    return score, tuple(queries)


def choose(
    precisions: NDArray[np.float64], values: NDArray[np.int64], counts: Counts
) -> list[tuple[Kind, int]]:
    """Queries worth a look, each once: (kind, row), the worst first, then typical, then best.

    Typical is a precision near the median. Of each kind, a value comes again only once every
    other value has had its turn.

    Args:
        precisions: (N,) average precision per row, NaN where the row is no query.
        values: (N,) value index per row.
        counts: how many of each kind.
    """
    queries = np.flatnonzero(np.isfinite(precisions))
    if not len(queries):
        return []
    from_median = np.abs(precisions - np.median(precisions[queries]))
    # The typical choose last: where queries are few, the extremes say more.
    turns: list[tuple[Kind, NDArray[np.float64], int]] = [
        ("worst", precisions, counts.worst),
        ("best", -precisions, counts.best),
        ("typical", from_median, counts.typical),
    ]
    chosen: dict[Kind, list[int]] = {"worst": [], "typical": [], "best": []}
    left = queries
    for kind, order, count in turns:
        chosen[kind] = _varied(left[np.argsort(order[left], kind="stable")], values, count)
        left = left[~np.isin(left, chosen[kind])]
    return [(kind, row) for kind, rows in chosen.items() for row in rows]


def nearest(
    query: int,
    similarities: NDArray[np.float32],
    values: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> list[int]:
    """The query's first `HITS` hits: labelled rows by other photographers, best first.

    Args:
        query: its row.
        similarities: (N,) of every row to the query.
        values: (N,) value index, -1 where there is none.
        groups: (N,) photographer of each row.
    """
    candidates = np.flatnonzero((values >= 0) & (groups != groups[query]))
    order = np.argsort(-similarities[candidates], kind="stable")[:HITS]
    return [int(row) for row in candidates[order]]


def _varied(ordered: NDArray[np.int64], values: NDArray[np.int64], count: int) -> list[int]:
    """The first `count`, but a value again only once every value has had its turn."""
    left = [int(row) for row in ordered]
    chosen: list[int] = []
    seen: set[int] = set()
    while left and len(chosen) < count:
        row = next((row for row in left if int(values[row]) not in seen), None)
        if row is None:
            seen.clear()
            continue
        left.remove(row)
        chosen.append(row)
        seen.add(int(values[row]))
    return chosen
