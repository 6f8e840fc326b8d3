"""`lapel pictures`: what a model finds on labelled photographs, to be looked at.

For whoever develops a model. The sheets show the photographs themselves, so they go where the
photographs may go.
"""

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from model.encoder import Encoder
from model.evaluate import EmbeddedTable
from model.labels import LabelTable
from model.metrics import retrieval_score
from model.similarity import read_values
from service.cli.failures import CommandError
from service.cli.measuring import embed_split
from service.cli.opening import attributes_of, embed_file
from service.cli.options import Data, GroupColumn, Split
from service.cli.overlay import picture, with_attention
from service.cli.sheet import TILE, Row, Tile, sheet

HITS: Final = 8


def pictures(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    data: Data,
    attribute: Annotated[
        list[str] | None,
        typer.Option(help="Attribute to draw, repeatable; default all.", show_default=False),
    ] = None,
    split: Split = "test",
    out: Annotated[Path, typer.Option(help="Folder for the PNG files.")] = Path("pictures"),
    typical: Annotated[int, typer.Option(min=0, help="Queries of middling precision.")] = 5,
    worst: Annotated[int, typer.Option(min=0, help="Queries of the lowest precision.")] = 3,
    group_column: GroupColumn = "photographer",
) -> None:
    """Draw queries, where the network looked, and the first eight hits, right or wrong.

    Example: lapel pictures my.onnx --data labels.csv --attribute collar --out pictures/

    One PNG per attribute. Hits are by other photographers than the query's; a green border and a
    tick mark the query's value, a red border and a cross another one.
    """
    if typical + worst == 0:
        raise CommandError("--typical and --worst are both 0: there is no query to draw")
    encoder, embedded = embed_split(model, data, split, group_column)
    names = attributes_of(encoder.card, attribute)
    drawable = [name for name in names if name in embedded.table.cells]
    if attribute and drawable != names:
        raise CommandError(f"{data} has no column {(set(names) - set(drawable)).pop()!r}")
    out.mkdir(parents=True, exist_ok=True)
    for name in drawable:
        file = out / f"{name}.png"
        _draw(name, encoder, embedded, split, typical, worst).save(file)
        typer.echo(file)


def choose(
    precisions: NDArray[np.float64], values: NDArray[np.int64], typical: int, worst: int
) -> list[tuple[str, int]]:
    """Queries worth a look, each once: (kind, row), the worst last.

    Args:
        precisions: (N,) average precision per row, NaN where the row is no query.
        values: (N,) value index per row.
        typical: as many with a precision near the median, of different values while there are.
        worst: as many of the lowest precision, likewise.
    """
    queries = np.flatnonzero(np.isfinite(precisions))
    if not len(queries):
        return []
    from_low = queries[np.argsort(precisions[queries], kind="stable")]
    bad = _varied(from_low, values, worst)
    rest = np.array([row for row in queries if row not in bad], np.int64)
    distance = np.abs(precisions[rest] - np.median(precisions[queries]))
    good = _varied(rest[np.argsort(distance, kind="stable")], values, typical)
    return [("typical", row) for row in good] + [("worst", row) for row in bad]


def nearest(
    query: int,
    similarities: NDArray[np.float32],
    values: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> list[int]:
    """The query's first hits: labelled rows by other photographers, as evaluation ranks them."""
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


def _draw(
    name: str, encoder: Encoder, embedded: EmbeddedTable, split: str, typical: int, worst: int
) -> Image.Image:
    table, index = embedded.table, encoder.card.attribute_names.index(name)
    values = table.value_indices(name, table.values(name))
    similarities = embedded.vectors[:, index] @ embedded.vectors[:, index].T  # (N, N)
    score = retrieval_score(similarities, values, table.groups)
    rows = []
    for kind, query in choose(score.per_query, values, typical, worst):
        hits = [
            Tile(
                picture(table.files[hit].read_bytes(), TILE),
                (table.cells[name][hit], f"{similarities[query, hit]:.2f}"),
                right=bool(values[hit] == values[query]),
            )
            for hit in nearest(query, similarities[query], values, table.groups)
        ]
        precision = f"{kind}, AP {score.per_query[query]:.2f}"
        rows.append(Row(*_query_tiles(table, query, name, index, encoder, precision), hits))
    title = (
        f"{name}: {encoder.card.name} {encoder.card.version} ({encoder.fingerprint}), "
        f"{split} split, MAP {score.mean_average_precision:.3f} over {score.queries} queries"
    )
    return sheet(title, rows)


def _query_tiles(
    table: LabelTable, query: int, name: str, index: int, encoder: Encoder, precision: str
) -> tuple[Tile, Tile]:
    file = table.files[query]
    photo = picture(file.read_bytes(), TILE, encoder.card.preprocessing.fit)
    embedding = embed_file(encoder, file)
    reading = read_values(embedding, encoder.card)[index]
    read = "not visible" if reading.value is None else f"{reading.value} {reading.probability:.0%}"
    looked = with_attention(photo, embedding.attention[index])
    return (
        Tile(photo, (table.cells[name][query], precision)),
        Tile(looked, ("reads as", read)),
    )
