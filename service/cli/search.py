"""`lapel search`: the garments of a catalog most like a picture, by chosen attributes."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from api_schemas.bases import DEFAULT_CATALOG
from api_schemas.search import MAX_LIMIT
from service.catalog.store import Hit
from service.cli.compare import shown
from service.cli.conditions import parse_conditions, parse_replacements, parse_weights
from service.cli.finding import Found, Wanted, find
from service.cli.opening import Workplace, open_workplace, settings_with
from service.cli.options import AsJson, CatalogOption, Model, Store
from service.cli.overlay import data_uri, picture, with_attention
from service.cli.page import HitView, QueryView, render
from service.errors import ImageNotStored
from service.routes.answers import identity, readings

PICTURE_PIXELS: Final = 224
METADATA_CHARACTERS: Final = 60


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
            show(workplace, found)


def show(workplace: Workplace, found: Found) -> None:
    """Print what was looked for, and a table of the hits."""
    console = Console()
    read = dict(zip(found.all_names, found.readings, strict=True))
    looked_for = ", ".join(f"{name}: {shown(read[name])}" for name in found.names)
    console.print(f"query  {looked_for}", markup=False, highlight=False)
    for name in found.skipped:
        console.print(f"left out, not visible in the query: {name}", markup=False, highlight=False)
    table = Table("garment")
    for column in ("score", *found.names):
        table.add_column(column, justify="right", no_wrap=len(found.names) < 4)
    table.add_column("metadata")
    for hit in found.hits:
        table.add_row(hit.id, f"{hit.score:.3f}", *_figures(hit), _metadata(hit, found.names))
    console.print(table)
    console.print(f"{len(found.hits)} of {found.total} garments", highlight=False)


def _figures(hit: Hit) -> list[str]:
    return ["unseen" if s is None else f"{s:.2f}" for s in hit.similarities]


def _metadata(hit: Hit, first: list[str]) -> str:
    """As much as fits, fields called like the attributes of the search first."""
    names = sorted(hit.metadata, key=lambda name: name not in first)
    text = " ".join(f"{name}={hit.metadata[name]}" for name in names)
    return text if len(text) <= METADATA_CHARACTERS else f"{text[: METADATA_CHARACTERS - 1]}…"


def _document(workplace: Workplace, found: Found) -> dict[str, Any]:
    """As the API's answer to a search, without its time."""
    return {
        "hits": [
            {
                "id": hit.id,
                "score": hit.score,
                "attributes": dict(zip(found.names, hit.similarities, strict=True)),
                "metadata": hit.metadata,
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
    hits = [
        HitView(
            hit.id,
            hit.score,
            _thumbnail(workplace, wanted.catalog, hit),
            dict(zip(found.names, hit.similarities, strict=True)),
            hit.metadata,
        )
        for hit in found.hits
    ]
    return render(QueryView(name, data_uri(photo), looked), hits, found.total)


def _thumbnail(workplace: Workplace, catalog: str, hit: Hit) -> str | None:
    images = workplace.services.images
    try:
        original = workplace.run(images.stored_original(hit.id, catalog))
    except ImageNotStored:
        return None
    return data_uri(picture(original, PICTURE_PIXELS))
