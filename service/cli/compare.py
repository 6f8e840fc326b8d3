"""`lapel compare`: two pictures, attribute by attribute."""

from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic_core import to_json
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from model import similarity
from model.similarity import AttributeComparison, ValueReading
from service.cli.opening import attributes_of, embed_file, load_encoder
from service.cli.options import AsJson, Model
from service.routes.answers import comparisons, identity

NOT_VISIBLE: Final = "not visible"


def compare(
    a: Annotated[Path, typer.Argument(help="An image file.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Another one.", show_default=False)],
    attribute: Annotated[
        list[str] | None,
        typer.Option(help="Attribute to compare, repeatable; default all.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    model: Model = None,
) -> None:
    """Say how alike two garments are, attribute by attribute.

    Example: lapel compare mine.jpg theirs.jpg --attribute collar --attribute sleeve_length

    Similarity is the cosine, -1 to 1; "same value" is the calibrated probability that both have
    the same value. An attribute that cannot be seen in one of the two gets no figure.
    """
    encoder = load_encoder(model)
    names = attributes_of(encoder.card, attribute)
    compared = similarity.compare(
        embed_file(encoder, a), embed_file(encoder, b), encoder.card, names
    )
    if as_json:
        answer = {"attributes": comparisons(compared), "model": identity(encoder)}
        typer.echo(to_json(answer, indent=2))
    else:
        console = Console()
        for letter, file in (("A", a), ("B", b)):
            console.print(f"{letter}  {file.name}", markup=False, highlight=False)
        console.print(_table(compared))


def shown(reading: ValueReading) -> str:
    """A reading as tables show it."""
    if reading.value is None:
        return NOT_VISIBLE
    return f"{reading.value} ({reading.probability:.0%})"


def _table(compared: list[AttributeComparison]) -> Table:
    # Files are named above the table: ten attributes then fit a terminal of 80.
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("attribute", no_wrap=True)
    for column in ("similarity", "same value"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("A", "B"):
        table.add_column(column, no_wrap=True)
    for each in compared:
        figures = (
            ("-", "-")
            if each.similarity is None or each.same_value_probability is None
            else (f"{each.similarity:.2f}", f"{each.same_value_probability:.0%}")
        )
        table.add_row(each.name, *figures, shown(each.a), shown(each.b))
    return table
