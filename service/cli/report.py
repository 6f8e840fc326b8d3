"""`lapel report`: what a model finds on labelled photographs, as one page to look at.

The page holds the photographs themselves, so it goes where the photographs may go.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from model.report.extras import MissingLibraryError, require
from model.report.findings import find
from model.report.page import render
from model.report.queries import Counts
from model.report.tiles import Tiles
from service.cli.failures import CommandError
from service.cli.index import progress_bar
from service.cli.measuring import embed_split, measure_further
from service.cli.options import Data, GroupColumn, Split
from service.cli.pictures import drawable

PAGE: Final = "index.html"
MOST_QUERIES: Final = 4
"""Of a kind and attribute: the page holds each picture it shows."""


def report(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the page, index.html.")] = Path("report"),
    split: Split = "test",
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="Attribute with a section of its own, repeatable; default all.",
            show_default=False,
        ),
    ] = None,
    worst: Annotated[
        int, typer.Option(min=0, max=MOST_QUERIES, help="Queries of the lowest precision.")
    ] = 2,
    typical: Annotated[
        int, typer.Option(min=0, max=MOST_QUERIES, help="Queries of middling precision.")
    ] = 2,
    best: Annotated[
        int, typer.Option(min=0, max=MOST_QUERIES, help="Queries of the highest precision.")
    ] = 1,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Also measure with every picture mirrored, turned, cropped, blurred and so on: "
            "embeds the split ten times more; takes minutes.",
        ),
    ] = False,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="Also measure whether attention can be trusted, by hiding what it points at and "
            "on drawn garments; takes minutes.",
        ),
    ] = False,
    group_column: GroupColumn = "photographer",
) -> None:
    """Write one page that shows how good a model is, and where it errs.

    Example: lapel report my.onnx --data labels.csv --out report/

    Then open report/index.html. It shows the figures of `lapel evaluate` as bars; per attribute
    the worst, typical and best queries with where the network looked and the first eight hits by
    other photographers, a map of the space, which values are taken for which, and whether
    probabilities are kept. It is one file that asks for nothing, light or dark as the reader's
    screen is, and prints. The photographs are in it: mind who may see them.

    Example: lapel report my.onnx --data labels.csv --attribute collar --worst 4 --robustness
    """
    _require_libraries()
    encoder, embedded = embed_split(model, data, split, group_column)
    names = drawable(encoder.card, embedded.table, attribute)
    if not names:
        raise CommandError(
            f"the model knows {', '.join(encoder.card.attribute_names)}; "
            f"{data} has {', '.join(embedded.table.attributes)}"
        )
    also = [
        name for name, wanted in (("robustness", robustness), ("attention", attention)) if wanted
    ]
    further = measure_further(encoder, embedded.table, also)
    with progress_bar("looking", len(names)) as bar:
        findings = find(
            encoder,
            embedded,
            split=split,
            data=data.name,
            file_bytes=model.stat().st_size,
            names=names,
            counts=Counts(worst=worst, typical=typical, best=best),
            further=further,
            progress=lambda: bar.advance(bar.task_ids[0]),
        )
    tiles = Tiles(embedded.table.files, encoder.card.preprocessing.fit)
    page = render(findings, tiles)
    out.mkdir(parents=True, exist_ok=True)
    (out / PAGE).write_text(page, encoding="utf-8")
    typer.echo(out / PAGE)


def _require_libraries() -> None:
    """Before minutes are spent on measuring."""
    try:
        require("jinja2")
        require("sklearn")
    except MissingLibraryError as exc:
        raise CommandError(str(exc)) from exc
