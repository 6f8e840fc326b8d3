"""A trained network to one `.onnx` file: weights, card, calibration, measured quality.

In two passes: what the file computes holds centres and prototypes, which are fitted with the
answers of a file that has none yet. What is calibrated and measured is the second one, through
the encoder that serves. It appears under its name only when it is whole and its answers have
been compared with PyTorch's.
"""

from functools import partial
from pathlib import Path

import torch

from api_schemas.card import ModelCard
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, Progress, embed_table, evaluate
from model.labels import LabelTable
from model.training.about import About, first_card
from model.training.attribute_calibration import (
    calibrated,
    changed_pictures,
    embed_changed,
    scaled,
)
from model.training.copied_photographs import COPIES, copied_split
from model.training.design_calibration import fit_design_space
from model.training.designs.registry import design_named
from model.training.evidence_fit import fit_evidence, pictures_embedded
from model.training.model_file import check_parity, graph_of, write_model
from model.training.palette import LEARNT_FROM, Palette, Readings, Watched, fit_readings
from model.training.prototypes import centres_of, with_frequencies, with_prototypes
from model.training.refinement import Colours, gathered, refine_spaces
from model.training.runs import Run
from model.training.serving import Serving


def export(
    run: Run, table: LabelTable, about: About, out: Path, *, progress: Progress | None = None
) -> ModelCard:
    """Write the run's network as a model file.

    Args:
        run: the trained network.
        table: labels; ``train`` gives centres and prototypes, ``valid`` calibrates, ``test``,
            where there is one, is measured.
        about: names, licences, meanings.
        out: where the file goes; replaced whole or not at all.
        progress: told of images embedded.

    Returns:
        The card in the file.

    Raises:
        ExportError: the file's vectors differ from PyTorch's by more than ``PARITY_TOLERANCE``.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial.onnx")
    serving = Serving(run.network, run.design_head)
    try:
        card = _gathered(serving, run, table, about, partial, progress)
        graph = graph_of(serving, card.preprocessing.input_size)
        encoder = write_model(graph, card, partial)
        check_parity(serving, encoder)
        card = write_model(graph, _fitted(encoder, table, progress), partial).card
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return card


def images_embedded(table: LabelTable, *, with_copies: bool = False) -> int:
    """How many images `export` will tell its ``progress`` of; with copies for a design space."""
    train, valid = len(table.split("train")), len(table.split("valid"))
    test = len(table.split("test")) if "test" in table.splits else 0
    copies = (1 + COPIES) * valid if with_copies else 0
    pairs = pictures_embedded([images for images in (valid, test) if images])
    return train + 2 * valid + changed_pictures(valid) + test + copies + pairs


def _gathered(
    serving: Serving,
    run: Run,
    table: LabelTable,
    about: About,
    path: Path,
    progress: Progress | None,
) -> ModelCard:
    """Centre the spaces and gather them around values; the card that reads them.

    Args:
        serving: is centred and, for designs that learn values so, refined and drawn.
        run: what the card tells of.
        table: ``train`` gives places, ``valid`` the scales.
        about: what the card tells for people.
        path: where the file without centres goes.
        progress: told of images embedded.
    """
    card = first_card(run, about)
    encoder = write_model(graph_of(serving, card.preprocessing.input_size), card, path)
    learns_values = design_named(run.config.design).value_head
    if learns_values:
        train, valid, colours = _embedded_with_colours(encoder, table, progress)
        serving.centres = torch.from_numpy(centres_of(train, card))
        refine_spaces(serving, train, valid, card, colours)
    else:
        train, valid = (
            embed_table(encoder, table.split(split), progress=progress)
            for split in ("train", "valid")
        )
        serving.centres = torch.from_numpy(centres_of(train, card))
    train, valid = (gathered(serving, embedded) for embedded in (train, valid))
    card = with_prototypes(with_frequencies(card, train.table), train)
    card = scaled(card, [valid])
    if learns_values:
        serving.draw_towards(card.attributes)
    return card


def _embedded_with_colours(
    encoder: Encoder, table: LabelTable, progress: Progress | None
) -> tuple[EmbeddedTable, EmbeddedTable, Colours]:
    """The rows to learn from, those to choose by, and what the latter's colours say of values."""
    card = encoder.card
    palette, attributes = Palette(card.preprocessing), len(card.attributes)
    watched = partial(Watched, preprocessing=card.preprocessing, attributes=attributes)
    rows = table.split("train")
    every = 1 + len(rows) * attributes // LEARNT_FROM
    palettes = watched(palette, every=every)
    train = embed_table(encoder, rows, progress=progress, watch=palettes)
    readings = fit_readings(palettes.said(), rows.take(range(0, len(rows), every)), card)
    told = watched(Readings(palette, readings))
    valid = embed_table(encoder, table.split("valid"), progress=progress, watch=told)
    return train, valid, Colours(palette, readings, told.said())


def _fitted(encoder: Encoder, table: LabelTable, progress: Progress | None) -> ModelCard:
    """The file's card with all that is calibrated and measured by its answers."""
    photographs = table.split("valid")
    valid = embed_table(encoder, photographs, progress=progress)
    changed = embed_changed(encoder, photographs, progress=progress)
    card = calibrated(encoder.card, [valid, *changed])
    if card.design_space is not None:
        copied = copied_split(encoder, photographs, table.split("train"), progress=progress)
        fitted = fit_design_space(copied, fitted_on="valid")
        card = card.model_copy(update={"design_space": fitted})
    measured = {"valid": valid}
    if "test" in table.splits:
        measured["test"] = embed_table(encoder, table.split("test"), progress=progress)
    quality = [evaluate(rows, card.attributes, split) for split, rows in measured.items()]
    encoder.card = card.model_copy(update={"quality": tuple(quality)})  # of the same graph
    evidence = fit_evidence(encoder, valid, measured.get("test"), progress=progress)
    return encoder.card.model_copy(update={"evidence": evidence})
