"""`lapel evaluate`: a model file measured on labelled photographs, as it serves."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from model import evaluate as measuring
from service.cli.failures import CommandError
from service.cli.measures import quality_markdown, quality_tables
from service.cli.measuring import embed_split
from service.cli.options import Data, GroupColumn, Split


def evaluate(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    data: Data,
    split: Split = "test",
    json: Annotated[
        Path | None, typer.Option(help="Also write all figures to this file.", show_default=False)
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    group_column: GroupColumn = "photographer",
) -> None:
    """Measure a model file: how well it finds the same value, and how well it names it.

    Example: lapel evaluate my.onnx --data labels.csv --split test

    MAP is the mean average precision over all photographs by others than the query's
    photographer; "random" is a random order, "global" one vector for the whole picture. Queries
    with nothing to find are left out and counted. ECE is the expected calibration
    error of the value's probability, and of the probability that two garments share a value.
    """
    encoder, embedded = embed_split(model, data, split, group_column)
    try:
        quality = measuring.evaluate(embedded, encoder.card.attributes, split)
    except ValueError as exc:
        raise CommandError(str(exc)) from exc
    if json is not None:
        json.write_text(quality.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if markdown:
        typer.echo(quality_markdown(quality))
        return
    console = Console()
    for table in quality_tables(quality):
        console.print(table)
