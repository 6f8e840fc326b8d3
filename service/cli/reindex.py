"""`lapel reindex`: garments that another model embedded, embedded anew from their stored pictures.

A garment is written as soon as it is embedded, and is then no longer stale: stopping and running
the command again goes on where it was.
"""

import dataclasses
from collections import Counter
from typing import Final

import numpy as np
import typer
from rich.console import Console

from model.encoder import ImageEmbedding
from service.catalog.store import GarmentRecord
from service.cli.index import progress_bar
from service.cli.opening import Workplace, open_workplace, settings_with
from service.cli.options import Model, Store
from service.errors import ServiceError

TOGETHER: Final = 32
"""Garments read, embedded and committed at a time."""


def reindex(store: Store = None, model: Model = None) -> None:
    """Embed garments anew after the model has changed.

    Example: lapel reindex --store my-garments --model my.onnx

    Garments stored under another model are kept, but not found, until this has run. It needs
    their pictures in the store; those without one are named, and the exit status is then 1: put
    them again with lapel index.
    """
    settings = settings_with(store=store, model_path=model)
    with open_workplace(settings, must_exist=True) as workplace:
        total = workplace.run(workplace.services.catalog.stale())
        counts = _reindex(workplace, total)
    console = Console()
    if not total:
        console.print("every garment is of the present model", highlight=False)
    else:
        left = counts["left"]
        console.print(f"{counts['done']} embedded anew, {left} left", highlight=False)
    if counts["left"]:
        raise typer.Exit(1)


def _reindex(workplace: Workplace, total: int) -> Counter[str]:
    catalog = workplace.services.catalog
    counts: Counter[str] = Counter()
    after: tuple[str, str] | None = None
    with progress_bar("embedding anew", total) as bar:
        while stale := workplace.run(catalog.stale_garments(TOGETHER, after)):
            after = (stale[-1][0], stale[-1][1].id)
            for reason in _embed_anew(workplace, stale):
                counts["left" if reason else "done"] += 1
                if reason:
                    bar.console.print(
                        reason, style="red", markup=False, highlight=False, soft_wrap=True
                    )
            bar.advance(bar.task_ids[0], len(stale))
    return counts


def _embed_anew(workplace: Workplace, stale: list[tuple[str, GarmentRecord]]) -> list[str | None]:
    """Embed and write them; for each None, or why it stays stale."""
    pictured = [(name, record) for name, record in stale if record.image is not None]
    images = [record.image for _, record in pictured if record.image is not None]
    embedded = workplace.run(workplace.services.images.embed_each(images, ""))
    reasons: list[str | None] = [
        f"left {name}/{record.id}: its picture was not kept"
        for name, record in stale
        if record.image is None
    ]
    fresh: dict[str, list[GarmentRecord]] = {}
    for (name, record), outcome in zip(pictured, embedded, strict=True):
        if isinstance(outcome, ServiceError):
            reasons.append(f"left {name}/{record.id}: {outcome.detail}")
        else:
            fresh.setdefault(name, []).append(_with_vectors(record, outcome))
            reasons.append(None)
    for name, records in fresh.items():
        workplace.run(workplace.services.catalog.put(name, records))
    return reasons


def _with_vectors(record: GarmentRecord, embedding: ImageEmbedding) -> GarmentRecord:
    return dataclasses.replace(
        record,
        vectors=embedding.vectors.astype(np.float16),
        norms=embedding.norms,
        visible=embedding.visible,
        image=None,  # the same picture as before: the stored bytes stay
        stale=False,
    )
