"""`lapel pictures`: what a model finds on labelled photographs, to be looked at.

For whoever develops a model. The sheets show the photographs themselves, so they go where the
photographs may go.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from api_schemas.card import ModelCard
from model.encoder import Encoder
from model.evaluate import EmbeddedTable
from model.labels import LabelTable
from model.report.overlay import picture, with_attention
from model.report.queries import Counts, Hit, Query, find_queries
from service.cli.failures import CommandError
from service.cli.measuring import embed_split
from service.cli.opening import attributes_of
from service.cli.options import Data, GroupColumn, Split
from service.cli.sheet import TILE, Row, Tile, sheet


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
    names = drawable(encoder.card, embedded.table, attribute)
    counts = Counts(worst=worst, typical=typical)
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        file = out / f"{name}.png"
        _draw(name, encoder, embedded, split, counts).save(file)
        typer.echo(file)


def drawable(card: ModelCard, table: LabelTable, asked: Sequence[str] | None) -> list[str]:
    """The attributes asked for; all that model and table share when none were.

    Raises:
        UnknownAttribute: the model does not have one of them.
        CommandError: the table does not have one of them.
    """
    names = attributes_of(card, asked)
    there = [name for name in names if name in table.cells]
    if asked and there != names:
        raise CommandError(f"the table has no column {(set(names) - set(there)).pop()!r}")
    return there


def _draw(
    name: str, encoder: Encoder, embedded: EmbeddedTable, split: str, counts: Counts
) -> Image.Image:
    files, fit = embedded.table.files, encoder.card.preprocessing.fit
    score, queries = find_queries(encoder, embedded, name, counts)
    rows = [
        Row(
            *_query_tiles(query, picture(files[query.row].read_bytes(), TILE, fit)),
            [_hit_tile(hit, files[hit.row]) for hit in query.hits],
        )
        for query in queries
    ]
    title = (
        f"{name}: {encoder.card.name} {encoder.card.version} ({encoder.fingerprint}), "
        f"{split} split, MAP {score.mean_average_precision:.3f} over {score.queries} queries"
    )
    return sheet(title, rows)


def _query_tiles(query: Query, photo: Image.Image) -> tuple[Tile, Tile]:
    reading = query.reading
    read = "not visible" if reading.value is None else f"{reading.value} {reading.probability:.0%}"
    return (
        Tile(photo, (query.value, f"{query.kind}, AP {query.precision:.2f}")),
        Tile(with_attention(photo, query.attention), ("reads as", read)),
    )


def _hit_tile(hit: Hit, file: Path) -> Tile:
    photo = picture(file.read_bytes(), TILE)
    return Tile(photo, (hit.value, f"{hit.similarity:.2f}"), right=hit.right)
