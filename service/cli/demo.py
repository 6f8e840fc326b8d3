"""`lapel demo`: drawn garments in a store of their own, for a search within a minute."""

import csv
import dataclasses
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import JsonValue
from rich.console import Console

from api_schemas.bases import DEFAULT_CATALOG
from model.drawings import write_catalog
from service.cli.destinations import LocalCatalog
from service.cli.failures import CommandError
from service.cli.finding import Wanted, find
from service.cli.first_steps import DRAWINGS, LIMIT, Example, curl, find_example
from service.cli.index import store_sources
from service.cli.opening import Workplace, open_workplace, settings_with
from service.cli.options import Model
from service.cli.search import show
from service.cli.serve import serve_until_stopped
from service.cli.sources import Source, find_sources

SEED: Final = 0
OF_TRAINING: Final = ("photographer", "split")
"""Columns that mean nothing to a shop."""
NOT_THERE: Final = "na"


def demo(
    store: Annotated[Path, typer.Option(help="Folder for the garments.")] = Path("demo-data"),
    count: Annotated[int, typer.Option(min=1, help="Garments to draw.")] = 300,
    serve: Annotated[bool, typer.Option("--serve", help="Start the service on them.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the service; default 8000."),
    ] = None,
    model: Model = None,
) -> None:
    """Draw garments, store them, and search among them.

    Example: lapel demo --serve

    The drawings have a known collar, sleeve, pattern and so on, which stands in their metadata:
    so you see whether a hit is right. Run it again: what is there is not done twice.
    """
    settings = settings_with(store=store, port=port, model_path=model)
    table = _drawn(store / DRAWINGS, count)
    sources = [_as_shop(source) for source in find_sources(table)[0]]
    with open_workplace(settings) as workplace:
        destination = LocalCatalog(workplace, DEFAULT_CATALOG)
        counts = store_sources(destination, sources, (), settings.max_image_bytes)
        if counts["failed"]:
            raise CommandError(f"{counts['failed']} drawings could not be stored")
        example = workplace.run(find_example(workplace.services))
        _show_search(workplace, example)
    if serve:
        serve_until_stopped(settings)
        return
    address = f"http://{settings.host}:{settings.port}"
    typer.echo(f"Start the service:  lapel serve --store {store}{_port_option(port)}")
    typer.echo(f"Then ask it:        {curl(example, address)}")


def _drawn(folder: Path, count: int) -> Path:
    """The table of the drawings, made now unless they are there from before."""
    table = folder / "labels.csv"
    if not table.exists() or _rows(table) != count:
        with Console(stderr=True).status(f"drawing {count} garments"):
            write_catalog(folder, count, SEED)
    return table


def _rows(table: Path) -> int:
    with table.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def _as_shop(source: Source) -> Source:
    """Called by its number, with the metadata a shop would have."""
    kept: dict[str, JsonValue] = {
        name: value
        for name, value in (source.metadata or {}).items()
        if name not in OF_TRAINING and value != NOT_THERE
    }
    return dataclasses.replace(source, id=source.file.stem, metadata=kept)


def _show_search(workplace: Workplace, example: Example | None) -> None:
    if example is None or example.picture is None:
        return
    typer.echo(
        f"lapel search {example.picture} --by {example.attribute} --limit {LIMIT} "
        f"--store {workplace.services.settings.store}"
    )
    wanted = Wanted(
        image=example.picture.read_bytes(),
        weights={example.attribute: 1.0},
        where={},
        replace=None,
        catalog=example.catalog,
        limit=LIMIT,
    )
    show(workplace, wanted, find(workplace, wanted))


def _port_option(port: int | None) -> str:
    return "" if port is None else f" --port {port}"
