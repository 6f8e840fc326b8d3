"""The papers' table of a published data set: what `lapel evaluate --protocol` prints.

In per cent, as the papers print it; the JSON file holds shares of 1 like all our other figures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from model.encoder import Encoder
from model.evaluate import EmbeddedTable, embed_table
from model.labels import LabelTable
from model.protocols.measure import ProtocolQuality, match_attributes, measure
from model.protocols.reading import read_task
from model.protocols.tasks import Protocol, ProtocolError
from model.sheet import Sheet
from service.cli.failures import CommandError
from service.cli.index import progress_bar
from service.cli.opening import load_encoder

_COUNTED: Final = {"MAP": "queries", "triplet accuracy": "triplets"}


def measure_published(
    model: Path, protocol: Protocol, folder: Path, split: str, renamed: Sequence[str]
) -> ProtocolQuality:
    """Measure a model file on a published data set, with a progress bar.

    Args:
        model: the file.
        protocol: which data set.
        folder: where its files lie.
        split: which split.
        renamed: "protocol's name=model's name", for attributes that are called otherwise.

    Raises:
        CommandError: the files cannot be used, or no attribute matches.
        ModelFileError, UndecodableImage, OSError: naming the file at fault.
    """
    pairs = _pairs(renamed)
    encoder = load_encoder(model)
    names = encoder.card.attribute_names
    try:
        task = read_task(protocol, folder, split)
        matched = match_attributes(task.attributes, names, pairs)
        vectors = _embed(encoder, task.files).vectors
        return measure(task, vectors, names, matched)
    except ProtocolError as exc:
        raise CommandError(str(exc)) from exc


def published_sheet(quality: ProtocolQuality) -> Sheet:
    """One row per attribute, then the two means."""
    counted = _COUNTED[quality.measure]
    retrieval = quality.measure == "MAP"
    rows = [
        (
            _name(figure.attribute, figure.model_attribute),
            _percent(figure.figure),
            str(figure.count),
            *([str(figure.nothing_to_find)] if retrieval else []),
        )
        for figure in quality.figures
    ]
    total = str(sum(figure.count for figure in quality.figures))
    nothing = str(sum(figure.nothing_to_find for figure in quality.figures))
    for name, value in (
        (f"overall, weighted by {counted}", quality.overall),
        ("mean over attributes", quality.mean),
    ):
        rows.append((name, _percent(value), total, *([nothing] if retrieval else [])))
    return Sheet(
        f"{quality.protocol}, {quality.split} split, {quality.images} images, in per cent",
        ("attribute", quality.measure, counted, *(["nothing to find"] if retrieval else [])),
        tuple(rows),
    )


def not_measured(quality: ProtocolQuality) -> str | None:
    """What the means leave out, in a sentence; None where that is nothing."""
    if not quality.not_measured:
        return None
    count = len(quality.figures) + len(quality.not_measured)
    return (
        f"The means are over {len(quality.figures)} of {count} attributes; "
        f"not in the model, or not asked for: {', '.join(quality.not_measured)}."
    )


def _pairs(renamed: Sequence[str]) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for text in renamed:
        name, equals, own = (part.strip() for part in text.partition("="))
        if not (name and equals and own):
            raise CommandError(
                f"--attribute-map wants the protocol's name, = and the model's, not {text!r}"
            )
        if name in pairs:
            raise CommandError(f"--attribute-map gives {name!r} twice")
        pairs[name] = own
    return pairs


def _embed(encoder: Encoder, files: tuple[Path, ...]) -> EmbeddedTable:
    unlabelled = LabelTable(
        files=files, splits=("",) * len(files), groups=np.arange(len(files)), cells={}
    )
    with progress_bar("embedding", len(files)) as bar:
        return embed_table(
            encoder, unlabelled, progress=lambda done: bar.advance(bar.task_ids[0], done)
        )


def _name(attribute: str, own: str) -> str:
    return attribute if attribute == own else f"{attribute} (as {own})"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
