"""`lapel search`: the garments of a catalog most like a picture, by chosen attributes."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api_schemas.bases import DEFAULT_CATALOG
from api_schemas.search import MAX_LIMIT
from model.report.overlay import data_uri, picture, with_attention
from model.similarity import ValueReading, read_values
from service.catalog.store import Hit
from service.cli.compare import NOT_VISIBLE, shown
from service.cli.conditions import parse_conditions, parse_replacements, parse_weights
from service.cli.finding import Found, Wanted, find
from service.cli.opening import Workplace, open_workplace, settings_with
from service.cli.options import AsJson, CatalogOption, Model, Store
from service.cli.page import HitView, Likeness, QueryView, plain, render
from service.errors import ImageNotStored
from service.routes.answers import identity, readings
from service.stored import as_embedding

PICTURE_PIXELS: Final = 224
MOST_COLUMNS: Final = 3
"""Attributes with a column of their own in the table."""
LEAST_METADATA: Final = 12
"""Characters for metadata; with less room they are left out of the table."""
BETWEEN: Final = 2
"""Characters between two columns."""


def search(
    image: Annotated[Path, typer.Argument(help="An image file.", show_default=False)],
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Attribute to compare by, or ATTRIBUTE=WEIGHT; repeatable; default all visible.",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Condition on the metadata: FIELD, one of = != < <= > >=, VALUE; repeatable, all "
            "must hold. A JSON list as the value stands for any of its elements.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        list[str] | None,
        typer.Option(
            help="ATTRIBUTE=VALUE: search as if the picture had this value; repeatable.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="Garments to show.")] = 10,
    as_json: AsJson = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Also write a page: pictures, and where the network looked.", show_default=False
        ),
    ] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    store: Store = None,
    model: Model = None,
) -> None:
    """Find the stored garments most like a picture, by the attributes that matter to you.

    Example: lapel search shirt.jpg --by collar --by sleeve_length=0.5 --where 'price<=80'

    Example: lapel search shirt.jpg --by neckline --replace neckline=v --html found.html

    The score is the weighted mean of the similarities; an attribute that a garment does not show
    counts -1 in it.
    """
    wanted = Wanted(
        image=image.read_bytes(),
        weights=parse_weights(by or []),
        where=parse_conditions(where or []),
        replace=parse_replacements(replace or []),
        catalog=catalog,
        limit=limit,
    )
    settings = settings_with(store=store, model_path=model)
    with open_workplace(settings, must_exist=True) as workplace:
        found = find(workplace, wanted)
        if html is not None:
            html.write_text(_page(workplace, image.name, wanted, found), encoding="utf-8")
            typer.echo(f"wrote {html}", err=True)
        if as_json:
            typer.echo(to_json(_document(workplace, found), indent=2))
        else:
            show(workplace, wanted, found)
        if not found.total:
            _tell_of_stale(workplace)


def _tell_of_stale(workplace: Workplace) -> None:
    if stale := workplace.run(workplace.services.catalog.stale()):
        typer.echo(
            f"{stale} stored garments have vectors of another model and are not found: "
            "lapel reindex embeds them anew",
            err=True,
        )


def show(workplace: Workplace, wanted: Wanted, found: Found) -> None:
    """Print what was looked for, and a table of the hits."""
    console = Console()
    read = dict(zip(found.all_names, found.readings, strict=True))
    looked_for = ", ".join(f"{name}: {shown(read[name])}" for name in found.names)
    console.print(f"query  {looked_for}", markup=False, highlight=False)
    for name in found.skipped:
        console.print(f"left out, not visible in the query: {name}", markup=False, highlight=False)
    read_in_hits = _read_in_hits(workplace, wanted.catalog, found)
    console.print(_table(found, read_in_hits, console.width))
    console.print(f"{len(found.hits)} of {found.total} garments", highlight=False)


def _table(found: Found, read: list[dict[str, ValueReading]], width: int) -> Table:
    """A column per attribute while they fit, or else the garments and their scores alone."""
    names = found.names if len(found.names) <= MOST_COLUMNS else []
    rows: list[tuple[str, ...]] = [("garment", "score", *names)]
    rows += [
        (hit.id, f"{hit.score:.3f}", *_cells(hit, values, names))
        for hit, values in zip(found.hits, read, strict=True)
    ]
    taken = sum(max(map(len, column)) + BETWEEN for column in zip(*rows, strict=True))
    room = width - taken - BETWEEN
    if room >= LEAST_METADATA:
        lines = ("metadata", *(_metadata(hit, found.names) for hit in found.hits))
        rows = [(*row, _shortened(line, room)) for row, line in zip(rows, lines, strict=True)]
    table = Table(box=SIMPLE_HEAD, padding=(0, BETWEEN - 1, 0, 0), pad_edge=False)
    table.add_column(rows[0][0], overflow="fold")
    for name in rows[0][1:]:
        figures = name in ("score", *names)
        table.add_column(name, justify="right" if figures else "left", no_wrap=True)
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    return table


def _cells(hit: Hit, values: dict[str, ValueReading], names: list[str]) -> list[str]:
    return [
        NOT_VISIBLE if similarity is None else f"{values[name].value} {similarity:.2f}"
        for name, similarity in zip(names, hit.similarities, strict=False)
    ]


def _read_in_hits(
    workplace: Workplace, catalog: str, found: Found
) -> list[dict[str, ValueReading]]:
    """What the model reads in each hit, by attribute: similar vectors can read differently."""
    services = workplace.services
    ids = [hit.id for hit in found.hits]
    records = workplace.run(services.catalog.get_many(catalog, ids))
    return [
        dict(
            zip(found.all_names, read_values(as_embedding(records[id]), services.card), strict=True)
        )
        for id in ids
    ]


def _metadata(hit: Hit, first: list[str]) -> str:
    """In one line, fields called like the attributes of the search first."""
    names = sorted(hit.metadata, key=lambda name: name not in first)
    return " ".join(f"{name}={plain(hit.metadata[name])}" for name in names)


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _document(workplace: Workplace, found: Found) -> dict[str, Any]:
    """As the API's answer to a search, without its time."""
    return {
        "hits": [
            {
                "id": hit.id,
                "score": hit.score,
                "attributes": dict(zip(found.names, hit.similarities, strict=True)),
                "metadata": hit.metadata,
                "image_index": hit.image,
            }
            for hit in found.hits
        ],
        "total": found.total,
        "query": readings(found.readings, workplace.services.card),
        "skipped_attributes": found.skipped,
        "model": identity(workplace.services.encoder),
    }


def _page(workplace: Workplace, name: str, wanted: Wanted, found: Found) -> str:
    fit = workplace.services.card.preprocessing.fit
    photo = picture(wanted.image, PICTURE_PIXELS, fit)
    places = {name: index for index, name in enumerate(found.all_names)}
    looked = [
        (
            name,
            shown(found.readings[places[name]]),
            data_uri(with_attention(photo, found.attention[places[name]])),
        )
        for name in found.names
    ]
    read = _read_in_hits(workplace, wanted.catalog, found)
    hits = [
        HitView(
            hit.id,
            hit.score,
            _thumbnail(workplace, wanted.catalog, hit),
            [
                Likeness(name, values[name].value, similarity)
                for name, similarity in zip(found.names, hit.similarities, strict=True)
            ],
            hit.metadata,
        )
        for hit, values in zip(found.hits, read, strict=True)
    ]
    return render(QueryView(name, data_uri(photo), looked), hits, found.total)


def _thumbnail(workplace: Workplace, catalog: str, hit: Hit) -> str | None:
    images = workplace.services.images
    try:
        original = workplace.run(images.stored_original(hit.id, catalog, hit.image))
    except ImageNotStored:
        return None
    return data_uri(picture(original, PICTURE_PIXELS))
