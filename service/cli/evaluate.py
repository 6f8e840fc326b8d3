"""`lapel evaluate`: a model file measured on labelled photographs, as it serves."""

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from model import evaluate as measuring
from model.calibration import calibration_sheet, measure_calibration
from model.encoder import Encoder
from model.evaluate import EmbeddedTable
from model.further import MEASURES, further_tables
from model.protocols.measure import ProtocolQuality
from model.protocols.tasks import Protocol
from model.sheet import Sheet
from service.cli.failures import CommandError
from service.cli.measures import (
    markdown_table,
    quality_markdown,
    quality_tables,
    terminal_table,
)
from service.cli.measuring import embed_split, measure_further
from service.cli.options import GroupColumn, Split
from service.cli.published import measure_published, not_measured, published_sheet


class Further(StrEnum):
    """Measures that are asked for by name."""

    CALIBRATION = "calibration"
    ROBUSTNESS = "robustness"
    ATTENTION = "attention"
    PARTING = "parting"
    EVIDENCE = "evidence"
    COPIES = "copies"


def evaluate(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    data: Annotated[
        Path,
        typer.Option(
            help="CSV of labels: a 'file' column (paths relative to the CSV), a column per "
            "attribute, and 'split'. With --protocol: the folder of the published data set.",
            show_default=False,
        ),
    ],
    split: Split = "test",
    json: Annotated[
        Path | None, typer.Option(help="Also write all figures to this file.", show_default=False)
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    group_column: GroupColumn = "photographer",
    also: Annotated[
        list[Further] | None,
        typer.Option(
            help="Also measure this, which takes seconds (calibration) or minutes; may be given "
            "several times.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        Protocol | None,
        typer.Option(
            help="Measure on a published data set, the way its papers do.", show_default=False
        ),
    ] = None,
    attribute_map: Annotated[
        list[str] | None,
        typer.Option(
            help="With --protocol, an attribute that the model calls otherwise, as in "
            "collar_design=collar; may be given several times.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a model file: how well it finds the same value, and how well it names it.

    Example: lapel evaluate my.onnx --data labels.csv --split test

    MAP is the mean average precision over all photographs by others than the query's
    photographer; "random" is a random order, "global" one vector for the whole picture. Queries
    with nothing to find are left out and counted. ECE is the expected calibration
    error of the value's probability, and of the probability that two garments share a value.
    "Own hits" says how often the query's own photographer is among the first 8 of all photographs,
    as a multiple of chance; "visible AUC" is the ROC AUC of saying that the attribute can be seen.

    Example: lapel evaluate my.onnx --data labels.csv --also calibration

    Few photographs show a calibration error above 0 even where every probability is right.
    Calibration puts that floor beside each ECE, and beside the ECE of all attributes together.

    Example: lapel evaluate my.onnx --data labels.csv --also robustness --also attention

    Robustness measures MAP with every picture mirrored, turned, cropped, compressed, blurred,
    darkened, brightened, and on another background. Attention hides what the network looked at,
    and checks on drawn garments whether it looked at the right part.

    Example: lapel evaluate my.onnx --data labels.csv --also parting

    Parting takes pairs that differ in one attribute, drawn and photographed, and tells how often
    that attribute is where they are said to part.

    Example: lapel evaluate my.onnx --data labels.csv --also evidence

    Evidence tells how many edited copies and design variants are found, at which rate of false
    accusations, by each attribute alone and by all of them together.

    Example: lapel evaluate my.onnx --data labels.csv --also copies

    Copies tells, edit by edit, how many edited pictures are told to be copies of their source, at
    which rate of being held for one of another photograph.

    Example: lapel evaluate my.onnx --protocol fashionai --data FashionAI

    With --protocol, MAP ranks a list of candidates for each of a list of queries, and a query with
    nothing to find scores 0; zappos asks which of two pictures is nearer to a third.
    """
    if protocol is not None:
        _show_published(
            measure_published(model, protocol, data, split, attribute_map or ()), json, markdown
        )
        return
    if attribute_map:
        raise CommandError("--attribute-map is for --protocol; a CSV names its own columns")
    encoder, embedded = embed_split(model, data, split, group_column)
    try:
        quality = measuring.evaluate(embedded, encoder.card.attributes, split)
    except ValueError as exc:
        raise CommandError(str(exc)) from exc
    if json is not None:
        json.write_text(quality.model_dump_json(indent=2) + "\n", encoding="utf-8")
    further = _further_sheets(encoder, embedded, also or ())
    if markdown:
        typer.echo("\n\n".join([quality_markdown(quality), *map(markdown_table, further)]))
        return
    console = Console()
    for table in [*quality_tables(quality), *map(terminal_table, further)]:
        console.print(table)


def _further_sheets(
    encoder: Encoder, embedded: EmbeddedTable, also: Collection[Further]
) -> list[Sheet]:
    sheets = []
    if Further.CALIBRATION in also:
        calibration = measure_calibration(embedded, encoder.card.attributes)
        sheets.append(calibration_sheet(calibration))
    changed = [name for name in also if name in MEASURES]
    return [*sheets, *further_tables(measure_further(encoder, embedded.table, changed))]


def _show_published(quality: ProtocolQuality, json: Path | None, markdown: bool) -> None:
    if json is not None:
        json.write_text(quality.model_dump_json(indent=2) + "\n", encoding="utf-8")
    sheet, left_out = published_sheet(quality), not_measured(quality)
    if markdown:
        typer.echo(markdown_table(sheet) + (f"\n\n{left_out}" if left_out else ""))
        return
    console = Console()
    console.print(terminal_table(sheet))
    if left_out:
        console.print(left_out, highlight=False)
