"""`lapel index`: a folder or a table of pictures into a catalog.

Each handful of garments is on disk before the next is read, and what is there unchanged is
skipped: stop it any time and run the same line to go on.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api_schemas.bases import DEFAULT_CATALOG
from service.cli.destinations import Destination, FileGarment, LocalCatalog, RemoteCatalog
from service.cli.opening import open_workplace, settings_with
from service.cli.options import CatalogOption, Model, Store
from service.cli.sources import Source, Unusable, find_sources
from service.settings import Settings

TOGETHER: Final = 32
"""Garments read, embedded and committed at a time."""
UNCHANGED: Final = "unchanged"
OUTCOMES: Final = ("created", "replaced", UNCHANGED, "failed")


def index(
    source: Annotated[
        Path, typer.Argument(help="A folder of images, or a CSV file.", show_default=False)
    ],
    catalog: CatalogOption = DEFAULT_CATALOG,
    store: Store = None,
    model: Model = None,
    url: Annotated[
        str | None,
        typer.Option(help="Go through a running service, as in http://127.0.0.1:8000."),
    ] = None,
) -> None:
    """Store garments from a folder of pictures, or from a table that describes them.

    Example: lapel index photos/ --store my-garments

    Example: lapel index shop.csv (columns: file or image, relative to the CSV; id, or else the
    file's name without its ending; all others are metadata to filter by)

    Pictures in folders are called folder-name. What is stored already and has not changed is
    skipped, so an interrupted run goes on where it was. A file that cannot be used is named on
    standard error and left out; the exit status is then 1.
    """
    sources, unusable = find_sources(source)
    settings = settings_with(store=store, model_path=model)
    with _destination(settings, catalog, url) as destination:
        counts = store_sources(destination, sources, unusable, settings.max_image_bytes)
    counted = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES)
    Console().print(counted, highlight=False, soft_wrap=True)
    if counts["failed"]:
        raise typer.Exit(1)


def store_sources(
    destination: Destination,
    sources: Sequence[Source],
    unusable: Sequence[Unusable],
    max_image_bytes: int,
) -> Counter[str]:
    """Store what is new or changed, with a progress bar; count what became of each."""
    counts: Counter[str] = Counter()
    with progress_bar("storing", len(sources)) as bar:
        for fault in unusable:
            _report(bar, fault)
        counts["failed"] = len(unusable)
        for start in range(0, len(sources), TOGETHER):
            together = sources[start : start + TOGETHER]
            for outcome in _store(destination, together, max_image_bytes):
                if isinstance(outcome, Unusable):
                    _report(bar, outcome)
                counts["failed" if isinstance(outcome, Unusable) else outcome] += 1
            bar.advance(bar.task_ids[0], len(together))
    return counts


@contextlib.contextmanager
def progress_bar(what: str, total: int) -> Iterator[Progress]:
    """A bar on standard error with one task."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        bar.add_task(what, total=total)
        yield bar


@contextlib.contextmanager
def _destination(settings: Settings, catalog: str, url: str | None) -> Iterator[Destination]:
    if url is not None:
        with contextlib.closing(RemoteCatalog(url, catalog)) as remote:
            yield remote
        return
    elsewhere = "a running service takes garments through --url {address}"
    with open_workplace(settings, instead=elsewhere) as workplace:
        yield LocalCatalog(workplace, catalog)


def _store(
    destination: Destination, sources: Sequence[Source], max_image_bytes: int
) -> list[str | Unusable]:
    """What became of each, unusable ones first."""
    known = destination.known([source.id for source in sources])
    outcomes: list[str | Unusable] = []
    fresh: list[tuple[Source, FileGarment]] = []
    for source in sources:
        image = _read(source.file, max_image_bytes)
        if isinstance(image, Unusable):
            outcomes.append(image)
            continue
        there = known.get(source.id)
        metadata = source.metadata
        if metadata is None:  # a folder says nothing of them: what is stored stays
            metadata = there.metadata if there else {}
        if (
            there
            and not there.stale
            and there.image_sha256 == hashlib.sha256(image).hexdigest()
            and there.metadata == metadata
        ):
            outcomes.append(UNCHANGED)
        else:
            fresh.append((source, FileGarment(source.id, image, metadata)))
    stored = destination.put([garment for _, garment in fresh]) if fresh else []
    for (source, _), outcome in zip(fresh, stored, strict=True):
        good = outcome in OUTCOMES
        outcomes.append(outcome if good else Unusable(str(source.file), outcome))
    return outcomes


def _read(file: Path, max_image_bytes: int) -> bytes | Unusable:
    try:
        if (size := file.stat().st_size) > max_image_bytes:
            return Unusable(str(file), f"{size} bytes; {max_image_bytes} are allowed")
        return file.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a NUL in a table's cell
        return Unusable(str(file), getattr(exc, "strerror", None) or str(exc))


def _report(bar: Progress, fault: Unusable) -> None:
    line = f"skipped {fault.place}: {fault.reason}"
    bar.console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
