"""`lapel import`: the feed that a shop has already, into a catalog.

It remembers nothing of its own: what the store holds says what is left to do, so a run that was
stopped, killed or cut off goes on when the same line is given again.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from api_schemas.bases import DEFAULT_CATALOG
from api_schemas.garments import MAX_IMAGES
from service.cli.failures import CommandError
from service.cli.opening import Workplace, open_workplace, progress_bar, settings_with
from service.cli.options import CatalogOption, Model, Store
from service.errors import ServiceError
from service.feeds.opening import Feed, open_feed
from service.feeds.records import FeedError
from service.imports.fault_file import FaultFile
from service.imports.form import read_currency
from service.imports.records import (
    FETCHED,
    OUTCOMES,
    EmptyFeedError,
    Fault,
    ImportOptions,
    Step,
)
from service.imports.running import run_import

SHOWN: Final = 20
"""Faults printed; a file takes all of them."""

_ELSEWHERE: Final = "a running service takes feeds through POST {address}/v1/imports"


def import_feed(
    feed: Annotated[
        Path, typer.Argument(help="The file that the shop exports.", show_default=False)
    ],
    catalog: CatalogOption = DEFAULT_CATALOG,
    store: Store = None,
    model: Model = None,
    currency: Annotated[
        str | None,
        typer.Option(help="Of prices that name none, as in Shopify's and WooCommerce's CSV: EUR."),
    ] = None,
    refetch: Annotated[bool, typer.Option("--refetch", help="Fetch every image again.")] = False,
    delete_missing: Annotated[
        bool,
        typer.Option(
            "--delete-missing", help="Then delete garments of earlier imports not in this feed."
        ),
    ] = False,
    images: Annotated[
        int,
        typer.Option(
            min=1, max=MAX_IMAGES, help="How many images of each product are stored and searched."
        ),
    ] = 1,
    errors: Annotated[
        Path | None,
        typer.Option(
            help="Write what could not be done to this .csv or .ndjson file.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Fetch and change nothing; say what would be done.")
    ] = False,
) -> None:
    """Store the garments of a shop's product feed, with images fetched by their addresses.

    Example: lapel import products_export.csv --currency EUR

    Reads Shopify's and WooCommerce's product CSV, Google Merchant Center's text and XML, and
    schema.org JSON-LD, gzip or not; which one is seen from what the file holds. --dry-run reads it
    and tells what would be done. Fetching needs LAPEL_IMAGE_URLS=on.

    Run the same line again after every export, or after an interruption: what is stored already
    stays, and an image is fetched only if its address is new. Prices and other metadata are
    brought up to date without it. --delete-missing spares garments that came by other ways; it
    deletes nothing unless the feed has products and every row of it could be read.

    Garments get the feed's metadata to filter by, with title, group (the parent product), images
    and image (the address of the one stored; with --images, stored_images has all in the order of
    a hit's image_index). docs/feeds.md lists them all. The exit status is 1
    if a product could not be stored; --errors FILE has the reasons.
    """
    settings = settings_with(store=store, model_path=model)
    if settings.image_urls == "off" and not dry_run:
        raise CommandError(
            "a feed names its images by URL, which is off: run it with LAPEL_IMAGE_URLS=on "
            "(LAPEL_IMAGE_URL_HOSTS narrows down where they may lead)"
        )
    options = ImportOptions(
        catalog, currency and read_currency(currency), refetch, delete_missing, images
    )
    counts: Counter[str] = Counter()
    try:
        with (
            _opened(feed, currency) as opened,
            open_workplace(settings, instead=_ELSEWHERE) as workplace,
        ):
            _run(workplace, opened, options, dry_run, errors, counts)
    except (FeedError, ServiceError) as exc:
        _summarise(counts, dry_run)
        raise CommandError(_reason(exc)) from exc
    _summarise(counts, dry_run)
    if counts["failed"]:
        raise typer.Exit(1)


def _opened(feed: Path, currency: str | None) -> Feed:
    try:
        return open_feed(feed, currency=currency)
    except FeedError as exc:
        raise CommandError(str(exc)) from exc


def _run(
    workplace: Workplace,
    feed: Feed,
    options: ImportOptions,
    dry_run: bool,
    errors: Path | None,
    counts: Counter[str],
) -> None:
    """Run the import to its end, adding to `counts`."""
    services = workplace.services
    steps = run_import(feed, options, services.ingest, services.catalog, dry_run=dry_run)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(FaultFile(errors)) if errors else None
        bar = stack.enter_context(progress_bar(feed.format))
        shown = _Shown(bar, errors)
        for step in _each(workplace, steps):
            counts.update(step.counts)
            if file:
                file.add(step.faults)
            shown.add(step.faults)
            bar.update(bar.task_ids[0], completed=step.progress)
        shown.end()


def _each(workplace: Workplace, steps: AsyncGenerator[Step, None]) -> Iterator[Step]:
    try:
        while True:
            try:
                yield workplace.run(anext(steps))
            except StopAsyncIteration:
                return
    finally:
        workplace.run(steps.aclose())


class _Shown:
    """Prints the first faults, and in the end how many more there are."""

    def __init__(self, bar: Progress, errors: Path | None) -> None:
        self._bar = bar
        self._errors = errors
        self._count = 0

    def add(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults[: max(0, SHOWN - self._count)]:
            self._print(_line(fault))
        self._count += len(faults)

    def end(self) -> None:
        if self._count > SHOWN:
            where = f"all are in {self._errors}" if self._errors else "--errors FILE has them all"
            self._print(f"... and {self._count - SHOWN} more; {where}")

    def _print(self, line: str) -> None:
        self._bar.console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)


def _line(fault: Fault) -> str:
    place = [f"{fault.number}" if fault.number else "", fault.id or "", fault.column or ""]
    return f"{' '.join(filter(None, place))}: {fault.message} ({fault.code})".removeprefix(": ")


def _summarise(counts: Counter[str], dry_run: bool) -> None:
    line = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES)
    prefix = "would be: " if dry_run else ""
    images = f"; images {'to fetch' if dry_run else 'fetched'}: {counts[FETCHED]}"
    Console().print(prefix + line + images, highlight=False, soft_wrap=True)


def _reason(exc: FeedError | ServiceError) -> str:
    if isinstance(exc, ServiceError):
        return f"{exc.detail}; run the same line again to go on"
    if isinstance(exc, EmptyFeedError):
        return str(exc)
    return f"{exc}; what came before it is stored, and nothing was deleted"
