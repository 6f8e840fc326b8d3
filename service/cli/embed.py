"""`lapel embed`: vectors of pictures as JSON lines."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from model.encoder import Encoder, ImageEmbedding
from model.pixels import UndecodableImage
from model.similarity import read_values
from service.cli.opening import attributes_of, embed_file, load_encoder
from service.cli.options import Model
from service.queries import attribute_indices
from service.routes.answers import identity, reading


def embed(
    images: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    attribute: Annotated[
        list[str] | None,
        typer.Option(help="Attribute to give, repeatable; default all.", show_default=False),
    ] = None,
    model: Model = None,
) -> None:
    """Print one JSON line per picture: vector, value and visibility of each attribute.

    Example: lapel embed shirts/*.jpg --attribute collar > vectors.jsonl

    A file that cannot be read is named on standard error, the rest goes on, and the exit status
    is 1.
    """
    encoder = load_encoder(model)
    names = attributes_of(encoder.card, attribute)
    failed = False
    for image in images:
        try:
            embedding = embed_file(encoder, image)
        except (OSError, UndecodableImage) as exc:
            reason = f"{image}: {exc.strerror}" if isinstance(exc, OSError) else str(exc)
            typer.secho(f"lapel: {reason}", fg="red", err=True)
            failed = True
        else:
            typer.echo(to_json(_line(image, embedding, encoder, names)))
    if failed:
        raise typer.Exit(1)


def _line(
    image: Path, embedding: ImageEmbedding, encoder: Encoder, names: list[str]
) -> dict[str, Any]:
    read = read_values(embedding, encoder.card)
    attributes = {
        name: {
            "vector": embedding.vectors[index].tolist(),
            "norm": float(embedding.norms[index]),
            **reading(read[index]),
        }
        for name, index in zip(names, attribute_indices(encoder.card, names), strict=True)
    }
    return {"file": str(image), "attributes": attributes, "model": identity(encoder)}
