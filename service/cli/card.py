"""Look into a model file: what it knows, how well, and where it comes from."""

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api_schemas.card import ModelCard, Provenance, Quality
from model.encoder import Encoder
from service.cli.measures import quality_tables, sheets
from service.cli.opening import load_encoder
from service.cli.options import AsJson

commands = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@commands.callback()
def model() -> None:
    """Look into a model file."""


@commands.command()
def show(
    file: Annotated[
        Path | None,
        typer.Argument(help="A model file; default the one that serves.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a model's card: attributes and values, measured quality, provenance, licence.

    Example: lapel model show my.onnx
    """
    encoder = load_encoder(file)
    if as_json:
        typer.echo(encoder.card.model_dump_json(indent=2))
        return
    console = Console()
    console.print(_facts(encoder))
    console.print(_attributes(encoder.card))
    for quality in encoder.card.quality:
        for table in quality_tables(quality):
            console.print(table)


def _facts(encoder: Encoder) -> Table:
    card = encoder.card
    facts = Table.grid(padding=(0, 2))
    rows = {
        "model": f"{card.name} {card.version}",
        "fingerprint": encoder.fingerprint,
        "licence": card.licence,
        "design": f"{card.design}, {card.backbone}, {card.embedding_dimension} dimensions",
        "input": f"{card.preprocessing.input_size} px, {card.preprocessing.fit}",
        **_provenance(card.provenance),
        "quality": "\n".join(map(_in_short, card.quality)) or "not measured",
    }
    for name, value in rows.items():
        facts.add_row(name, value)
    return facts


def _in_short(quality: Quality) -> str:
    retrieval, *_ = sheets(quality)
    own, random, general = next(row[1:4] for row in retrieval.rows if row[0] == "mean")
    return (
        f"MAP {own} on the {quality.split} split, mean over attributes "
        f"(in random order {random}, by one vector for the whole picture {general})"
    )


def _provenance(provenance: Provenance) -> dict[str, str]:
    left_out = "; ".join(
        f"{attribute}: {', '.join(values)}"
        for attribute, values in provenance.left_out_values.items()
        if values
    )
    return {
        "data": provenance.data,
        "data licence": provenance.data_licence,
        "trained on": f"{provenance.training_images} images",
        "first weights": provenance.pretrained,
        "values left out": left_out or "none",
    }


def _attributes(card: ModelCard) -> Table:
    table = Table(
        title="\nattributes", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, leading=1
    )
    table.add_column("attribute", no_wrap=True)
    table.add_column("values")
    for attribute in card.attributes:
        described = f"\n[dim]{escape(attribute.description)}[/]" if attribute.description else ""
        table.add_row(attribute.name, escape(", ".join(attribute.values)) + described)
    return table
