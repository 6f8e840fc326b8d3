"""`lapel protocol-labels`: a published data set as a table that `lapel train` reads."""

from pathlib import Path
from typing import Annotated

import typer

from model.protocols.label_rows import write_labels
from model.protocols.reading import read_training_labels
from model.protocols.tasks import Protocol, ProtocolError
from service.cli.failures import CommandError


def protocol_labels(
    protocol: Annotated[Protocol, typer.Argument(help="The data set.", show_default=False)],
    data: Annotated[
        Path, typer.Option(help="Folder of its published files and pictures.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The CSV to write.", show_default=False)],
) -> None:
    """Write a published data set's training and validation labels as a CSV to train on.

    Example: lapel protocol-labels fashionai --data FashionAI --out fashionai.csv

    Then train on it: lapel train --data fashionai.csv --out fashionai.onnx. Values are the
    published numbers; a cell is empty where nobody annotated that attribute. Test pictures stay
    out: measure them with lapel evaluate --protocol.
    """
    try:
        table = read_training_labels(protocol, data)
    except ProtocolError as exc:
        raise CommandError(str(exc)) from exc
    write_labels(table, out)
    typer.echo(f"{len(table)} rows, {len(table.attributes)} attributes: {out}")
