"""`lapel reindex`: garments that another model embedded, embedded anew from their stored pictures.

A garment is written as soon as it is embedded, and is then no longer stale: stopping and running
the command again goes on where it was. With `--to` it is `change_model` that works.
"""

import itertools
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from service.catalog.store import GarmentRecord
from service.cli.change_model import change_model
from service.cli.failures import CommandError
from service.cli.index import progress_bar
from service.cli.opening import Workplace, open_workplace, settings_with
from service.cli.options import Model, Store
from service.errors import ServiceError
from service.new_garment import with_vectors

TOGETHER: Final = 32
"""Garments read, embedded and committed at a time."""


def reindex(
    store: Store = None,
    model: Model = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Change to this model file: build its vectors beside the present ones, then "
            "switch at once."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Have the running service at this address do it; needs LAPEL_ADMIN_TOKEN."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Switch although some garments are left out.")
    ] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Drop what a change that has not switched has built.")
    ] = False,
) -> None:
    """Embed garments anew after the model has changed, or change the model.

    Example: lapel reindex --to new.onnx --url http://127.0.0.1:8000

    With --to, searches go on with the present model until every garment has vectors of the new
    one; the store then names the new model, and every process that opens it serves with that one.
    Without, garments stored under another model, which are kept but not found, are embedded anew
    in place. Both need the garments' pictures in the store; those without one are named, and the
    exit status is then 1: put them again with lapel index, or switch with --force.
    """
    settings = settings_with(store=store, model_path=model)
    if to is not None or give_up:
        change_model(settings, None if give_up else to, url=url, force=force)
        return
    if url is not None or force:
        raise CommandError("--url and --force go with --to")
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
    pictured = [(name, record) for name, record in stale if None not in record.images]
    images = [image or b"" for _, record in pictured for image in record.images]
    embedded = iter(workplace.run(workplace.services.images.embed_each(images, "")))
    reasons: list[str | None] = [
        f"left {name}/{record.id}: its picture was not kept"
        for name, record in stale
        if None in record.images
    ]
    fresh: dict[str, list[GarmentRecord]] = {}
    for name, record in pictured:
        own = list(itertools.islice(embedded, len(record.images)))
        good = [one for one in own if not isinstance(one, ServiceError)]
        faults = [one.detail for one in own if isinstance(one, ServiceError)]
        reasons.append(f"left {name}/{record.id}: {faults[0]}" if faults else None)
        if not faults:
            fresh.setdefault(name, []).append(with_vectors(record, good))
    for name, records in fresh.items():
        workplace.run(workplace.services.catalog.put(name, records))
    return reasons
