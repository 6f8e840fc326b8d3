"""What commands work with: settings, an encoder alone, or the whole service without HTTP.

An option given on the command line outranks its LAPEL_* variable.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api_schemas.card import ModelCard
from model import pixels
from model.encoder import Encoder, ImageEmbedding
from service.catalog.sqlite import DATABASE
from service.catalog.store import StoreLocked
from service.cli.failures import CommandError
from service.queries import attribute_indices
from service.redis_url import without_password
from service.services import Services, open_encoder, open_services
from service.settings import Settings

Answer = TypeVar("Answer")


def settings_with(**given: object) -> Settings:
    """The settings, with the options that were given (are not None)."""
    return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def load_encoder(model: Path | None) -> Encoder:
    """The model alone, for commands that need no store.

    Raises:
        ModelFileError: the file cannot be used.
    """
    return open_encoder(settings_with(model_path=model))


def embed_file(encoder: Encoder, file: Path) -> ImageEmbedding:
    """Embed one image file.

    Raises:
        OSError: it cannot be read.
        UndecodableImage: it is no image; the message names the file.
    """
    decoded = pixels.decode_file(file, encoder.card.preprocessing)
    return encoder.encode(decoded[None])[0]


@dataclass(frozen=True)
class Workplace:
    """The open services, and a loop to run them in."""

    services: Services
    _runner: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait for `work`."""
        return self._runner.run(work)


@contextlib.contextmanager
def open_workplace(
    settings: Settings, *, must_exist: bool = False, leads: bool = False, instead: str = ""
) -> Iterator[Workplace]:
    """Open model and store in this process.

    Args:
        settings: which ones.
        must_exist: refuse to make a new, empty store.
        leads: carry a change of models out; there are no requests under way to wait for.
        instead: what to say where a service has the store open; ``{address}`` becomes its own.

    Raises:
        CommandError: there is no store, and there must be one; or a service has it open.
        ModelFileError, CatalogError: see `open_services`.
    """
    folder = settings.store if isinstance(settings.store, Path) else None
    if must_exist and folder is not None and not (folder / DATABASE).exists():
        raise _nothing_in(str(folder))
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        try:
            opening = open_services(settings, leads=leads, drain_s=0)
            try:
                services = runner.run(stack.enter_async_context(opening))
            except StoreLocked as exc:
                if not instead:
                    raise
                address = f"http://{settings.host}:{settings.port}"
                raise CommandError(f"{exc}: {instead.format(address=address)}") from exc
            if must_exist and folder is None and not runner.run(services.catalog.catalogs()):
                raise _nothing_in(without_password(str(settings.store)))
            yield Workplace(services, runner)
        finally:
            runner.run(stack.aclose())


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A bar from 0 to 1 on stderr; its one task is `task_ids[0]`."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        bar.add_task(what, total=1.0)
        yield bar


def _nothing_in(store: str) -> CommandError:
    return CommandError(
        f"there are no garments in {store}; store some with: lapel index FOLDER --store {store}"
    )


def attributes_of(card: ModelCard, asked: Sequence[str] | None) -> list[str]:
    """The attributes asked for, each once; all of the model's when none were.

    Raises:
        UnknownAttribute: the model does not have one of them.
    """
    names = list(dict.fromkeys(asked or card.attribute_names))
    attribute_indices(card, names)
    return names
