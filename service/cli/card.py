"""Look into a model file: what it knows, how well, and where it comes from."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api_schemas.card import AttributeCard, ModelCard, Provenance
from model.encoder import Encoder
from service.cli.measures import quality_tables
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
    }
    for name, value in rows.items():
        facts.add_row(name, value)
    return facts


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
    table = Table("attribute", "values", title="attributes", title_justify="left")
    for attribute in card.attributes:
        table.add_row(_named(attribute), ", ".join(attribute.values))
    return table


def _named(attribute: AttributeCard) -> str:
    return f"{attribute.name}\n{attribute.description}" if attribute.description else attribute.name
