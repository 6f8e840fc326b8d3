"""A labelled split measured, with progress: what `evaluate`, `pictures` and `report` share."""

from collections.abc import Collection
from pathlib import Path

from model.encoder import Encoder
from model.evaluate import EmbeddedTable, embed_table
from model.further import FurtherQuality, measure_all, pictures_to_do
from model.labels import LabelTable, read_labels
from service.cli.index import progress_bar
from service.cli.opening import load_encoder


def embed_split(
    model: Path, data: Path, split: str, group_column: str
) -> tuple[Encoder, EmbeddedTable]:
    """Embed the rows of one split, with a progress bar.

    Raises:
        ModelFileError, LabelTableError, UndecodableImage, OSError: naming the file at fault.
    """
    encoder = load_encoder(model)
    table = read_labels(data, group_column=group_column).split(split)
    with progress_bar("embedding", len(table)) as bar:
        embedded = embed_table(
            encoder, table, progress=lambda done: bar.advance(bar.task_ids[0], done)
        )
    return encoder, embedded


def measure_further(encoder: Encoder, table: LabelTable, also: Collection[str]) -> FurtherQuality:
    """Measure what takes minutes, with a progress bar; `also` names it, or nothing."""
    if not also:
        return FurtherQuality()
    with progress_bar("measuring", pictures_to_do(len(table), also)) as bar:
        return measure_all(
            encoder, table, also=also, progress=lambda done: bar.advance(bar.task_ids[0], done)
        )
